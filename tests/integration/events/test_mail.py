"""Notices by mail, through a real SMTP server that works, wants TLS, refuses, stalls or is not there."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from entrepot import jobs
from entrepot.db import Database
from entrepot.errors import InvalidInput
from entrepot.events import Event, mail, notifications
from entrepot.events.models import Mail, Notification
from entrepot.identity import Role, users
from entrepot.identity.models import Project
from entrepot.jobs import testing
from entrepot.settings import Settings
from tests.support.certificates import self_signed
from tests.support.smtp import LOGIN, PASSWORD, Post, Stalling


class Office:
    """An organization of people who want mails and one who does not, a project, and a clock that the test turns."""

    def __init__(self, database: Database, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.database = database
        self.settings = Settings(
            data_dir=data_dir,
            smtp_tls="off",
            smtp_from="Entrepot <entrepot@example.org>",
            public_url="https://data.example.org/",
            mail_delay_seconds=300,
            mail_pause_seconds=3600,
        )
        self.time = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
        for module in (mail, notifications, jobs.queue, jobs.schedules):
            monkeypatch.setattr(module, "now", lambda: self.time)
        monkeypatch.setattr(jobs.context, "now", lambda: self.time)
        with database.write() as session:
            organization = users.create_organization(session, "Wind Lab")
            for login, address, role in (
                ("ada", "ada@example.org", Role.ADMIN), ("grace", "grace@example.org", Role.READER),
                ("nobody", "", Role.READER), ("quiet", "quiet@example.org", Role.READER),
            ):  # fmt: skip
                user, _ = users.create_user(session, login, email=address)
                users.set_member(session, user, organization, role)
            users.set_mail(session, user, wanted=False)
            project = Project(organization_id=organization.id, name="Wind farm")
            session.add(project)
            session.flush()
            mail.activate(session, project, value=True)
            self.organization, self.project = organization.id, project.id

    def use(self, **settings: Any) -> None:
        self.settings = self.settings.model_copy(update=settings)

    def tell(
        self, subject: str | None = None, origin: str = "gate logger", name: str = "Series silent"
    ) -> Notification:
        with self.database.write() as session:
            made = notifications.notify(
                session, name, f"{name}: {subject}", organization_id=self.organization, project_id=self.project,
                generator_kind="importer", generator_id="g", subject=subject, origin=origin,
            )  # fmt: skip
            made.created_at = self.time
            return made

    def work(self, later: timedelta = timedelta()) -> list[jobs.Job]:
        self.time += later
        return testing.run_pending(self.database, self.settings)

    def mails(self) -> list[Mail]:
        with self.database.read() as session:
            return list(session.scalars(select(Mail).order_by(Mail.number)))


MINUTES = timedelta(minutes=1)


@pytest.fixture
def office(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Office:
    return Office(database, tmp_path / "data", monkeypatch)


@pytest.fixture
def post(office: Office) -> Iterator[Post]:
    post = Post()
    office.use(smtp_host="127.0.0.1", smtp_port=post.port)
    yield post
    post.close()


def test_a_broken_gate_is_one_mail_to_each_who_wants_it(office: Office, post: Post) -> None:
    for number in range(100):
        office.tell(f"s{number}")
    office.tell(name="Missing files")
    office.tell(name="Run failed", origin="analysis power\nBcc: eve@example.org")
    office.work(4 * MINUTES)
    assert post.got == []  # more may come
    office.work(1 * MINUTES)
    assert [message["To"] for message in post.got] == ["ada@example.org", "grace@example.org"]
    first = post.got[0]
    assert first["Subject"] == "[Entrepot] Wind farm: gate logger, analysis power Bcc: eve@example.org: 102 notices"
    assert first["From"] == "Entrepot <entrepot@example.org>"
    assert first["Auto-Submitted"] == "auto-generated"
    assert first["Bcc"] is None
    assert first.get_content_type() == "text/plain"
    text = first.get_content()
    assert text.count("- Series silent") == 40
    assert "... and 62 more." in text
    assert "https://data.example.org/api/v1/notifications?project=" in text
    # New ones of the same gate wait for an hour; those of another origin do not.
    office.tell("s100")
    office.work(10 * MINUTES)
    assert len(post.got) == 2
    office.tell("x", origin="gate other")
    office.work(10 * MINUTES)
    assert post.subjects()[2:] == ["[Entrepot] Wind farm: gate other: Series silent"] * 2
    office.work(60 * MINUTES)
    assert post.subjects()[4:] == ["[Entrepot] Wind farm: gate logger: Series silent"] * 2
    office.work(600 * MINUTES)
    assert len(post.got) == 6


def test_what_is_over_before_the_mail_is_written_is_not_mailed(office: Office, post: Post) -> None:
    office.tell("p")
    with office.database.write() as session:
        notifications.resolve(session, "g", "Series silent", subject="p")
    office.work(60 * MINUTES)
    assert (post.got, office.mails()) == ([], [])


def test_projects_send_mails_only_where_that_is_switched_on(office: Office, post: Post) -> None:
    with office.database.write() as session:
        project = session.get_one(Project, office.project)
        mail.activate(session, project, value=False)
    office.tell("p")
    office.work(60 * MINUTES)
    assert post.got == []
    with office.database.write() as session:  # begins with what is open
        mail.activate(session, session.get_one(Project, office.project), value=True)
    office.work()
    assert len(post.got) == 2


@pytest.mark.pairs
@pytest.mark.filterwarnings("ignore:Requiring AUTH")  # aiosmtpd knows of STARTTLS alone
@pytest.mark.parametrize("tls", ["starttls", "tls"])
def test_tls_and_login(office: Office, tmp_path: Path, tls: Any) -> None:
    certificate = self_signed(tmp_path / "smtp.pem")
    post = Post(certificate, tls, login=True)
    office.use(smtp_host="localhost", smtp_port=post.port, smtp_tls=tls, smtp_user=LOGIN, smtp_ca=certificate)
    office.use(smtp_password=SecretStr("wrong"))
    try:
        office.tell("p")
        office.work(5 * MINUTES)
        assert post.got == []
        assert "Authentication" in (office.mails()[0].error or "")
        office.use(smtp_password=SecretStr(PASSWORD))
        office.work(2 * MINUTES)
        assert len(post.got) == 2
        assert {one.status for one in office.mails()} == {"sent"}
        # Whoever cannot be trusted is not told the password.
        office.use(smtp_ca=None)
        office.tell("q", origin="gate other")
        office.work(5 * MINUTES)
        assert len(post.got) == 2
        assert "certificate" in (office.mails()[2].error or "").lower()
    finally:
        post.close()


def test_a_server_that_is_away_is_tried_ever_later_and_nothing_is_lost(office: Office) -> None:
    post = Post()
    post.close()
    office.use(smtp_host="127.0.0.1", smtp_port=post.port)
    office.tell("p")
    office.work(5 * MINUTES)
    attempts = []
    for _ in range(100):
        office.work(1 * MINUTES)
        attempts.append(office.mails()[0].attempts)
    assert attempts[0] == 2
    assert 6 <= attempts[-1] <= 9
    again = Post()
    try:
        office.use(smtp_port=again.port)
        office.work(60 * MINUTES)
        assert len(again.got) == 2
        assert len({message["Message-ID"] for message in again.got}) == 2
    finally:
        again.close()


def test_nobody_waits_for_a_server_that_stalls(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail, "TURN_SECONDS", 0.5)
    stalling = Stalling()
    try:
        office.use(smtp_host="127.0.0.1", smtp_port=stalling.port)
        office.tell("p")
        began = time.monotonic()
        office.work(5 * MINUTES)
        assert time.monotonic() - began < 10
        assert [(one.status, one.attempts) for one in office.mails()] == [("pending", 1), ("pending", 1)]
    finally:
        stalling.close()


def test_one_address_that_is_refused_holds_up_nobody_and_fails_in_the_end(office: Office, post: Post) -> None:
    post.refuse = lambda address: "550 unknown" if address.startswith("ada") else None
    office.tell("p")
    office.work(5 * MINUTES)
    assert [message["To"] for message in post.got] == ["grace@example.org"]
    for _ in range(6):
        office.work(timedelta(days=1))
    assert [one.status for one in office.mails()] == ["failed", "sent"]
    with office.database.read() as session:
        failed = session.scalars(select(Event).where(Event.type == "mail")).all()
        assert [(event.action, event.data["recipient"]) for event in failed] == [("failed", "ada@example.org")]
    assert len(post.got) == 1


def test_without_a_server_nothing_is_written_and_nothing_is_forgotten(office: Office) -> None:
    office.tell("p")
    office.work(60 * MINUTES)
    assert office.mails() == []
    post = Post()
    try:
        office.use(smtp_host="127.0.0.1", smtp_port=post.port)
        office.tell("q", origin="gate other")
        office.work(60 * MINUTES)
        assert post.subjects() == ["[Entrepot] Wind farm: gate logger, gate other: 2 notices"] * 2
    finally:
        post.close()


def test_addresses_are_checked(office: Office) -> None:
    for address in ("ada", "ada@x, eve@y", "a b@example.org", "Ada <ada@example.org>", "x@y\nBcc: z@w"):
        with office.database.write() as session, pytest.raises(InvalidInput):
            users.set_mail(session, users.find_user(session, "ada"), address)
