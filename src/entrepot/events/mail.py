"""Notices by mail: what came up together goes out together, to every member of the project's organization who wants it.

Two kinds of jobs. One writes mails, as rows, once those that wait are old enough, and not too soon after the last ones
on the same origin: a gate that is broken is one mail, however many series depend on it. The other one hands them to the
SMTP server, and comes back later where that one does not take them. Nothing waits for it but mails.
"""

import smtplib
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime
from socket import SHUT_RDWR

import structlog
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from entrepot import jobs
from entrepot.db import now
from entrepot.events.log import emit
from entrepot.events.models import Mail, Notification
from entrepot.events.notifications import MAIL, mail_later
from entrepot.identity import Project, users
from entrepot.settings import Settings

log = structlog.get_logger("entrepot.mail")

SEND = "mail.send"
#: Longest wait for one answer of the SMTP server, and longest time for all that it is told in one go.
ANSWER_SECONDS, TURN_SECONDS = 20.0, 120.0
FIRST_PAUSE, LONGEST_PAUSE = 60.0, 3600.0
#: A mail that nobody took for so long has failed.
GIVE_UP = timedelta(days=5)
#: What a server refuses of one mail, as opposed to all of them.
_OWN_PROBLEMS = (
    smtplib.SMTPRecipientsRefused,
    smtplib.SMTPSenderRefused,
    smtplib.SMTPDataError,
    smtplib.SMTPNotSupportedError,
)
_AT_ONCE = 50
_MOST_NOTICES = 40
_SWEEP_SECONDS = 3600.0


def schedule(session: Session) -> None:
    """Have mails looked after now and then, whatever became of the jobs that were to send them."""
    jobs.schedules.every(session, SEND, _SWEEP_SECONDS, SEND, key=SEND)


def activate(session: Session, project: Project, *, value: bool) -> None:
    """Have a project send mails, beginning with what is open now, or not."""
    project.mails = value
    session.flush()
    mail_later(session, project.id)


@jobs.task(MAIL, max_attempts=10, pool="deliveries")
def write(context: jobs.JobContext) -> dict[str, int]:
    """Write the mails on a project's notices that are due."""
    settings, payload = context.settings, context.job.payload or {}
    with context.unit() as session:
        project = session.get(Project, payload["project"])
        written = 0
        if settings.smtp_host is not None and project is not None and project.mails:
            recipients = _recipients(session, project)
            chosen, next_at = _due(session, settings, project) if recipients else ([], None)
            if chosen:
                written = _write(session, settings, project, recipients, chosen)
                jobs.enqueue(session, SEND, key=SEND, coalesce=SEND)
            if next_at is not None:
                key = context.job.key
                jobs.enqueue(session, MAIL, payload, project_id=project.id, key=key, coalesce=key, run_at=next_at)
        result = {"mails": written}
        context.finish(session, result)
    return result


@jobs.task(SEND, max_attempts=100, pool="deliveries", calls_out=True)
def send(context: jobs.JobContext) -> dict[str, int]:
    """Hand over the mails that are due, one after the other; those that are not taken come back, ever later."""
    settings, sent = context.settings, 0
    with context.database.read() as session:
        due = select(Mail).where(Mail.status == "pending", Mail.next_at <= now())
        waiting = list(session.scalars(due.order_by(Mail.number).limit(_AT_ONCE)))
    if settings.smtp_host is None or not waiting:
        return {"sent": 0, "left": len(waiting)}
    problems: dict[int, str] = {}
    concerned = [mail.number for mail in waiting]
    try:
        with open_server(settings) as server:
            for mail in waiting:
                context.check()
                concerned = [mail.number]  # one that breaks the connection does not hold up the others
                if problem := _hand_over(server, settings, mail):
                    problems[mail.number] = problem
                    continue
                with context.unit() as session:
                    found = session.get_one(Mail, mail.number)
                    found.status, found.sent_at, found.error = "sent", now(), None
                sent += 1
    except (smtplib.SMTPException, OSError) as error:
        problems |= dict.fromkeys(concerned, f"{type(error).__name__}: {error}"[:500])
        log.warning("mail is not taken", host=settings.smtp_host, error=str(error), waiting=len(waiting) - sent)
    with context.unit() as session:
        _postpone(session, problems)
        _go_on(session)
        result = {"sent": sent, "left": len(waiting) - sent}
        context.finish(session, result)
    return result


@contextmanager
def open_server(settings: Settings) -> Iterator[smtplib.SMTP]:
    """Connect to the operator's SMTP server and sign in.

    Raises
    ------
    smtplib.SMTPException, OSError
        It does not answer, or refuses.
    """
    assert settings.smtp_host is not None
    context = ssl.create_default_context(cafile=settings.smtp_ca) if settings.smtp_tls != "off" else None
    server = (
        smtplib.SMTP_SSL(timeout=ANSWER_SECONDS, context=context)
        if settings.smtp_tls == "tls"
        else smtplib.SMTP(timeout=ANSWER_SECONDS)
    )
    # Certificates are checked against the name, which smtplib only learns by its other way of connecting.
    server._host = settings.smtp_host  # type: ignore[attr-defined]  # noqa: SLF001

    def give_up() -> None:
        if server.sock is not None:
            with suppress(OSError):
                server.sock.shutdown(SHUT_RDWR)

    # A server that says a byte now and then would never be late.
    timer = threading.Timer(TURN_SECONDS, give_up)
    timer.daemon = True
    timer.start()
    try:
        server.connect(settings.smtp_host, settings.smtp_port)
        if settings.smtp_tls == "starttls":
            server.starttls(context=context)
        if settings.smtp_user is not None:
            server.login(settings.smtp_user, settings.smtp_password.get_secret_value())
        yield server
        with suppress(smtplib.SMTPException, OSError):
            server.quit()
    finally:
        timer.cancel()
        server.close()


def _hand_over(server: smtplib.SMTP, settings: Settings, mail: Mail) -> str | None:
    """Send one mail; return why it was not taken, if that is about this one alone."""
    try:
        server.send_message(_message(settings, mail), to_addrs=[mail.recipient])
    except (*_OWN_PROBLEMS, ValueError) as error:
        with suppress(smtplib.SMTPException):
            server.rset()
        return f"{type(error).__name__}: {error}"[:500]
    return None


def _message(settings: Settings, mail: Mail) -> EmailMessage:
    sender = settings.smtp_from or f"entrepot@{settings.smtp_host}"
    message = EmailMessage()
    message["From"] = sender
    message["To"] = mail.recipient
    message["Subject"] = mail.subject
    message["Date"] = format_datetime(mail.created_at.astimezone(UTC))
    # The same at every attempt, so that a mail that comes twice is known as one.
    message["Message-ID"] = f"<{mail.id}@{sender.rpartition('@')[2].rstrip('>')}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.body)
    return message


def _postpone(session: Session, problems: dict[int, str]) -> None:
    for number, problem in problems.items():
        mail = session.get_one(Mail, number)
        mail.attempts += 1
        mail.error = problem
        mail.next_at = now() + timedelta(seconds=min(FIRST_PAUSE * 2.0 ** min(mail.attempts - 1, 20), LONGEST_PAUSE))
        if now() - mail.created_at > GIVE_UP:
            mail.status = "failed"
            data = {"recipient": mail.recipient, "subject": mail.subject, "error": problem}
            owner = {"organization_id": mail.organization_id, "project_id": mail.project_id}
            emit(session, "mail", "failed", mail.id, data=data, **owner)
    session.flush()


def _go_on(session: Session) -> None:
    next_at = session.scalar(select(func.min(Mail.next_at)).where(Mail.status == "pending"))
    if next_at is not None:
        jobs.enqueue(session, SEND, key=SEND, coalesce=SEND, run_at=max(next_at, now()))


def _recipients(session: Session, project: Project) -> list[str]:
    members = users.list_members(session, [project.organization_id])
    wanted = (user.email.strip() for user, _ in members if user.mail_notices and not user.disabled)
    return list(dict.fromkeys(address for address in wanted if address))


def _due(session: Session, settings: Settings, project: Project) -> tuple[list[Notification], datetime | None]:
    """Return what is to be mailed now, oldest first, and when to look again."""
    delay, pause = (timedelta(seconds=s) for s in (settings.mail_delay_seconds, settings.mail_pause_seconds))
    of_project = Notification.project_id == project.id
    query = select(Notification).where(of_project, Notification.resolved.is_(False), Notification.mailed_at.is_(None))
    waiting = session.scalars(query.order_by(Notification.number)).all()
    query_last = select(Notification.origin, func.max(Notification.mailed_at)).where(of_project)
    last = {origin: at for origin, at in session.execute(query_last.group_by(Notification.origin)) if at is not None}
    instant = now()
    ready = [one for one in waiting if one.origin not in last or last[one.origin] + pause <= instant]
    if not any(one.created_at + delay <= instant for one in ready):
        ready = []
    others = [one for one in waiting if one not in ready]
    times = [max(one.created_at + delay, last[one.origin] + pause if one.origin in last else instant) for one in others]
    return ready, min(times, default=None)


def _write(
    session: Session, settings: Settings, project: Project, recipients: Sequence[str], notices: list[Notification]
) -> int:
    (subject, body), instant = compose(settings, project, notices), now()
    for recipient in recipients:
        session.add(
            Mail(
                organization_id=project.organization_id,
                project_id=project.id,
                recipient=recipient,
                subject=subject,
                body=body,
                created_at=instant,
                next_at=instant,
            )
        )
    for notice in notices:
        notice.mailed_at = instant
    session.flush()
    return len(recipients)


def _sentence(notice: Notification) -> str:
    """Return what a notice says, without the details below it."""
    return " ".join(notice.message.partition("\n\n")[0].split())[:500]


def compose(settings: Settings, project: Project, notices: Sequence[Notification]) -> tuple[str, str]:
    """Return subject and text of the mail that tells of notices."""
    by_origin: dict[str, list[Notification]] = {}
    for notice in notices:
        by_origin.setdefault(notice.origin or notice.generator_kind or "project", []).append(notice)
    what = notices[0].name if len(notices) == 1 else f"{len(notices)} notices"
    subject = " ".join(f"[Entrepot] {project.name}: {', '.join(by_origin)}: {what}".split())
    lines = [f"Project {project.name}: {what}."]
    shown = 0
    for origin, some in by_origin.items():
        lines += ["", origin[:1].upper() + origin[1:]]
        for notice in some[: max(_MOST_NOTICES - shown, 0)]:
            shown += 1
            since = notice.created_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
            lines.append(f"- {notice.name}: {_sentence(notice)} (since {since})")
            if settings.public_url:
                lines.append(f"  {settings.public_url.rstrip('/')}/api/v1/notifications/{notice.id}")
    if shown < len(notices):
        lines += ["", f"... and {len(notices) - shown} more."]
    if settings.public_url:
        open_ones = f"/api/v1/notifications?project={project.id}&resolved=false"
        lines += ["", f"All that is open: {settings.public_url.rstrip('/')}{open_ones}"]
    lines += [
        "",
        "You get this because the project sends mails (mails) and you want them.",
        "You can end it: entrepot users set LOGIN mail_notices=false",
        "",
    ]
    return subject[:200], "\n".join(lines)
