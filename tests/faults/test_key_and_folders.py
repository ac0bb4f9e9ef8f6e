"""A secret key that is lost, damaged or exchanged, and folders of another server: refused in a sentence that helps."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import select, update

from entrepot.db import Database, installation
from entrepot.errors import Conflict
from entrepot.events.models import Webhook
from entrepot.identity import BadKey, FtpAccount, Vault, ftp
from entrepot.server import recognise, sealed
from entrepot.server.recognise import require_usable
from entrepot.server.services import Services
from entrepot.server.setup import initialise
from entrepot.settings import Settings


@pytest.fixture
def settings(database: Database, tmp_path: Path) -> Settings:
    """A server that was initialised."""
    made = Settings(data_dir=tmp_path / "data", database_url=database.url)
    initialise(made, "O", "ada", "password 1")
    return made


@pytest.fixture
def services(settings: Settings) -> Iterator[Services]:
    opened = Services.open(settings)
    yield opened
    opened.close()


def account(services: Services) -> FtpAccount:
    with services.database.read() as session:
        return session.scalars(select(FtpAccount)).one()


def add_webhook(services: Services) -> None:
    with services.database.write() as session:
        session.add(
            Webhook(organization_id="o", url="https://x.example", style="entrepot", state="valid",
                    secret_encrypted=services.vault.encrypt("hush"))
        )  # fmt: skip


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("lost", "secret.key is missing"),
        ("emptied", "secret.key holds no key"),
        ("cut", "secret.key holds no key"),
        ("exchanged", "secret.key is not the key of this database"),
    ],
)
def test_a_key_that_is_not_the_databases_is_refused_with_the_way_back(
    settings: Settings, fault: str, said: str
) -> None:
    key = settings.secret_key_file.read_bytes()
    if fault == "lost":
        settings.secret_key_file.unlink()
    else:
        settings.secret_key_file.write_bytes(
            {"emptied": b"", "cut": key[:20], "exchanged": Fernet.generate_key()}[fault]
        )
    with pytest.raises(BadKey, match=r"secret\.key in every backup.*entrepot key rotate --lost") as refused:
        require_usable(settings)
    assert said in refused.value.message
    with pytest.raises(BadKey, match=r"secret\.key"):
        initialise(settings, "P", "bob")
    if fault == "lost":
        assert not settings.secret_key_file.exists(), "a second key was made beside a full database"
    settings.secret_key_file.write_bytes(key)
    require_usable(settings)


def test_a_database_that_knows_no_key_yet_takes_none_but_its_own(services: Services) -> None:
    key = services.settings.secret_key_file.read_bytes()
    with services.database.write() as session:
        installation.find_or_make(session).key_check = None
    services.settings.secret_key_file.write_bytes(Fernet.generate_key())
    with pytest.raises(BadKey, match="not the key of this database"):
        require_usable(services.settings)
    services.settings.secret_key_file.write_bytes(key + b"\n")
    require_usable(services.settings)
    with services.database.read() as session:
        assert session.scalars(select(installation.Installation.key_check)).one() in services.vault.checks()


@pytest.mark.parametrize("folder", ["gates", "feeds", "users", "files"])
def test_a_part_that_does_not_see_the_same_files_does_not_join(settings: Settings, folder: str, tmp_path: Path) -> None:
    elsewhere = settings.model_copy(update={"data_dir": tmp_path / "elsewhere", "database_url": settings.url})
    elsewhere.data_dir.mkdir()
    shutil.copy(settings.secret_key_file, elsewhere.secret_key_file)
    for name in {"gates", "feeds", "users", "files"} - {folder}:
        (elsewhere.data_dir / name).symlink_to(settings.data_dir / name)
    with pytest.raises(Conflict, match=f"{folder} is not the folder in which the files of this database are"):
        require_usable(elsewhere)
    (elsewhere.data_dir / folder).symlink_to(settings.data_dir / folder)
    require_usable(elsewhere)


def test_folders_moved_by_hand_are_taken_when_the_operator_says_so(services: Services) -> None:
    (services.settings.gates_dir / recognise.STORE).unlink()
    with pytest.raises(Conflict, match="entrepot db adopt"):
        require_usable(services.settings)
    recognise.adopt(services)
    require_usable(services.settings)


def test_a_key_is_rotated_beside_a_running_server(services: Services) -> None:
    add_webhook(services)
    old = services.settings.secret_key_file.read_bytes()
    running = Vault.open(services.settings.secret_key_file)
    password, signature = ftp.account_password(running, account(services)), running.sign("link", "a")
    # The FTP account and the webhook.
    assert sealed.rotate(services.database, services.vault) == 2
    assert services.settings.secret_key_file.read_bytes() not in (b"", old)
    assert ftp.account_password(running, account(services)) == password
    assert not running.verify("link", "a", signature), "a link signed with the old key outlived it"
    assert account(services).password_encrypted != ""
    with pytest.raises(Exception, match="another secret key"):
        ftp.account_password(Vault(old), account(services))
    require_usable(services.settings)


def test_a_rotation_that_was_cut_short_goes_on_and_nothing_is_unreadable_meanwhile(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_webhook(services)
    password = ftp.account_password(services.vault, account(services))
    replica = services.settings.secret_key_file.read_bytes()
    with monkeypatch.context() as broken:
        broken.setattr(sealed, "_seal_again", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            sealed.rotate(services.database, services.vault)
    assert len(services.settings.secret_key_file.read_bytes().split()) == 2
    require_usable(services.settings)
    assert ftp.account_password(services.vault, account(services)) == password
    assert sealed.rotate(services.database, Services.open(services.settings).vault) == 2
    assert len(services.settings.secret_key_file.read_bytes().split()) == 1
    assert ftp.account_password(services.vault, account(services)) == password
    services.settings.secret_key_file.write_bytes(replica)
    with pytest.raises(BadKey):  # a replica that still has the old one does not join
        require_usable(services.settings)


def test_a_key_that_is_lost_for_good_costs_what_it_encrypted_and_no_more(services: Services) -> None:
    add_webhook(services)
    services.settings.secret_key_file.write_bytes(b"gone")
    recognise.replace_broken_key(services.settings)
    fresh = Services.open(services.settings)
    assert sealed.give_up(fresh.database, fresh.vault)["webhook"] == 1
    require_usable(services.settings)
    with fresh.database.read() as session:
        assert list(sealed.unreadable(session, fresh.vault)) == []
        assert session.scalars(select(Webhook.state)).one() == "deactivated"
    assert ftp.account_password(fresh.vault, account(fresh))
    fresh.close()


def test_a_running_server_goes_on_without_its_key_file(services: Services) -> None:
    password = ftp.account_password(services.vault, account(services))
    services.settings.secret_key_file.unlink()
    assert ftp.account_password(services.vault, account(services)) == password


def test_values_that_no_key_opens_are_told_by_check(services: Services) -> None:
    add_webhook(services)
    with services.database.write() as session:
        session.execute(update(Webhook).values(secret_encrypted="nonsense"))
        assert [told for told in sealed.unreadable(session, services.vault) if "webhook https://x.example" in told]
