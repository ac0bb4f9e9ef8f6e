"""Data asked for by a poll, fetched and published by a worker, and taken: ricloud's guide from the other side."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from entrepot.client import ricloud

ricloud.url, ricloud.token = f"{os.environ['ENTREPOT_URL']}/ricloud/", os.environ["ENTREPOT_TOKEN"]

# Whoever wants data says of whom, from what account, and what.
user = ricloud.User.create(identifier="ada")
account = {"user": user, "type": "example.account", "identifier": "ada@example.org"}
session = ricloud.Session.create(source=account)
poll = ricloud.Poll.create(session=session, payload={"data_types": ["messages.sms"]})
print(poll.state)

# Whoever has it runs a worker: here one that finds accounts in a folder; `--function` takes one of your own.
with tempfile.TemporaryDirectory() as exports:
    files = Path(exports) / "example.account" / "ada@example.org"
    (files / "tablet").mkdir(parents=True)
    (files / "messages.sms.json").write_text('{"data": [{"text": "hello"}]}')
    command = [sys.executable, "-m", "entrepot", "polls", "serve", "--folder", exports, "--lives", "1"]
    subprocess.run([*command, "--source-type", "example.account"], check=True, capture_output=True)

while poll.state != "completed":  # a webhook would tell at once
    time.sleep(0.2)
    poll.refresh()
(task,) = [ricloud.Task.retrieve(id_) for id_ in poll.tasks_succeeded]
for result in task.results:
    print(result.identifier, result.download().decode())
    result.acknowledge()
(part,) = ricloud.Source.retrieve(session.source.id).children
print("a part that can be polled alone:", part.identifier)
