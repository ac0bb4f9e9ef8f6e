"""Results: finished works."""

from typing import Any

from entrepot.client.workflow.backend import Backend, confirmed, in_parts

_Document = dict[str, Any]


class Results(Backend):
    """HTTP client of the Results backend."""

    name = "results"

    def deposit(self, works: list[_Document]) -> dict[str, bool]:
        """Deposit works, all or none.

        Parameters
        ----------
        works
            Payloads of works, whose status is ``success`` or ``failure``.

        Returns
        -------
        dict
            True for each pipeline.

        Raises
        ------
        AssertionError
            A status is another.
        """
        for work in works:
            if work["status"] not in ("success", "failure"):
                raise AssertionError("work.status must be 'success' or 'failure'")
        result: dict[str, bool] = self._connection.json("POST", "/results", body=works, once=True)
        return result

    def update(self, works: list[_Document]) -> bool:
        """Update works, all or none, and return whether they were; status must be ``success`` or ``failure``."""
        result: bool = self._connection.json("PUT", "/results", body=works)
        return result

    def delete_ids(self, pipeline: str, ids: list[str]) -> bool:
        """Delete works of a pipeline, and return, by pipeline, whether they were deleted.

        A locked work keeps all from being deleted that are sent with it, 1000 at a time.
        """
        parts = [[(pipeline, one) for one in part] for part in in_parts(ids)]
        done = [self._connection.json("DELETE", "/results", params=part)[pipeline] for part in parts]
        result: Any = {pipeline: all(done)} if done else {}
        return result  # type: ignore[no-any-return]  # as documented, though it is a dictionary

    def count(self, pipeline: str, query: _Document) -> int:
        """Return how many works of a pipeline match a MongoDB query."""
        result: int = self._connection.json("POST", "/view/count", body={"query": {**query, "pipeline": pipeline}})
        return result

    def view(
        self,
        pipeline: str,
        query: _Document,
        projection: dict[str, bool] = {},  # noqa: B006 - as documented, and never changed
        skip: int = 0,
        limit: int = 100,
    ) -> list[_Document]:
        """Return works of a pipeline that match a MongoDB query.

        Parameters
        ----------
        projection
            The fields to return, or to leave out; empty: all.
        skip, limit
            How many to pass over, and how many to return at most; -1: no limit.
        """
        return self._search({**query, "pipeline": pipeline}, projection, skip, 0 if limit == -1 else limit)

    def status(self) -> dict[str, int]:
        """Return how many works each pipeline has."""
        result: dict[str, int] = self._connection.json("GET", "/status")
        return result

    def get_by_count(self, pipeline: str, count: int = 10) -> list[_Document]:
        """Return the newest works of a pipeline."""
        return self.view(pipeline=pipeline, query={}, projection={}, skip=0, limit=count)

    def get_by_id(self, pipeline: str, ids: list[str]) -> list[_Document]:
        """Return works by their ids."""
        return self.view(pipeline=pipeline, query={"id": {"$in": ids}}, projection={}, limit=-1)

    def get_by_event(self, pipeline: str, event_number: int) -> list[_Document]:
        """Return the works whose ``event`` is the list of this number alone.

        For works that have the number among others, use ``view(pipeline, {"event": event_number})``.
        """
        return self.view(pipeline=pipeline, query={"event": [event_number]}, projection={}, limit=-1)

    def get_locked(self, pipeline: str, skip: int = 0, count: int = 10) -> list[_Document]:
        """Return event, plots, products and results of locked works."""
        fields = {"event": True, "plots": True, "products": True, "results": True}
        return self.view(pipeline, {"results.locked": True}, fields, skip, count)

    def get_locked_count(self, pipeline: str) -> int:
        """Return how many works of a pipeline are locked."""
        return self.count(pipeline, {"results.locked": True})

    def lock(self, pipeline: str, ids: list[str]) -> bool:
        """Lock works: a locked work cannot be changed or deleted."""
        return self._set_locked(pipeline, ids, locked=True)

    def unlock(self, pipeline: str, ids: list[str], force: bool = False) -> bool:
        """Unlock works, having asked on the terminal unless `force` is true."""
        if force or confirmed("Unlocking results will allow them to be deleted or updated."):
            return self._set_locked(pipeline, ids, locked=False)
        return False

    def _set_locked(self, pipeline: str, ids: list[str], *, locked: bool) -> bool:
        works = self.get_by_id(pipeline, ids)
        for work in works:
            work["results"]["locked"] = locked
        return bool(self.update(works))
