"""Which of many documents the published client's model takes, as it does when it withdraws one."""

from workflow_session import ARGUMENTS, finish

from workflow.definitions.work import Work

taken = []
for document in ARGUMENTS["documents"]:
    try:
        Work.from_dict(document)
    except Exception as error:  # noqa: BLE001 - whatever keeps a worker from reading it
        taken.append(str(error)[:300] or type(error).__name__)
    else:
        taken.append(None)
finish({"taken": taken})
