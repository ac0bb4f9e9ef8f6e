"""The `ricloud` command, as its users type it."""

import os
import re
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import ricloud
from ricloud_session import ARGUMENTS, finish

COMMAND = str(Path(sys.executable).with_name("ricloud"))
# What the command knows of the server stands in the file that its own `config init` writes.
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("RICLOUD_")}
notes = {"commands": {}}


def run(*arguments):
    done = subprocess.run([COMMAND, *arguments], env=ENVIRONMENT, capture_output=True, text=True, timeout=120)
    notes["commands"][" ".join(arguments[:3])] = [done.returncode, done.stdout + done.stderr]
    return done.stdout


run("config", "init", "--token", ARGUMENTS["token"], "--url", ARGUMENTS["url"] + "/ricloud/")
again = subprocess.run([COMMAND, "config", "init", "--token", "x"], env=ENVIRONMENT, capture_output=True, check=False)
notes["init again"] = again.returncode
run("config", "view")
run("webhook-config", "create", "--url", ARGUMENTS["webhook"])
run("webhook-config", "test", ricloud.WebhookConfig.list()[0].id)
credentials = Path("credentials.csv")
credentials.write_text("User name,Access key ID,Secret access key\nu,AKIA,secret\n")
run("storage-config", "create", "--url", "s3://bucket/x", "--credentials-path", str(credentials))
run("storage-config", "test", ricloud.StorageConfig.list(type="s3")[0].id)


MESSAGES = b"""{"data": [{"file": {"id": "f1"}}, {"files": [{"id": "f2"}, {"id": "f3"}]},
{"attachments": [{"file_id": "f4"}]}, {"text": "none"}]}"""


def work():
    """Fulfil what is asked for, as a worker of the user's."""
    import requests

    headers = {"Authorization": "Token " + ARGUMENTS["token"]}
    native = ARGUMENTS["url"] + "/api/v1"
    end = time.monotonic() + 60
    while time.monotonic() < end:
        query = {"query": {"pipeline": "ricloud-poll"}}
        for one in requests.post(native + "/works/withdraw", json=query, headers=headers).json():
            wanted = one["parameters"]["payload"].get("files")
            made = {id_: b"bytes of " + id_.encode() for id_ in wanted or ()}
            for name, content in (made or {"ios_messages.messages": MESSAGES}).items():
                requests.post(
                    native + "/files",
                    files={"file": ("file", content)},
                    data={"step": one["parameters"]["task"], "identifier": name},
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
    created = run("icloud", "session", "create", "a@b.c", "--icloud-password", "x")
    session = ricloud.Session.retrieve(re.findall(r"Session created: (\S+)", created)[0])
    run("icloud", "session", "retrieve", session.id)
    run("icloud", "session", "latest", "a@b.c")
    run("icloud", "poll", "create", session.id)
    run("icloud", "poll", "latest", session.id)
    poll = ricloud.Poll.list(session=session, limit=1)[0]
    notes["poll"] = poll.id
    run("icloud", "poll", "retrieve", poll.id)
    run("icloud", "poll", "download", poll.id, "--cascade", "true", "--only", "ios_messages.messages")
    result = poll.results[0]
    run("icloud", "result", "retrieve", result.id)
    run("icloud", "result", "download", result.id)
    run("icloud", "poll", "create", session.id, "--files", "f9", "--source-id", session.source.id)
    paired = ricloud.Session.retrieve(
        re.findall(r"Session created, ID: (\S+)", run("rirelay", "session", "create", "123456"))[0]
    )
    run("rirelay", "session", "retrieve", paired.id)
    made = run("rirelay", "sub", "create", paired.id, paired.source.id, "--info-types", "x")
    subscription = re.findall(r"Subscription created, ID: (\S+)", made)[0]
    run("rirelay", "sub", "retrieve", subscription)
    run("rirelay", "sub", "poll", subscription, "--data-types", "x,y")
    run("rirelay", "sub", "latest", subscription)
    ricloud.Subscription.delete_with_id(subscription)
finally:
    notes["stop"] = True
    thread.join()
with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
config = ricloud.WebhookConfig.create(url=f"http://127.0.0.1:{port}/webhooks")
listener = subprocess.Popen(
    [COMMAND, "event", "listen", "127.0.0.1", str(port)],
    env=ENVIRONMENT | {"RICLOUD_SECRET": config.secret, "PYTHONUNBUFFERED": "1"},
    stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT,
    text=True,
)
try:
    while ricloud.WebhookConfig.retrieve(config.id).state != "valid":
        ricloud.WebhookConfig.test_with_id(config.id)
        time.sleep(0.3)
finally:
    listener.terminate()
notes["listened"] = listener.communicate(timeout=30)[0]
notes["files"] = sorted(str(path) for path in Path("output").rglob("*") if path.is_file())
notes["content"] = {Path(path).name: Path(path).read_text() for path in notes["files"]}
finish(notes)
