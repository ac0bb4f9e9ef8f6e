"""A secret key that is lost, damaged or exchanged, and folders of another server: refused in a sentence that helps."""

import errno
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import select, update

from entrepot.db import Database, installation
from entrepot.errors import Conflict
from entrepot.events.models import Webhook
from entrepot.identity import BadKey, FtpAccount, Vault, ftp
from entrepot.server import backup, recognise, sealed
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
            Webhook(organization_id="o", url="https://x.example", style="entrepot", status="valid",
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
    with pytest.raises(BadKey, match=r"secret\.key in every backup.*entrepot secret-key rotate --lost") as refused:
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
    elsewhere = Settings(data_dir=tmp_path / "elsewhere", database_url=settings.url)
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
        assert session.scalars(select(Webhook.status)).one() == "deactivated"
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


def test_a_key_may_be_in_a_setting_and_is_in_no_backup_then(database: Database, tmp_path: Path) -> None:
    old, new, other = (Fernet.generate_key().decode() for _ in range(3))
    made: dict[str, Any] = {"data_dir": tmp_path / "data", "database_url": database.url}
    settings = Settings(**made, secret_key=old)
    initialise(settings, "O", "ada", "password 1")
    assert not settings.secret_key_file.exists()
    require_usable(settings)
    assert old not in repr(settings)
    for wrong, said in ((other, "secret_key is not the key of this database"), ("x", "holds no key")):
        with pytest.raises(BadKey, match=f"{said}.*backups do not hold it"):
            require_usable(Settings(**made, secret_key=wrong))

    def opened(secret_key: str) -> closing[Services]:
        return closing(Services.open(Settings(**made, secret_key=secret_key)))

    with opened(old) as services:
        password = services.vault.decrypt(account(services).password_encrypted)
        with pytest.raises(Conflict, match="put a new key before"):
            sealed.rotate(services.database, services.vault)
        backup.backup(services, tmp_path / "backup.tar.gz")
    with tarfile.open(tmp_path / "backup.tar.gz") as tar:
        assert "secret.key" not in tar.getnames()
    with opened(f"{new} {old}") as services:
        assert sealed.rotate(services.database, services.vault) == 1
    require_usable(Settings(**made, secret_key=new))
    with opened(new) as services:
        assert services.vault.decrypt(account(services).password_encrypted) == password


def test_a_key_file_that_a_secret_store_mounts_is_read_and_told_to_be_changed_there(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounted = tmp_path / "mounted"
    mounted.write_bytes(Fernet.generate_key())
    settings = Settings(data_dir=tmp_path / "data", database_url=database.url, secret_key_file=mounted)
    initialise(settings, "O", "ada", "password 1")
    assert not (settings.data_dir / "secret.key").exists()
    require_usable(settings)

    def is_read_only(path: Path, *_: object) -> int:
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    with closing(Services.open(settings)) as services:
        assert services.vault.problem is None
        monkeypatch.setattr("entrepot.identity.vault.os.open", is_read_only)
        with pytest.raises(Conflict, match="mounted: put a new key before"):
            sealed.rotate(services.database, services.vault)
