"""FTP accounts of gates and of users."""

from entrepot.errors import InvalidInput, NotFound
from entrepot.identity import FtpAccount, Right, ftp
from entrepot.pipeline import configuration
from entrepot.pipeline.gates import configuration as gates
from entrepot.pipeline.gates.homes import open_home
from entrepot.pipeline.models import Gate
from entrepot.pipeline.runs import exports
from entrepot.server.dialects.ovbp import parse, render, specs
from entrepot.server.dialects.ovbp.render import Record
from entrepot.server.dialects.ovbp.table import Action, Resource, found
from entrepot.server.dialects.ovbp.teams import user_account
from entrepot.server.endpoint import Call
from entrepot.server.ftp.address import Address
from entrepot.server.ftp.address import address as ftp_address


def address(call: Call) -> Address:
    """Return where the FTP server is, for the sender of a request."""
    return ftp_address(call.services.settings, call.request.url.hostname)


def gate_accounts(call: Call, records: list[Gate]) -> dict[str, Record]:
    """Return the accounts of gates, rendered, by gate."""
    homes = {gates.gate_home(gate.id): gate.id for gate in records}
    accounts = ftp.accounts_by_home(call.session, homes)
    return {homes[home]: render.ftp_account(account, address(call)) for home, account in accounts.items()}


def _gate_account(call: Call, right: Right = "read") -> FtpAccount:
    account = ftp.get_account(call.session, call.path["id"])
    kind, _, gate_id = account.home.partition("/") if account else ("", "", "")
    if account is None or kind != "gates":
        raise NotFound("FTP account not found.")
    configuration.get(call.session, call.principal, Gate, gate_id, right)
    return account


def _user_account(call: Call) -> FtpAccount:
    account = user_account(call)
    if account.id != call.path["id"]:
        raise NotFound("FTP account not found.")
    return account


def _gate_accounts(call: Call) -> list[Record]:
    records = found(call, Gate, project_id="project", id="gate")
    accounts = gate_accounts(call, records)
    return [accounts[gate.id] for gate in records if gate.id in accounts]


def _user_accounts(call: Call) -> list[Record]:
    page = parse.page(call.query)
    return [render.ftp_account(user_account(call), address(call))][page.offset : page.offset + page.limit]


def _update_gate_account(call: Call) -> Record:
    account = _gate_account(call, "write")
    fields = parse.changed(call.fields, specs.FTP_ACCOUNT)
    for name, value in fields.items():
        if name.startswith("custom_") and value:
            raise InvalidInput.field(name, "Gates live on this server: use the account that it gives them.")
    if fields.get("password"):
        call.principal.require_lasting()
        ftp.set_password(call.services.vault, account, fields["password"])
    # What is only written is answered with null: clients look up every key that they sent.
    return render.ftp_account(account, address(call)) | dict.fromkeys(fields)


def _list_dir(call: Call, account: FtpAccount) -> Record:
    """List a folder, the last name first: clients read one page, and want the newest of the names that sort by time."""
    page, fields = parse.page(call.query), parse.created(call.fields, specs.LIST_DIR)
    path = fields.get("path", call.query.get("path", "/"))
    home = exports.make_home(open_home(call.services.settings, call.session, account.home))
    entries = home.listed(f"{fields.get('folder', '/')}/{path}")
    entries = sorted(entries, key=lambda entry: entry.name, reverse=True)[page.offset : page.offset + page.limit]
    return {
        "data": [{"name": entry.name, "type": entry.type, "path": entry.path, "size": entry.size} for entry in entries]
    }


def _password(call: Call, account: FtpAccount) -> Record:
    call.principal.require_lasting()
    return {"password": ftp.account_password(call.services.vault, account)}


RESOURCES = (
    Resource(
        "odata/gate_ftp_accounts",
        _gate_accounts,
        lambda call: render.ftp_account(_gate_account(call), address(call)),
        update=_update_gate_account,
        actions=(
            # Whoever has the password can write.
            Action("password", ("GET",), lambda call: _password(call, _gate_account(call, "write")), write=False),
            Action(
                "list_dir",
                ("GET", "POST"),
                lambda call: _list_dir(call, _gate_account(call)),
                right="read",
                body="small",
            ),
            Action(
                "attach_new_oftp_account",
                ("POST",),
                lambda call: render.ftp_account(_gate_account(call, "write"), address(call)),
            ),
        ),
    ),
    Resource(
        "odata/user_ftp_accounts",
        _user_accounts,
        lambda call: render.ftp_account(_user_account(call), address(call)),
        actions=(
            Action("password", ("GET",), lambda call: _password(call, _user_account(call)), right="read", write=True),
            Action(
                "list_dir",
                ("GET", "POST"),
                lambda call: _list_dir(call, _user_account(call)),
                right="read",
                write=True,
                body="small",
            ),
        ),
        reading_writes=True,
    ),
)
