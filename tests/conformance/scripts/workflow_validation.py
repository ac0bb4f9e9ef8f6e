"""What the client makes of works, of each the payload or that it is refused."""

import json
import os
import sys
from pathlib import Path

from pydantic import ValidationError
from workflow.definitions.work import Work

given = json.loads(Path(sys.argv[1]).read_text())
outcomes = []
for case in given["cases"]:
    os.environ.update(case["environment"])
    try:
        work = Work(**case["made"], workspace=given["workspace"])
        for name, value in case["set"].items():
            setattr(work, name, value)
        outcomes.append({**work.payload, "creation": None})
    except ValidationError:
        outcomes.append("refused")
    for name in case["environment"]:
        del os.environ[name]
Path(sys.argv[2]).write_text(json.dumps(outcomes))
