"""The settings that say how long the server keeps what it writes by itself: a part of its settings."""

from pydantic import Field
from pydantic_settings import BaseSettings


class Retention(BaseSettings):
    """How long what is kept that nobody asked to be kept; an upkeep job deletes the rest in small units."""

    run_retention_days: int = Field(
        365, ge=1, description="How long runs are kept whole; then, condensed, those whose results are still there."
    )
    job_retention_days: float = Field(
        30.0,
        gt=0,
        description="How long ended jobs are kept; of each generator, the last and the last that failed stay.",
    )
    event_retention_days: float = Field(90.0, gt=0, description="How long events are kept, the trail of who did what.")
    audit_retention_days: float = Field(
        400.0,
        gt=0,
        description="How long the audit log is kept: who signed in, and who changed members, keys and the like.",
    )
    delivery_retention_days: float = Field(
        30.0, gt=0, description="How long deliveries to webhooks that have ended are kept; as long as events at most."
    )
    notification_retention_days: float = Field(365.0, gt=0, description="How long resolved notifications are kept.")
    mail_retention_days: float = Field(30.0, gt=0, description="How long mails are kept that were sent or given up.")
    file_consumed_days: float = Field(30.0, gt=0, description="Days after which acknowledged files expire.")
    file_kept_days: float = Field(90.0, gt=0, description="Days after which files expire that nobody acknowledged.")
    answer_retention_hours: float = Field(
        24.0, gt=0, description="How long answers to requests with an `Idempotency-Key` are kept."
    )
    session_hours: float = Field(12.0, gt=0, description="How long a session of the console lasts.")
    login_known_days: float = Field(
        30.0, gt=1, description="How long a login stays known at an address that it signed in from."
    )
    part_retention_minutes: float = Field(
        10.0, ge=1, description="How long a part of a server that fell silent is remembered."
    )
