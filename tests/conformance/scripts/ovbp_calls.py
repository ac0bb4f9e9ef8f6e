"""The calls of the client that no other script makes: each endpoint listed, records read, changed and asked of."""

from ovbp_session import ORGANIZATION, Session

from ovbpclient.exceptions import HttpError

session = Session()
client = session.client
client.rest_client.wait_for_on(timeout=10)
organization = client.get_organization(ORGANIZATION)
project = organization.create_project(session.arguments["project"], comment="before")
seen = {}

endpoints = {name: value for name, value in vars(client).items() if hasattr(value, "model_cls")}
seen["listed"] = {name: isinstance(endpoint.list(), list) for name, endpoint in endpoints.items()}
mine = {"project": project.odata_id}
seen["empty"] = {
    name: [endpoints[name].list_all(filter_by=mine), list(endpoints[name].iter(filter_by=mine))]
    for name in ("gates", "importers", "cleaners", "analyses", "series", "notifications")
}
project.update(comment="after")
project.reload()
seen["project"] = [project.comment, client.projects.retrieve(project.id).comment]
odata = project.get_odata_project()
seen["mail alerts"] = []
for change in (odata.activate_mail_alerts, odata.deactivate_mail_alerts):
    change()
    seen["mail alerts"].append(client.odata_projects.retrieve(odata.id).mail_alerts_activated)

me = client.users.retrieve("me")
account = me.get_odata_ftp_account()
seen["user"] = [
    me.get_odata_user().id == me.odata_id,
    bool(account.get_password()) and account.login == me.get_odata_ftp_account().login,
    isinstance(account.list_dir(), list),
]

gate = project.create_gate("gate")
ftp = gate.get_ftp_account()
attached = ftp.data["login"]
ftp.attach_new_oftp_account()
seen["gate"] = [ftp.data["login"] == attached, bool(ftp.get_password()), ftp.list_dir(path="/", root_dir_path="/")]
feeder = gate.create_base_feeder(timezone="Europe/Paris", crontab="0 0 0 1 1 *")
gate.reload()
seen["feeder"] = [feeder.get_child(), gate.get_base_feeder().id == feeder.id]
child = client.generic_basic_feeders.create(base_feeder=feeder.id, script="pass")
feeder.reload()
seen["child"] = [feeder.get_child().id == child.id, client.generic_basic_feeders.retrieve(child.id).script]
for change in (gate.activate, gate.deactivate, feeder.activate, feeder.deactivate):
    change()
    feeder.reload()
    seen.setdefault("active", []).append(feeder.active)
fed = feeder.detail_action("post", "feed")
seen["fed"] = client.base_feeder_tasks.retrieve(fed["id"]).id == fed["id"]
try:
    gate.run()
except AttributeError as error:
    seen["gate's run"] = str(error)

importer = project.create_importer("meters")
importer.update(comment="ours")
importer.reload()
cleaner = project.get_cleaner("meters")
made = cleaner.create_unitcleaner("kW", name="kW by hour")
seen["cleaner"] = [importer.comment, cleaner.get_unitcleaner("kW").id == made.id, cleaner.related_importer == importer.id]
seen["odata project"] = cleaner.get_odata_project().id == project.odata_id
try:
    seen["cleaner of its own"] = project.create_cleaner("alone").name
except HttpError as error:
    seen["cleaner of its own"] = str(error)

renamed = client.rest_client.partial_update("odata/unitcleaners", made.id, {"name": "renamed"})
whole = client.rest_client.retrieve("odata/unitcleaners", made.id)
try:
    seen["put"] = client.rest_client.update("odata/unitcleaners", made.id, whole)["name"]
except HttpError as error:
    seen["put"] = str(error)
seen["renamed"] = renamed["name"]
seen["destroyed"] = client.rest_client.destroy("odata/unitcleaners", made.id)
analysis = project.create_analysis("analysis")
seen["analysis"] = [analysis.get_analysis_config(), analysis.list_all_output_series()]
analysis.create_analysis_config("1H", "1H", "def analyze(df, **tools):\n    return df")
analysis.reload()
seen["config"] = analysis.get_analysis_config().input_freq
analysis.activate()
seen["activated"] = client.analyses.retrieve(analysis.id).active
session.end(**seen)
