"""The modules whose functions do the jobs: what a worker imports before it starts."""

HANDLERS = (
    "entrepot.jobs.scheduler",
    "entrepot.pipeline.analysis_run",
    "entrepot.pipeline.clean_run",
    "entrepot.pipeline.clear_run",
    "entrepot.pipeline.exports",
    "entrepot.pipeline.feeders",
    "entrepot.pipeline.gates",
    "entrepot.pipeline.import_run",
    "entrepot.series.folding",
    "entrepot.works.audit",
)
