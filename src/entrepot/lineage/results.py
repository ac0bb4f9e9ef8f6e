"""Which results are still there, as those who keep them know; and who read those that are not."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from entrepot.lineage.models import Link, Run
from entrepot.settings import Settings

_AT_ONCE = 500
#: Returns those of the ids, of results of an organization, that are there.
Finder = Callable[[Session, Settings, str, Sequence[str]], Collection[str]]
_finders: dict[str, Finder] = {}


def found_by(kind: str) -> Callable[[Finder], Finder]:
    """Register the decorated function as the one that knows which results of a kind are there."""

    def register(finder: Finder) -> Finder:
        _finders[kind] = finder
        return finder

    return register


def existing(session: Session, settings: Settings, kind: str, organization_id: str, ids: Collection[str]) -> set[str]:
    """Return those of an organization's results that are there; all, of a kind of which nobody knows."""
    finder = _finders.get(kind)
    if finder is None:
        return set(ids)
    return {found for some in parts(ids) for found in finder(session, settings, organization_id, some)}


def readers(session: Session, kind: str, organization_id: str, ids: Collection[str]) -> dict[str, set[str]]:
    """Return the runs that read results, by result."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    query = select(Link.result_id, Link.run_id).join(Run, Run.id == Link.run_id)
    query = query.where(Run.organization_id == organization_id, Link.kind == kind, Link.direction == "in")
    for some in parts(ids):
        for result_id, run_id in session.execute(query.where(Link.result_id.in_(some)).distinct()):
            found[result_id].add(run_id)
    return found


def parts(ids: Collection[str]) -> Iterator[Sequence[str]]:
    """Yield ids in lists that fit into a statement."""
    every = sorted(ids)
    return (every[start : start + _AT_ONCE] for start in range(0, len(every), _AT_ONCE))
