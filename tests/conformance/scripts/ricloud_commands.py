"""The `ricloud` command, as its users type it."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import ricloud
from ricloud_session import ARGUMENTS, finish

COMMAND = str(Path(sys.executable).with_name("ricloud"))
notes = {}


def run(*arguments):
    done = subprocess.run([COMMAND, *arguments], capture_output=True, text=True, timeout=120)
    notes[" ".join(arguments[:3])] = [done.returncode, done.stdout + done.stderr]
    return done.stdout


notes["ids"] = {}
run("config", "view")
run("webhook-config", "create", "--url", ARGUMENTS["webhook"])
run("webhook-config", "test", ricloud.WebhookConfig.list()[0].id)
credentials = Path("credentials.csv")
credentials.write_text("User name,Access key ID,Secret access key\nu,AKIA,secret\n")
run("storage-config", "create", "--url", "s3://bucket/x", "--credentials-path", str(credentials))
run("storage-config", "test", ricloud.StorageConfig.list(type="s3")[0].id)


def work():
    """Fulfil what is asked for, as a worker of the user's."""
    import requests

    headers = {"Authorization": "Token " + ARGUMENTS["token"]}
    native = ARGUMENTS["url"] + "/api/v1"
    end = time.monotonic() + 60
    while time.monotonic() < end:
        query = {"query": {"pipeline": "ricloud-poll"}}
        for one in requests.post(native + "/works/withdraw", json=query, headers=headers).json():
            requests.post(
                native + "/files",
                files={"file": ("messages.json", b'{"data": []}')},
                data={"task": one["parameters"]["task"], "identifier": "ios_messages.messages"},
                headers=headers,
            ).raise_for_status()
            one["status"] = "success"
            requests.put(native + "/works", json=[one], headers=headers).raise_for_status()
            if notes.get("stop"):
                return
        time.sleep(0.1)
        if notes.get("stop"):
            return


thread = threading.Thread(target=work)
thread.start()
try:
    user = ricloud.User.create(identifier="ricloud-py")
    session = ricloud.Session.create(
        source={"user": user, "type": "icloud.account", "identifier": "a@b.c"}, payload={"password": "x"}
    )
    run("icloud", "session", "retrieve", session.id)
    run("icloud", "session", "latest", "a@b.c")
    run("icloud", "poll", "create", session.id)
    run("icloud", "poll", "latest", session.id)
    poll = ricloud.Poll.list(session=session, limit=1)[0]
    run("icloud", "poll", "retrieve", poll.id)
    run("icloud", "poll", "download", poll.id)
    result = poll.results[0]
    run("icloud", "result", "retrieve", result.id)
    run("icloud", "result", "download", result.id)
finally:
    notes["stop"] = True
    thread.join()
notes["files"] = sorted(str(path) for path in Path("output").rglob("*") if path.is_file())
notes["content"] = [Path(path).read_text() for path in notes["files"]]
finish(notes)
