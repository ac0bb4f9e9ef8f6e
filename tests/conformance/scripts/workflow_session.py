"""What the scripts share: a workspace that points at the server, and notes for the test."""

import json
import os
import sys
from pathlib import Path

with open(sys.argv[1]) as f:
    ARGUMENTS = json.load(f)

WORKSPACE = Path.home() / ".config" / "workflow" / "workspace.yml"
WORKSPACE.parent.mkdir(parents=True, exist_ok=True)
SLASH = ARGUMENTS.get("slash", "")
BASE = ARGUMENTS["url"] + "/workflow"
CONTENT = {
    "workspace": "entrepot",
    "sites": ARGUMENTS.get("sites", ["local"]),
    "http": {
        "baseurls": {
            "buckets": f"{BASE}/buckets{SLASH}",
            "results": ["http://127.0.0.1:9/unreachable", f"{BASE}/results{SLASH}"],
        }
    },
    "config": {"archive": {"results": True, "products": ["bypass"], "plots": ["bypass"], "permissions": {}}},
    "logging": {},
}
# JSON is YAML too.
WORKSPACE.write_text(json.dumps(CONTENT))
os.environ["WORKFLOW_HTTP_TOKEN"] = ARGUMENTS["token"]
os.environ["COLUMNS"] = "200"


def finish(notes):
    """Hand the notes to the test."""
    with open(sys.argv[2], "w") as f:
        json.dump(notes, f)
