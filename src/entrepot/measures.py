"""What processes count about their own work, for Prometheus; the server adds all of them up."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry()

HTTP_REQUESTS = Counter("entrepot_http_requests", "Requests answered.", ["door", "method", "status"], registry=REGISTRY)
HTTP_SECONDS = Histogram(
    "entrepot_http_request_seconds", "Time to answer a request.", ["door", "method"], registry=REGISTRY
)
JOBS_ENDED = Counter("entrepot_jobs_ended", "Attempts at jobs, by how they ended.", ["kind", "how"], registry=REGISTRY)
JOB_SECONDS = Histogram(
    "entrepot_job_seconds",
    "Time that attempts at jobs took.",
    ["kind"],
    buckets=(0.1, 0.5, 1, 5, 15, 60, 300, 1800, 7200),
    registry=REGISTRY,
)
LEASES_LOST = Counter("entrepot_leases_lost", "Jobs taken over from workers that fell silent.", registry=REGISTRY)
DATABASE_FULL = Counter(
    "entrepot_database_full", "Statements for which the disk of the database had no room.", registry=REGISTRY
)
FTP_SESSIONS = Gauge("entrepot_ftp_sessions", "Connections to the FTP server.", registry=REGISTRY)
