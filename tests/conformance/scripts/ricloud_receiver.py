"""The client's own receiver, fed by the server: what it accepts, it prints."""

import io
import threading
import time
from contextlib import redirect_stdout

import ricloud
from ricloud.webhooks import app
from ricloud_session import finish
from werkzeug.serving import make_server

notes = {"statuses": []}
server = make_server("127.0.0.1", 0, app, threaded=False)
address = f"http://127.0.0.1:{server.server_port}/webhooks"


def wait(condition):
    end = time.monotonic() + 60
    while not (value := condition()):
        assert time.monotonic() < end, out.getvalue()
        time.sleep(0.05)
    return value


@app.after_request
def note(response):
    notes["statuses"].append(response.status_code)
    return response


out = io.StringIO()
with redirect_stdout(out):
    threading.Thread(target=server.serve_forever, daemon=True).start()
    # The address answers before the secret is known, so the first test may fail; it is repeated below.
    config = ricloud.WebhookConfig.create(url=address)
    app.config.update(WEBHOOK_SECRET=config.secret, WEBHOOK_DELTA=600)
    wait(lambda: ricloud.WebhookConfig.retrieve(config.id).state in ("valid", "invalid"))
    task = ricloud.WebhookConfig.test_with_id(config.id)["attrs"]
    wait(lambda: ricloud.Task.retrieve(task.id).state == "succeeded")
    notes["valid"] = ricloud.WebhookConfig.retrieve(config.id).state
    ricloud.Key.update_with_id(ricloud.Key.current()["attrs"].id, webhook_config=config)
    before = len(notes["statuses"])
    poll = ricloud.Poll.create(payload={"info_types": ["*"]})
    wait(lambda: len(notes["statuses"]) >= before + 2)
    notes["states"] = [wait(lambda: ricloud.Event.list(type="poll", state="delivered", limit=1))[0].state]
    ricloud.Key.update_with_id(ricloud.Key.current()["attrs"].id, webhook_config=None)
    ricloud.WebhookConfig.delete_with_id(config.id)
notes["output"] = out.getvalue()
finish(notes)
