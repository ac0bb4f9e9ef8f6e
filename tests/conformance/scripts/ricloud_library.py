"""Every call of the library, in the order in which a user comes to them."""

import datetime as dt

import ricloud
from ricloud.requests import RequestHandler
from ricloud.storage import download_result
from ricloud_session import ARGUMENTS, finish

UTC = dt.UTC
notes = {}
first, second = ARGUMENTS["results"]

result = ricloud.Result.retrieve(first)
notes["retrieve"] = [result.identifier, result.checksum, result.size, result.state]
notes["download"] = download_result(result.url).decode()
listed = ricloud.Result.list()
notes["list"] = [type(listed).__name__, type(listed[0]).__name__, listed.has_more, first in [r.id for r in listed]]
notes["filters"] = len(ricloud.Result.list(poll=result.poll, checksum=result.checksum, limit=5))
start = dt.datetime.now(UTC) - dt.timedelta(hours=1)
notes["gte"] = len(ricloud.Result.list(poll=result.poll, date_created__gte=start))
notes["lt"] = len(ricloud.Result.list(poll=result.poll, date_created__lt=start))
created = dt.datetime.fromisoformat(result.date_created)
notes["equal"] = len(ricloud.Result.list(poll=result.poll, date_created=created))
try:
    ricloud.Result.list(date_created={"gte": start})
except Exception as error:
    notes["dict filter"] = [error.status, error.error, sorted(error.params)]
result.acknowledge()
notes["acknowledge"] = [result.state, bool(result.date_consumed)]
notes["acknowledge with id"] = ricloud.Result.acknowledge_with_id(second).state
notes["after"] = [
    len(ricloud.Result.list(poll=result.poll)),
    len(ricloud.Result.list(poll=result.poll, state="consumed")),
]
batch, _ = RequestHandler().post(ricloud.url + "results/ack", data={"ids": [first, "unknown"]})
notes["batch"] = [len(batch["data"]), batch["data"][0]["state"]]
try:
    ricloud.Result.retrieve("unknown")
except Exception as error:
    notes["unknown"] = [type(error).__name__, error.status, error.error]

key = ricloud.Key.current()
notes["current"] = [key["attrs"].state, key["attrs"].token == ricloud.token]
notes["organisation"] = ricloud.Organisation.retrieve().resource
storage = ricloud.StorageConfig.create(
    url=ARGUMENTS["storage"], signed_urls_enabled=True, signed_urls_expiry=dt.timedelta(hours=1)
)
notes["storage"] = [storage.state, storage.signed_urls_expiry, storage.type]
task = storage.test()
notes["storage test"] = task["attrs"].type
updated = ricloud.StorageConfig.update_with_id(storage.id, state="deactivated")
notes["storage update"] = updated.state
ricloud.StorageConfig.delete_with_id(storage.id)
webhook = ricloud.WebhookConfig.create(url=ARGUMENTS["webhook"])
notes["webhook"] = [webhook.state, bool(webhook.secret)]
made = ricloud.Key.create()
notes["key"] = [
    bool(made.token),
    ricloud.Key.update_with_id(made.id, webhook_config=webhook).webhook_config == webhook.id,
]
try:
    ricloud.Key.rotate_with_id(made.id)
except Exception as error:
    notes["rotate"] = type(error).__name__
notes["keys"] = len(ricloud.Key.list()) >= 2

user = ricloud.User.create(identifier="ricloud-py")
notes["user again"] = ricloud.User.create(identifier="ricloud-py").id == user.id
session = ricloud.Session.create(
    source={"user": user, "type": "mocks.mock", "identifier": "a@b.c"}, payload={"password": "pässword"}
)
notes["session"] = [session.state, session.source.identifier, type(session.source).__name__]
notes["source"] = ricloud.Source.list(user=user, identifier="a@b.c")[0].id == session.source.id
poll = ricloud.Poll.create(session=session, payload={"info_types": ["*"]})
notes["poll"] = [poll.state, type(poll.results).__name__, len(poll.results), poll.errors]
notes["polls"] = ricloud.Poll.list(session=session, limit=1)[0].id == poll.id
notes["task"] = ricloud.Task.retrieve(poll.tasks_pending[0]).state
notes["tasks"] = len(ricloud.Task.list(poll=poll))
subscription = ricloud.Subscription.create(session=session, poll_payload={"data_types": ["ios_messages.messages"]})
notes["subscription"] = subscription.state
notes["subscription delete"] = ricloud.Subscription.delete_with_id(subscription.id) is None or True
notes["permissions"] = len(ricloud.Permissions.list())
done = ricloud.Poll.retrieve(result.poll)
notes["completed"] = [done.state, done.results[0].id, type(done.results[0]).__name__]
events = ricloud.Event.list(type="task", limit=3)
notes["events"] = [len(events), events[0].type, ricloud.Event.retrieve(events[0].id).id == events[0].id]
notes["repr"] = all(repr(one) for one in (result, listed, poll, session, events, webhook, storage, key))
rest = notes["the rest"] = {}
rest["task"] = ricloud.Task.create(poll=poll).poll == poll.id
rest["organisation"] = ricloud.Organisation.retrieve().id == result.organisation
default = ricloud.Organisation.retrieve()
default.update(webhook_config=webhook)
rest["organisation update"] = ricloud.Organisation.retrieve().webhook_config == webhook.id
default.update(webhook_config=None)
rest["users"] = user.id in [one.id for one in ricloud.User.list(identifier="ricloud-py")]
rest["user update"] = ricloud.User.update_with_id(user.id, identifier="renamed").identifier == "renamed"
rest["user"] = ricloud.User.retrieve(user.id).identifier == "renamed"
source = ricloud.Source.create(user=user, type="mocks.mock", identifier="other")
rest["source"] = ricloud.Source.retrieve(source.id).identifier == "other"
rest["source update"] = ricloud.Source.update_with_id(source.id, identifier="other").id == source.id
part = ricloud.Source.create(parent=session.source, type="mocks.part", identifier="part")
rest["part"] = part.parent == session.source.id and type(part.children).__name__ == "List"
whole = ricloud.Source.retrieve(session.source.id)
rest["parts"] = [one.id for one in whole.children] == [part.id] and whole.state == "active"
rest["part's poll"] = ricloud.Poll.create(session=session, source=part, payload={}).source == part.id
step = ricloud.Task.list(poll=result.poll)[0]
rest["task's results"] = [type(one).__name__ for one in step.results] == ["Result"]
told = ricloud.Event.list(type="task", action="succeeded", limit=1)[0]
rest["task succeeded"] = told.action == "succeeded" and type(told.data.results).__name__ == "List"
held = ricloud.Organisation.retrieve()
rest["organisation's configs"] = type(held.webhook_configs[0]).__name__ == "WebhookConfig"
rest["organisation's permissions"] = held.permissions.identifier == "default"
rest["organisation's defaults"] = held.webhook_config_default is None
rest["user's key"] = user.key == key["attrs"].id and user.state == "active"
rest["sessions"] = ricloud.Session.list(source=session.source, state="active", limit=1)[0].id == session.id
rest["key"] = ricloud.Key.retrieve(made.id).id == made.id
granted = ricloud.Permissions.create(key=made.id, scopes=["files:read"])
rest["permissions"] = ricloud.Permissions.retrieve(granted.id).scopes == ["files:read"]
changed = ricloud.Permissions.update_with_id(granted.id, scopes=["files:write"])
rest["permissions update"] = changed.scopes == ["files:write"]
rest["subscriptions"] = len(ricloud.Subscription.list(session=session, state="deleted")) == 1
rest["subscription"] = ricloud.Subscription.retrieve(subscription.id).state == "deleted"
rest["storages"] = storage.id in [one.id for one in ricloud.StorageConfig.list(state="deactivated")]
rest["storage"] = ricloud.StorageConfig.retrieve(storage.id).credentials is None
rest["webhooks"] = webhook.id in [one.id for one in ricloud.WebhookConfig.list()]
rest["webhook"] = ricloud.WebhookConfig.retrieve(webhook.id).secret is None
rest["webhook update"] = ricloud.WebhookConfig.update_with_id(webhook.id, state="deactivated").state == "deactivated"
rest["webhook test"] = webhook.test()["attrs"].type == "webhook_config.test"
rest["webhook delete"] = ricloud.WebhookConfig.delete_with_id(webhook.id).state == "deactivated"
ricloud.Session.delete_with_id(session.id)
notes["session end"] = ricloud.Session.retrieve(session.id).state
finish(notes)
