"""What the scripts share: the client pointed at the server, and notes for the test."""

import json
import os
import sys
from pathlib import Path

import ricloud

ARGUMENTS = json.loads(Path(sys.argv[1]).read_text())

os.environ["RICLOUD_URL"] = ARGUMENTS["url"] + "/ricloud/"
os.environ["RICLOUD_TOKEN"] = ARGUMENTS["token"]
os.environ["LC_ALL"] = os.environ["LANG"] = "C.UTF-8"

# For this process, in which the client may have been imported already.
ricloud.url, ricloud.token = os.environ["RICLOUD_URL"], os.environ["RICLOUD_TOKEN"]


def finish(notes):
    """Hand the notes to the test."""
    Path(sys.argv[2]).write_text(json.dumps(notes, default=str))
