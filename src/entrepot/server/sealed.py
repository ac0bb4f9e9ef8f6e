"""What is stored encrypted: where it stands, whether it can be read, and how it gets another key."""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import delete, select, text, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from entrepot.db import Database, installation
from entrepot.errors import EntrepotError
from entrepot.events.models import Webhook
from entrepot.files.models import Storage
from entrepot.identity import FtpAccount, KeptAnswer, Vault
from entrepot.pipeline.models import Feeder

_AT_ONCE = 500
_LOCK = "LOCK TABLE ftp_account, webhook, feeder, storage, kept_answer IN SHARE ROW EXCLUSIVE MODE"


@dataclass(frozen=True)
class Sealed:
    """A column of encrypted values.

    Attributes
    ----------
    what, key, name
        What each row is called, its primary key, and the name of one.
    lost
        What a row becomes whose value is lost; the value itself becomes one that nobody knows where it may not be null.
    """

    what: str
    key: InstrumentedAttribute[Any]
    name: InstrumentedAttribute[Any]
    column: InstrumentedAttribute[Any]
    lost: Mapping[str, Any] = field(default_factory=dict)


COLUMNS = (
    Sealed("FTP account", FtpAccount.id, FtpAccount.login, FtpAccount.password_encrypted),
    Sealed("webhook", Webhook.id, Webhook.url, Webhook.secret_encrypted, {"status": "deactivated"}),
    Sealed("feeder of gate", Feeder.id, Feeder.gate_id, Feeder.credentials, {"credential_names": []}),
    Sealed("answer to a request", KeptAnswer.key_sha256, KeptAnswer.user_id, KeptAnswer.body_encrypted),
    Sealed("storage", Storage.id, Storage.url, Storage.credentials_encrypted),
)


def unreadable(session: Session, vault: Vault) -> Iterator[str]:
    """Yield, a sentence each, what no key of the vault decrypts."""
    for sealed in COLUMNS:
        for row in _rows(session, sealed):
            try:
                vault.decrypt(row.value)
            except EntrepotError as error:
                yield f"{sealed.what} {row.name}: {error.message}"


def is_readable(session: Session, vault: Vault) -> bool:
    """Tell whether a key decrypts what is stored, by one value of each column; yes where nothing is."""
    for sealed in COLUMNS:
        value = session.scalar(select(sealed.column).where(sealed.column.is_not(None)).limit(1))
        try:
            if value is not None:
                vault.decrypt(value)
        except EntrepotError:
            return False
    return True


def rotate(database: Database, vault: Vault) -> int:
    """Encrypt everything with a new key, and forget the old one; return how many values there were.

    The server may run: until the end, both keys are in the file, and every process reads what either encrypted. What
    was cut short goes on from where it was.
    """
    if not vault.has_old_keys:
        vault.replace_key()
    with database.write() as session:
        installation.find_or_make(session).key_check = vault.checks()[0]
    count = sum(_seal_again(database, vault, sealed) for sealed in COLUMNS)
    with database.write() as session:
        # Nobody writes one of them meanwhile: what still has the old key, of whoever was slow, is the last of it.
        if database.dialect == "postgresql":
            session.execute(text(_LOCK))
        for sealed in COLUMNS:
            count += _seal(session, vault, sealed, _rows(session, sealed))
    vault.drop_old_keys()
    return count


def give_up(database: Database, vault: Vault) -> dict[str, int]:
    """Replace what no key decrypts any more, or leave it out; return how many values of each kind."""
    lost = dict.fromkeys((sealed.what for sealed in COLUMNS), 0)
    with database.write() as session:
        session.execute(delete(KeptAnswer))  # nobody could be given them again
        for sealed in COLUMNS:
            for row in _rows(session, sealed):
                try:
                    vault.decrypt(row.value)
                except EntrepotError:
                    value = None if sealed.column.nullable else vault.encrypt(secrets.token_urlsafe(24))
                    _put(session, sealed, row, {sealed.column.key: value, **sealed.lost})
                    lost[sealed.what] += 1
        installation.find_or_make(session).key_check = vault.checks()[0]
    return lost


def _seal_again(database: Database, vault: Vault, sealed: Sealed) -> int:
    count, after = 0, ""
    while True:
        with database.write() as session:
            rows = _rows(session, sealed, after, _AT_ONCE)
            count += _seal(session, vault, sealed, rows)
        if len(rows) < _AT_ONCE:
            return count
        after = rows[-1].key


def _seal(session: Session, vault: Vault, sealed: Sealed, rows: Sequence[Any]) -> int:
    old = [row for row in rows if not vault.is_current(row.value)]
    for row in old:
        _put(session, sealed, row, {sealed.column.key: vault.encrypt(vault.decrypt(row.value))})
    return len(old)


def _put(session: Session, sealed: Sealed, row: Any, values: Mapping[str, Any]) -> None:
    # Whoever changed it a moment ago used the new key already.
    statement = update(sealed.column.class_).where(sealed.key == row.key, sealed.column == row.value)
    session.execute(statement.values(values), execution_options={"synchronize_session": False})


def _rows(session: Session, sealed: Sealed, after: str = "", limit: int | None = None) -> Sequence[Any]:
    columns = (sealed.key.label("key"), sealed.name.label("name"), sealed.column.label("value"))
    query = select(*columns).where(sealed.column.is_not(None), sealed.key > after).order_by(sealed.key).limit(limit)
    return session.execute(query).all()
