"""Logins of the FTP server: one a gate, one a user."""

import secrets

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from entrepot.identity.models import FtpAccount
from entrepot.identity.vault import Vault


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


def get_account(session: Session, account_id: str) -> FtpAccount | None:
    """Return the account of this id."""
    return session.get(FtpAccount, account_id)


def account_password(vault: Vault, account: FtpAccount) -> str:
    """Return the account's password."""
    return vault.decrypt(account.password_encrypted)


def remove_account(session: Session, home: str) -> None:
    """Delete the account of this home folder."""
    session.execute(delete(FtpAccount).where(FtpAccount.home == home))
