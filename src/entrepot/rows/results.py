"""Rows: create one or many, create-or-update, change, delete, lock.

Whatever is given many rows is one transaction of its caller: when one row is at fault, none is changed.
Rows go in as objects of columns (vectors as lists, references by their id), and come out as columns (`Stored`).
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import Table, bindparam, delete, select, update
from sqlalchemy.orm import Session

from entrepot import lineage
from entrepot.db.driver import add_rows
from entrepot.errors import Locked, NotFound
from entrepot.identity import Principal
from entrepot.rows import checks, writing
from entrepot.rows.checks import Column, InvalidRows, Spec
from entrepot.rows.models import Row
from entrepot.rows.references import NAMES, References, references

Stored = dict[str, Any]
Errors = dict[str, list[str]]

_table: Table = Row.__table__  # type: ignore[assignment]
COLUMNS = tuple(_table.columns.keys())
_LENGTHS = "All value columns must have the same length."


def _third(convert: checks.Convert) -> Column:
    return Column(lambda value: None if value in ("", []) else convert(value))


SPEC: Spec = {
    "result_set": Column(checks.key, required=True, null=False),
    "site": Column(checks.key),
    "location": Column(checks.key),
    "name1": Column(checks.title(), required=True, null=False),
    "name2": Column(checks.title(), required=True, null=False),
    "name3": _third(checks.title()),
    "unit1": Column(checks.text, required=True, null=False),
    "unit2": Column(checks.text, required=True, null=False),
    "unit3": Column(checks.text),
    "values1": Column(checks.vector, required=True, null=False),
    "values2": Column(checks.vector, required=True, null=False),
    "values3": _third(checks.vector),
    "name": Column(checks.title(checks.DESCRIPTION_MOST), required=True, null=False),
    "description": Column(checks.text),
    "about": Column(checks.about),
    "extra": Column(checks.json_object),
}


def create_many(
    session: Session, principal: Principal, payloads: Sequence[Any], *, run_id: str | None = None
) -> list[Stored]:
    """Create rows and return their columns, in the order given.

    Parameters
    ----------
    run_id
        The run that made the rows, for their lineage; None for an upload by the caller.

    Raises
    ------
    InvalidRows
        Tells for each row which fields are at fault; no row was created.
    Locked
        A result set is locked.
    """
    principal.require("write")
    writing.hold_sets(session, principal.organization_id, _set_ids(payloads))
    rows, errors = _check_new(payloads)
    known = references(session, principal.organization_id, rows.values())
    _refuse(rows, errors, known, len(payloads))
    return _insert(session, principal, list(rows.values()), known, run_id)


def create(session: Session, principal: Principal, payload: Any) -> Stored:
    """Create one row and return its columns; raises as :func:`create_many` does."""
    (stored,) = create_many(session, principal, [payload])
    return stored


def upsert_many(
    session: Session, principal: Principal, payloads: Sequence[Any], *, run_id: str | None = None
) -> tuple[list[Stored], list[dict[str, Any]]]:
    """Create or update rows, matched within their result set by ``name``.

    Returns
    -------
    rows, summary
        In the order given: the rows' columns; and for each ``result_set``, ``name``, ``id`` and
        ``action`` (``created`` or ``updated``).

    Raises
    ------
    InvalidRows
        Tells for each row which fields are at fault; nothing was changed.
    InvalidInput
        A ``name`` is ambiguous: the result set, or the request, has several rows of it.
    Locked
        A result set, or a row that would change, is locked.
    """
    principal.require("write")
    keys = _match_keys(payloads)
    writing.hold_sets(session, principal.organization_id, {set_id for set_id, _ in keys})
    matches = _matching(session, principal, keys)
    present = _load(session, principal, matches.values())
    new = {at: payload for at, payload in enumerate(payloads) if keys[at] not in matches}
    rows, errors = _check_new(new.values())
    rows = {at: rows[index] for index, at in enumerate(new) if index in rows}
    errors = {at: errors[index] for index, at in enumerate(new) if index in errors}
    changed: dict[int, Stored] = {}
    for at, payload in enumerate(payloads):
        if at not in new:
            _merge(present[matches[keys[at]]], payload, at, changed, errors)
    known = references(session, principal.organization_id, [*rows.values(), *changed.values()])
    _refuse(rows | changed, errors, known, len(payloads))
    created = dict(zip(rows, _insert(session, principal, list(rows.values()), known, run_id), strict=True))
    _update(session, principal, [(present[row["id"]], row) for row in changed.values()], known, run_id)
    result = [created[at] if at in created else changed[at] for at in range(len(payloads))]
    summary = [
        {
            "result_set": row["result_set_id"],
            "name": row["name"],
            "id": row["id"],
            "action": "created" if at in created else "updated",
        }
        for at, row in enumerate(result)
    ]
    return result, summary


def patch(session: Session, principal: Principal, row_id: int, payload: Any) -> Stored:
    """Change fields of a row and return its columns; null clears what may be null, the slug stays."""
    principal.require("write")
    before = _hold(session, principal, [row_id])[row_id]
    moved = _set_ids([payload]) - {before["result_set_id"]}
    writing.hold_sets(session, principal.organization_id, moved)
    changed: dict[int, Stored] = {}
    errors: dict[int, Errors] = {}
    _merge(before, payload, 0, changed, errors)
    known = references(session, principal.organization_id, [before, *changed.values()])
    _refuse(changed, errors, known, 1)
    _update(session, principal, [(before, changed[0])], known, None)
    return changed[0]


def get(session: Session, principal: Principal, row_id: int) -> Stored:
    """Return a row's columns; NotFound when there is none or it belongs to others."""
    principal.require("read")
    found = _load(session, principal, [row_id])
    if not found:
        raise NotFound("Not found.")
    return found[row_id]


def remove(session: Session, principal: Principal, row_ids: Iterable[int]) -> None:
    """Delete rows, none of which may be locked."""
    principal.require("write")
    held = _hold(session, principal, row_ids)
    known = references(session, principal.organization_id, held.values())
    _require_unlocked(held.values(), known)
    for chunk in writing.chunks(list(held)):
        session.execute(delete(Row).where(Row.organization_id == principal.organization_id, Row.id.in_(chunk)))
        lineage.forget(session, "row", map(str, chunk), principal.organization_id)
    _announce(session, principal, "deleted", held.values())


def set_locked(session: Session, principal: Principal, row_ids: Iterable[int], *, locked: bool) -> int:
    """Lock rows, so that nobody can change or delete them, or unlock them; return how many were not so before."""
    principal.require("write")
    changed = [row for row in _hold(session, principal, row_ids).values() if row["locked"] is not locked]
    for chunk in writing.chunks([row["id"] for row in changed]):
        own = Row.organization_id == principal.organization_id
        session.execute(update(Row).where(own, Row.id.in_(chunk)).values(locked=locked))
    _announce(session, principal, "locked" if locked else "unlocked", changed)
    return len(changed)


def _check_new(payloads: Iterable[Any]) -> tuple[dict[int, Stored], dict[int, Errors]]:
    rows: dict[int, Stored] = {}
    errors: dict[int, Errors] = {}
    for at, payload in enumerate(payloads):
        values, wrong = checks.check(payload, SPEC)
        if not wrong:
            stored = dict.fromkeys(COLUMNS) | _columns(values)
            wrong = _rules(stored)
            rows[at] = stored
        if wrong:
            errors[at] = wrong
    return rows, errors


def _merge(before: Stored, payload: Any, at: int, changed: dict[int, Stored], errors: dict[int, Errors]) -> None:
    values, wrong = checks.check(payload, SPEC, partial=True)
    stored = before | _columns(values)
    wrong = wrong or _rules(stored)
    if wrong:
        errors[at] = wrong
    changed[at] = stored


def _columns(values: Stored) -> Stored:
    return {f"{name}_id" if name in NAMES else name: value for name, value in values.items()}


def _rules(stored: Stored) -> Errors:
    """Return what is wrong with a row whose fields are right one by one."""
    errors: Errors = {}
    length = len(stored["values1"])
    if len(stored["values2"]) != length:
        errors["values2"] = [_LENGTHS]
    third = stored["values3"]
    if third is not None and len(third) != length:
        errors["values3"] = [_LENGTHS]
    for name in ("name3", "unit3"):
        if third is not None and stored[name] is None:
            errors[name] = [checks.REQUIRED]
        if third is None and stored[name] is not None:
            errors[name] = ["This must be null where there are no values."]
    additional = stored["extra"]
    if additional is not None and '"result_scope"' in additional:
        scope = orjson.loads(additional).get("result_scope")
        if scope in ("site", "location") and stored[f"{scope}_id"] is None:
            errors[scope] = [f"This is required by the result_scope {scope!r}."]
    return errors


def _refuse(rows: Mapping[int, Stored], errors: dict[int, Errors], known: References, count: int) -> None:
    """Raise InvalidRows when a row has an error or refers to what does not exist."""
    for at, row in rows.items():
        if missing := known.missing(row):
            errors[at] = errors.get(at, {}) | missing
    if errors:
        raise InvalidRows(errors, count)


def _require_unlocked(rows: Iterable[Stored], known: References) -> None:
    for row in rows:
        if known.result_sets[row["result_set_id"]][1]:
            raise Locked(f"Result set {row['result_set_id']} is locked.")
        if row["locked"]:
            raise Locked(f"Row {row['id']} is locked.")


def _set_ids(payloads: Iterable[Any]) -> set[int]:
    """Return the ids of the result sets that rows ask for, as far as they can be read."""
    found = set()
    for payload in payloads:
        try:
            found.add(checks.key(payload["result_set"]))
        except (ValueError, TypeError, LookupError):
            continue  # will be refused with a reason
    return found


def _insert(
    session: Session, principal: Principal, rows: list[Stored], known: References, run_id: str | None
) -> list[Stored]:
    if not rows:
        return []
    _require_unlocked(rows, known)
    for row, id_ in zip(rows, writing.new_ids(session, Row, principal.organization_id, len(rows)), strict=True):
        row |= {"id": id_, "organization_id": principal.organization_id, "locked": False}
        row["slug"] = known.slug(row)
    add_rows(session, _table, rows)
    _announce(session, principal, "created", rows)
    writing.record_made(session, principal, {row["id"]: {"result_set": row["result_set_id"]} for row in rows}, run_id)
    return rows


def _update(
    session: Session, principal: Principal, rows: Sequence[tuple[Stored, Stored]], known: References, run_id: str | None
) -> None:
    """Write those rows that are not what they were before."""
    changed = [(before, row) for before, row in rows if before != row]
    _require_unlocked((one for pair in changed for one in pair), known)
    if changed:
        names = [name for name in COLUMNS if name not in ("id", "organization_id", "slug", "locked")]
        own = Row.organization_id == principal.organization_id
        statement = update(Row.__table__).where(own, Row.id == bindparam("row_id"))  # type: ignore[arg-type]
        statement = statement.values({name: bindparam(f"new_{name}") for name in names})
        session.connection().execute(
            statement, [{"row_id": row["id"]} | {f"new_{name}": row[name] for name in names} for _, row in changed]
        )
    _announce(session, principal, "updated", [row for _, row in changed])
    made = {row["id"]: {"result_set": row["result_set_id"]} for _, row in (rows if run_id else changed)}
    writing.record_made(session, principal, made, run_id)


def _announce(session: Session, principal: Principal, action: str, rows: Iterable[Stored]) -> None:
    writing.announce(
        session,
        principal,
        "row",
        action,
        {row["id"]: {"result_set": row["result_set_id"], "name": row["name"]} for row in rows},
    )


def _load(session: Session, principal: Principal, row_ids: Iterable[int]) -> dict[int, Stored]:
    found: dict[int, Stored] = {}
    for chunk in writing.chunks(sorted(row_ids)):
        query = select(*Row.__table__.columns).where(
            Row.id.in_(chunk), Row.organization_id == principal.organization_id
        )
        found |= {row.id: dict(zip(COLUMNS, row, strict=True)) for row in session.execute(query)}
    return found


def _hold(session: Session, principal: Principal, row_ids: Iterable[int]) -> dict[int, Stored]:
    """Return rows, which nobody else can change until the transaction ends; NotFound unless all of them exist."""
    wanted = set(row_ids)
    writing.hold_sets(
        session, principal.organization_id, {row["result_set_id"] for row in _load(session, principal, wanted).values()}
    )
    rows = _load(session, principal, wanted)
    if missing := wanted - rows.keys():
        raise NotFound(f"There is no row {min(missing)}.")
    return rows


def _match_keys(payloads: Sequence[Any]) -> list[tuple[int, str]]:
    spec = {name: SPEC[name] for name in ("result_set", "name")}
    keys, errors = [], {}
    for at, payload in enumerate(payloads):
        values, wrong = checks.check(payload, spec)
        if wrong:
            errors[at] = wrong
        else:
            keys.append((values["result_set"], values["name"]))
    if errors:
        raise InvalidRows(errors, len(payloads))
    _refuse_ambiguous(keys, sent=True)
    return keys


def _matching(session: Session, principal: Principal, keys: Sequence[tuple[int, str]]) -> dict[tuple[int, str], int]:
    """Return the ids of the rows that exist, by what they are matched by."""
    wanted = set(keys)
    found: list[tuple[int, str]] = []
    ids: dict[tuple[int, str], int] = {}
    for chunk in writing.chunks(sorted({set_id for set_id, _ in keys})):
        query = select(Row.id, Row.result_set_id, Row.name).where(
            Row.result_set_id.in_(chunk), Row.organization_id == principal.organization_id
        )
        for id_, set_id, description in session.execute(query):
            if (match := (set_id, description)) in wanted:
                found.append(match)
                ids[match] = id_
    _refuse_ambiguous(found, sent=False)
    return ids


def _refuse_ambiguous(keys: Sequence[tuple[int, str]], *, sent: bool) -> None:
    twice = sorted({name for (_, name), count in Counter(keys).items() if count > 1})
    if twice:
        raise checks.Ambiguous(twice, sent=sent)
