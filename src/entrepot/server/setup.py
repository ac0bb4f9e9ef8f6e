"""The first steps of a server: its folder, key, database, organization and administrator."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from entrepot.db import migrate, real
from entrepot.errors import Conflict
from entrepot.identity import Organization, Role, User, Vault, ftp, keys, users
from entrepot.server import recognise
from entrepot.server.services import Services
from entrepot.settings import Settings


def initialise(settings: Settings, organization: str, admin: str, password: str | None = None) -> dict[str, str]:
    """Make a data folder that can be served.

    What a run that was cut short left is taken up; the organization, its administrator and the key appear together.

    Returns
    -------
    dict
        ``login``, ``password`` (only one that was made up here), ``token``, ``organization`` and ``data_dir``.

    Raises
    ------
    Conflict
        It was initialised before.
    BadKey
        Its database was filled with another key than the one that is there, or with one that is lost.
    """
    folder = settings.data_dir
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    services = Services.open(settings)
    try:
        real.require_real(services.database)
        if recognise.is_filled(services.database):
            migrate.require_current(services.database, folder)
            _require_empty(services)
        if settings.secret_key is None:
            Vault.create(settings.secret_key_file)
        migrate.upgrade(services.database)
        recognise.recognise(services)
        with services.database.write() as session:
            if session.scalar(select(Organization.id).limit(1)):
                raise Conflict(f"{folder} is initialised already.")
            owner = users.create_organization(session, organization)
            user, made_up = users.create_user(session, admin, password)
            add_member(session, services, user, owner, Role.ADMIN)
            _, token = keys.create_key(session, user.id, owner.id, name="first key")
            made = {"login": user.login, "password": made_up, "token": token, "organization": owner.name}
    finally:
        services.close()
    if password is not None:
        del made["password"]
    return made | {"data_dir": str(folder)}


def _require_empty(services: Services) -> None:
    """Raise where a key beside the database would be one too many: what is in it was encrypted with another."""
    with services.database.read() as session:
        filled = session.scalar(select(Organization.id).limit(1)) is not None
    if filled:
        recognise.recognise(services)
        raise Conflict(f"{services.settings.data_dir} is initialised already.")


def add_member(session: Session, services: Services, user: User, organization: Organization, role: Role) -> None:
    """Make a user a member of an organization, with an FTP account from the first one on."""
    users.set_member(session, user, organization, role)
    home = f"{services.settings.users_dir.name}/{user.id}"
    ftp.ensure_account(session, services.vault, organization.id, home)
