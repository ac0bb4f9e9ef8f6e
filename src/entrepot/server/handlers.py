"""The modules whose functions do the jobs, and those that have jobs done again and again."""

#: What a worker imports before it starts.
HANDLERS = (
    "entrepot.events.delivery",
    "entrepot.events.failures",
    "entrepot.events.mail",
    "entrepot.events.retention",
    "entrepot.events.webhooks",
    "entrepot.files.lifecycle",
    "entrepot.files.trial",
    "entrepot.identity.upkeep",
    "entrepot.jobs.housekeeping",
    "entrepot.lineage.retention",
    "entrepot.locks",
    "entrepot.pipeline.analysis_run",
    "entrepot.pipeline.clean_run",
    "entrepot.pipeline.clear_run",
    "entrepot.pipeline.exports",
    "entrepot.pipeline.feeders.feed_run",
    "entrepot.pipeline.gates",
    "entrepot.pipeline.import_run",
    "entrepot.pipeline.locking",
    "entrepot.pipeline.projects",
    "entrepot.pipeline.trials",
    "entrepot.pipeline.silence",
    "entrepot.series.discarding",
    "entrepot.series.folding",
    "entrepot.requests.fulfilment",
    "entrepot.requests.subscriptions",
    "entrepot.requests.trials",
    "entrepot.server.run.vacuum",
    "entrepot.works.audit",
    "entrepot.works.slack",
)

#: Modules that say how receivers of events are written to; whoever delivers needs them.
STYLES = ("entrepot.server.dialects.ricloud.events",)

#: Modules with a function ``schedule(session)``, called when a scheduler starts.
SCHEDULES = (
    "entrepot.events.mail",
    "entrepot.events.retention",
    "entrepot.files.lifecycle",
    "entrepot.identity.upkeep",
    "entrepot.lineage.retention",
    "entrepot.pipeline.projects",
    "entrepot.series.discarding",
    "entrepot.series.folding",
    "entrepot.server.run.vacuum",
    "entrepot.works.audit",
)
