"""Every kind of list: nothing is missed, and nothing doubled, while others insert and delete."""

from typing import Any

from sqlalchemy import delete

from entrepot.identity import User
from tests.support.examples import Farm
from tests.support.interface import Api
from tests.support.lists import fill, kinds, prepare, walk

_COUNT, _LIMIT = 24, 5


def test_lists_miss_and_double_nothing_while_others_insert_and_delete(api: Api) -> None:
    farm = Farm(api)
    prepare(farm)
    for kind in kinds(farm):
        with api.database.write() as session:
            fill(session, kind, _COUNT)
        if kind.model is User:  # they are members next
            with api.database.write() as session:
                fill(session, kind, 3, first=100)
            continue
        before = [_key(one) for page in walk(farm, kind.path, 1000) for one in page]
        assert len(before) == len({*before}) > _COUNT, kind.path
        seen: list[str] = []
        for number, page in enumerate(walk(farm, kind.path, _LIMIT)):
            assert len(page) <= _LIMIT
            seen += map(_key, page)
            if number == 1:
                with api.database.write() as session:  # in the middle, before it, and behind it
                    fill(session, kind, 3, first=100)
                    gone = seen[0]
                    if hasattr(kind.model, "number") and kind.path in ("/files", "/webhooks", "/locks"):
                        session.execute(delete(kind.model).where(kind.model.id == gone))
        assert len(seen) == len({*seen}), kind.path
        missed = {*before} - {*seen}
        assert not missed, (kind.path, missed)


def _key(one: dict[str, Any]) -> str:
    return str(one.get("id") or one.get("path") or one)
