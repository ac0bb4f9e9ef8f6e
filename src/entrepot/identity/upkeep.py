"""What is forgotten of people and their requests once its time is over, hour by hour."""

from datetime import timedelta

from sqlalchemy.orm import Session

from entrepot import jobs
from entrepot.db import now
from entrepot.identity import audit, bans, repeats, sessions

PRUNE = "identity.prune"
_AT_ONCE = 1000


def schedule(session: Session) -> None:
    """Have it forgotten, hour by hour."""
    jobs.schedules.every(session, PRUNE, 3600, PRUNE, key=PRUNE)


@jobs.task(PRUNE)
def run(context: jobs.JobContext) -> dict[str, int]:
    """Delete answers, sessions, counts of failed logins and what the audit log tells that were kept for long enough."""
    settings = context.settings
    before = now() - timedelta(hours=settings.answer_retention_hours)
    limits = bans.Limits(settings.login_max_failures, settings.login_ban_seconds, settings.login_known_days)
    answers = jobs.in_units(context, lambda session: repeats.prune(session, before, _AT_ONCE))
    ended = jobs.in_units(context, lambda session: sessions.prune(session, _AT_ONCE))
    kept = now() - timedelta(days=settings.audit_retention_days)
    told = jobs.in_units(context, lambda session: audit.prune(session, kept, _AT_ONCE))
    with context.unit() as session:
        bans.prune(session, limits)
    return {"answers": answers, "sessions": ended, "audit": told}
