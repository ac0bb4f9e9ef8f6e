"""The modules whose functions do the jobs, and those that have jobs done again and again."""

#: What a worker imports before it starts.
HANDLERS = (
    "entrepot.engines.upkeep",
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
    "entrepot.pipeline.analyses.run",
    "entrepot.pipeline.cleaning.run",
    "entrepot.pipeline.runs.clearing",
    "entrepot.pipeline.runs.exports",
    "entrepot.pipeline.feeders.feed_run",
    "entrepot.pipeline.gates.configuration",
    "entrepot.pipeline.importing.run",
    "entrepot.pipeline.runs.locking",
    "entrepot.pipeline.runs.projects",
    "entrepot.pipeline.runs.trials",
    "entrepot.pipeline.runs.channel_trials",
    "entrepot.pipeline.runs.freshness",
    "entrepot.series.discarding",
    "entrepot.series.folding",
    "entrepot.requests.fulfilment",
    "entrepot.requests.subscriptions",
    "entrepot.requests.trials",
    "entrepot.server.run.vacuum",
    "entrepot.works.audit",
    "entrepot.works.changes",
    "entrepot.works.slack",
)

#: Modules that say how receivers of events are written to; whoever delivers needs them.
STYLES = ("entrepot.server.dialects.ricloud.events",)

#: Modules with a function ``schedule(session)``, called when a scheduler starts.
SCHEDULES = (
    "entrepot.engines.upkeep",
    "entrepot.events.mail",
    "entrepot.events.retention",
    "entrepot.events.webhooks",
    "entrepot.files.lifecycle",
    "entrepot.identity.upkeep",
    "entrepot.lineage.retention",
    "entrepot.pipeline.runs.projects",
    "entrepot.series.discarding",
    "entrepot.series.folding",
    "entrepot.server.run.vacuum",
    "entrepot.works.audit",
)
