"""A worker process for tests that kill it: jobs of the pipeline, scripts run in place so that it starts at once."""

import json
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from entrepot import jobs
from entrepot.db import Database
from entrepot.jobs.worker import Worker
from entrepot.pipeline.importing import run as import_run
from entrepot.scripts import FileContent, Outcome, Several, trial
from entrepot.series import store
from entrepot.settings import Settings


class InPlaceScripts:
    """Runs trusted scripts in this process, with the interface of a ScriptRunner."""

    def parse(self, source: str, content: bytes, rel_path: str, *_: Any, **__: Any) -> Outcome[pd.DataFrame]:
        return self._call(source, "parse", FileContent(content), rel_path)

    def parse_several(self, source: str, files: list[tuple[bytes, str]], *_: Any, **__: Any) -> Several[pd.DataFrame]:
        found: Several[pd.DataFrame] = Several([], alone=True)
        for content, path in files:
            try:
                done = self.parse(source, content, path)
            except Exception:  # whatever it is, it is told of the file alone
                return found
            found.values.append((done.value, done.notes))
        return Several(found.values, alone=False)

    def analyze(self, source: str, frame: pd.DataFrame, *_: Any, **__: Any) -> Outcome[pd.DataFrame]:
        return self._call(source, "analyze", frame)

    def analyze_each(self, source: str, given: Iterable[pd.DataFrame], *_: Any, **__: Any) -> Iterator[Outcome[Any]]:
        yield from (self.analyze(source, frame) for frame in given)

    def map_values(self, source: str, values: np.ndarray, *_: Any, **__: Any) -> Outcome[np.ndarray]:
        names: dict[str, Any] = {}
        exec(source, names)
        return Outcome(np.array([names["fct"](value) for value in values]), "", 0.0, 0)

    def call(self, source: str, function: str, arguments: list[Any], expects: str = "json", **_: Any) -> Outcome[Any]:
        names: dict[str, Any] = {}
        exec(source, names)
        if expects == "trial":
            given = [FileContent(each) if isinstance(each, bytes) else each for each in arguments]
            return Outcome(trial.describe(names[function](*given), function), "", 0.0, 0)
        made = json.dumps(list(names[function](*arguments)), default=lambda value: value.tolist())
        return Outcome(json.loads(made), "", 0.0, 0)

    def _call(self, source: str, function: str, *arguments: Any) -> Outcome[pd.DataFrame]:
        names: dict[str, Any] = {}
        exec(source, names)
        return Outcome(names[function](*arguments).astype("float64"), "", 0.0, 0)


def work(url: str, data_dir: str, lease_seconds: float) -> None:
    """Do jobs until killed."""
    import_run._BATCH_SECONDS = 0.0  # a commit for each file: more moments to be killed at
    runs = ("importing.run", "cleaning.run", "analyses.run", "runs.clearing")
    jobs.load(f"entrepot.pipeline.{each}" for each in runs)
    database = Database(url)
    settings = Settings(data_dir=Path(data_dir)).model_copy(
        update={"job_lease_seconds": lease_seconds}
    )  # below what is allowed
    Worker(database, settings, {"scripts": InPlaceScripts()}, slots=2).run(threading.Event())


def statuses(database: Database) -> set[str]:
    """Return how the jobs of the pipeline stand; those of the store, which fold tails, wait for a quiet minute."""
    with database.read() as session:
        return {job.status for job in jobs.list_(session, limit=1000) if job.kind != store.FOLD}


def idle(database: Database) -> bool:
    """Tell whether no job of the pipeline waits or runs."""
    return statuses(database).isdisjoint({"pending", "running"})
