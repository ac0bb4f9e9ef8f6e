"""Logins of the FTP server: one a gate, one a user."""

import secrets
from collections.abc import Iterable

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from entrepot.errors import InvalidInput
from entrepot.identity import users
from entrepot.identity.models import FtpAccount, User
from entrepot.identity.vault import Vault

#: The folder of users' homes, below the data folder.
USERS = "users"


def ensure_account(session: Session, vault: Vault, organization_id: str, home: str) -> FtpAccount:
    """Return the account confined to this home folder (relative to the data folder), made when there is none."""
    account = session.scalar(select(FtpAccount).where(FtpAccount.home == home))
    if account is None:
        account = FtpAccount(
            home=home,
            organization_id=organization_id,
            login=f"{home.partition('/')[0].rstrip('s')}-{secrets.token_hex(8)}",
            password_encrypted=vault.encrypt(secrets.token_urlsafe(24)),
        )
        session.add(account)
        session.flush()
    return account


def find_account(session: Session, *, login: str | None = None, home: str | None = None) -> FtpAccount | None:
    """Return the account of this login or home folder."""
    condition = FtpAccount.login == login if login is not None else FtpAccount.home == home
    return session.scalar(select(FtpAccount).where(condition))


def accounts_by_home(session: Session, homes: Iterable[str]) -> dict[str, FtpAccount]:
    """Return the accounts of these home folders that have one."""
    query = select(FtpAccount).where(FtpAccount.home.in_(list(homes)))
    return {account.home: account for account in session.scalars(query)}


def get_account(session: Session, account_id: str) -> FtpAccount | None:
    """Return the account of this id."""
    return session.get(FtpAccount, account_id)


def account_password(vault: Vault, account: FtpAccount) -> str:
    """Return the account's password."""
    return vault.decrypt(account.password_encrypted)


def set_password(vault: Vault, account: FtpAccount, password: str) -> None:
    """Change the account's password; it has at least 8 characters."""
    if len(password) < 8:
        raise InvalidInput.field("password", "This must have at least 8 characters.")
    account.password_encrypted = vault.encrypt(password)


def standing(session: Session, account: FtpAccount) -> str | None:
    """Return what changes when whoever is signed in must be so no more, None where nobody may sign in.

    It does with the account's password, and with the user's own, which is what the user changes when it is known.
    """
    kind, _, owner = account.home.partition("/")
    if kind != USERS:
        return account.password_encrypted
    user = session.get(User, owner)
    if user is None or user.disabled or not users.memberships(session, user.id):
        return None
    return f"{account.password_encrypted} {user.password_hash}"


def remove_account(session: Session, home: str) -> None:
    """Delete the account of this home folder."""
    session.execute(delete(FtpAccount).where(FtpAccount.home == home))
