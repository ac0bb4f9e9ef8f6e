"""Calls made by a Dask cluster of two processes: as here, whatever becomes of its workers and its scheduler."""

import contextlib
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from distributed import LocalCluster
from distributed.cli import dask_scheduler, dask_worker

from entrepot.db import Database
from entrepot.engines import dask as dask_module
from entrepot.engines.dask import Dask
from entrepot.errors import Away, InvalidInput
from entrepot.scripts import Level, Limits, ScriptError, ScriptRunner
from entrepot.settings import Settings, load
from tests.integration.pipeline.conftest import World, build_world, hours
from tests.support.dask import Cluster
from tests.support.deadline import eventually

LIMITS = Limits(wall=30, cpu=30)
FRAME = pd.DataFrame({"a": [1.0, 2.0]}, pd.date_range("2024-01-01", periods=2, freq="h"))
SLOW = "import time\ndef analyze(df):\n    time.sleep(2)\n    return df * 2\n"
#: Of a cluster in this process.
LOOPBACK = {"protocol": "tcp", **dict.fromkeys(("dashboard_address", "worker_dashboard_address"), "127.0.0.1:0")}
FOREVER = "def analyze(df):\n    while True: pass\n"


ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    found = Cluster(tmp_path_factory.mktemp("dask"))
    yield found
    found.close()


def settings_of(cluster: Cluster, folder: Path) -> Settings:
    files: dict[str, Any] = dict.fromkeys(("dask_ca", "dask_certificate", "dask_key"), cluster.certificate)
    return Settings(data_dir=folder, engine="dask", dask_scheduler=cluster.address, **files)


@pytest.fixture(scope="module")
def there(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScriptRunner]:
    """Scripts that the cluster runs."""
    with ScriptRunner(engine=Dask(settings_of(cluster, tmp_path_factory.mktemp("data")))) as runner:
        yield runner


def made(world: World) -> dict[str, pd.Series]:
    """Import, clean and analyse in many windows."""
    world.configure(parse="import pandas as pd\ndef parse(content, path, **tools):\n"
                          "    return pd.read_csv(content, index_col=0, parse_dates=True)\n")  # fmt: skip
    random = np.random.default_rng(1)
    for day in ("01", "02"):
        rows = hours(f"2024-01-{day}", 24, a=1.0, b=2.0)
        rows.loc[:, :] = random.normal(size=rows.shape)
        world.put(f"2024-01-{day}.csv", rows)
    world.act(world.importer)
    for name in ("a", "b"):
        world.channel(name, step="1H", clock="utc", timezone="UTC", convert="value * 3")
    world.work()
    script = "def analyze(df, **tools):\n    return df.rolling(3).mean().sum(axis=1).to_frame('mean')\n"
    inputs = {name: (world.cleaner, f"{name}-cleaned") for name in ("a", "b")}
    analysis = world.analysis(
        "mean", inputs, ["mean"], input_step="1H", step="1H", script=script, clock="utc", timezone="UTC", before=2
    )
    assert world.act(analysis).status == "finished"
    return {**world.series(world.importer), **world.series(world.cleaner), **world.series(analysis)}


@pytest.mark.turns
def test_a_cluster_makes_what_is_made_here_to_the_bit(
    database: Database, tmp_path: Path, there: ScriptRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("entrepot.pipeline.analyses.run._BLOCK_ROWS", 12)
    with ScriptRunner() as here:
        wanted = made(build_world(database, tmp_path / "here", here, "here"))
    found = made(build_world(database, tmp_path / "there", there, "there"))
    assert set(found) == set(wanted) == {"a", "b", "a-cleaned", "b-cleaned", "mean"}
    for name, series in wanted.items():
        assert found[name].index.equals(series.index)
        assert found[name].to_numpy().tobytes() == series.to_numpy().tobytes(), name


@pytest.mark.turns
def test_scripts_are_kept_apart_there_and_their_failures_told(there: ScriptRunner, database: Database) -> None:
    with pytest.raises(ScriptError, match="KeyError") as failed:
        there.analyze("def analyze(df):\n    df['x']\n", FRAME, LIMITS)
    assert "line 2" in failed.value.traceback
    with pytest.raises(ScriptError) as failed:
        there.analyze(FOREVER, FRAME, Limits(wall=1))
    assert failed.value.kind == "timeout"
    seen = "os.path.exists('/etc/passwd') + ('DASK' in str(os.environ))"
    outside = f"import os\ndef analyze(df):\n    return df * (1 + {seen})\n"
    if there.sandboxed:
        pd.testing.assert_frame_equal(there.analyze(outside, FRAME, LIMITS).value, FRAME, check_freq=False)
    large = pd.concat([FRAME] * 100_000)
    assert len(there.analyze("def analyze(df):\n    return df * 2\n", large, LIMITS).value) == len(large)


def calls_on(cluster: Cluster) -> list[subprocess.Popen[bytes]]:
    """Return the workers that have a supervisor of a call below their template."""
    found = []
    for worker in cluster.workers:
        children = [int(pid) for path in Path(f"/proc/{worker.pid}/task").iterdir()
                    for pid in (path / "children").read_text().split()]  # fmt: skip
        for child in children:
            with contextlib.suppress(OSError):
                if any((path / "children").read_text().split() for path in Path(f"/proc/{child}/task").iterdir()):
                    found.append(worker)
    return found


def started(call: Callable[[], Any]) -> tuple[threading.Thread, list[Any]]:
    """Make a call in a thread; return it and what comes of it."""
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.append(call())
        except Exception as error:  # told to the test
            outcome.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, outcome


@pytest.mark.turns
def test_a_call_is_ended_there_when_it_is_cancelled(there: ScriptRunner, cluster: Cluster, database: Database) -> None:
    stop = threading.Event()
    thread, outcome = started(lambda: there.analyze(FOREVER, FRAME, LIMITS, cancelled=stop.is_set))
    eventually(lambda: calls_on(cluster))
    stop.set()
    thread.join(20)
    assert isinstance(outcome[0], ScriptError)
    assert outcome[0].kind == "cancelled"
    eventually(lambda: not calls_on(cluster), message="the script ended there, too")


@pytest.mark.turns
def test_the_call_of_a_worker_that_was_killed_is_made_by_another(
    there: ScriptRunner, cluster: Cluster, database: Database
) -> None:
    thread, outcome = started(lambda: there.analyze(SLOW, FRAME, LIMITS).value["a"].tolist())
    (worker,) = eventually(lambda: calls_on(cluster))
    os.killpg(worker.pid, signal.SIGKILL)
    worker.wait()
    cluster.workers[cluster.workers.index(worker)] = cluster.start_worker()
    thread.join(40)
    assert outcome == [[2.0, 4.0]]


@pytest.mark.turns
def test_a_call_is_made_again_when_the_scheduler_is_another(
    there: ScriptRunner, cluster: Cluster, database: Database
) -> None:
    def call() -> list[float]:
        while True:
            # Where the new one begins late, a job is put off, and comes again.
            with contextlib.suppress(Away):
                return list(there.analyze(SLOW, FRAME, LIMITS).value["a"])

    thread, outcome = started(call)
    eventually(lambda: calls_on(cluster))
    cluster.close()
    cluster.scheduler = cluster.start_scheduler()
    cluster.workers = [cluster.start_worker(), cluster.start_worker()]
    thread.join(90)
    assert outcome == [[2.0, 4.0]]


@pytest.mark.turns
def test_workers_that_cannot_keep_scripts_apart_make_no_calls_unless_they_are_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database: Database
) -> None:
    monkeypatch.setattr(dask_module, "level", lambda: Level("partial", ("namespaces of its own",), "nobody"))
    with LocalCluster(n_workers=1, processes=False, **LOOPBACK) as cluster:
        for trusted in (False, True):
            settings = Settings(
                data_dir=tmp_path, engine="dask", dask_scheduler=cluster.scheduler_address, dask_trusted=trusted
            )
            with ScriptRunner(engine=Dask(settings)) as runner:
                if trusted:
                    assert runner.analyze("def analyze(df):\n    return df\n", FRAME, LIMITS).value is not None
                    continue
                with pytest.raises(Away, match=r"dask_trusted.*namespaces of its own") as away:
                    runner.analyze(SLOW, FRAME, LIMITS)
                assert "The Dask cluster makes no calls" in str(away.value)


@pytest.mark.turns
def test_the_cluster_for_kubernetes_is_one_that_dask_starts(cluster: Cluster, database: Database) -> None:
    spec = yaml.safe_load((ROOT / "deploy" / "kubernetes" / "dask-cluster.yaml").read_text())["spec"]
    for part, command in (("scheduler", dask_scheduler.main), ("worker", dask_worker.main)):
        (container,) = spec[part]["spec"]["containers"]
        name, *options = [word.replace("/tls", str(cluster.certificate.parent)) for word in container["args"]]
        assert (container["command"], name) == (["dask"], part)
        given = command.make_context(part, options).params
        assert given["dashboard_address"] == "127.0.0.1:0"
        assert all(given[f"tls_{file}"] == str(cluster.certificate) for file in ("ca_file", "cert", "key"))
    assert spec["scheduler"]["service"]["ports"][0]["port"] == 8786


@pytest.mark.turns
def test_a_cluster_that_is_away_puts_jobs_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database: Database
) -> None:
    monkeypatch.setattr(dask_module, "_CONNECT_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    settings = Settings(data_dir=tmp_path, engine="dask", dask_scheduler=f"tcp://127.0.0.1:{port}")
    with ScriptRunner(engine=Dask(settings)) as runner:
        runner.start()
        with pytest.raises(Away) as away:
            runner.analyze(SLOW, FRAME, LIMITS)
    assert "does not answer (dask_scheduler)" in str(away.value)
    monkeypatch.setattr(dask_module, "_CONNECT_SECONDS", 10)
    monkeypatch.setattr(dask_module, "_PATIENCE_SECONDS", 0.2)
    monkeypatch.setattr(dask_module, "_LOOK_SECONDS", 0.1)
    with LocalCluster(n_workers=0, processes=False, **LOOPBACK) as empty:
        settings = Settings(data_dir=tmp_path, engine="dask", dask_scheduler=empty.scheduler_address)
        with ScriptRunner(engine=Dask(settings)) as runner, pytest.raises(Away) as away:
            runner.analyze(SLOW, FRAME, LIMITS)
    assert "The Dask cluster has no workers" in str(away.value)


@pytest.mark.pairs
@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "dask_scheduler"),
        ({"dask_scheduler": "tcp://192.0.2.1:8786"}, "tls://"),
        ({"dask_scheduler": "http://127.0.0.1"}, "dask_scheduler"),
        ({"dask_scheduler": "tls://127.0.0.1:8786"}, "dask_ca"),
        ({"dask_scheduler": "tls://192.0.2.1:8786", "dask_ca": "/no/where"}, "dask_ca"),
    ],
)
def test_a_cluster_that_others_could_give_orders_is_refused(
    given: dict[str, Any], said: str, tmp_path: Path, database: Database
) -> None:
    with pytest.raises(InvalidInput, match=said):
        load(data_dir=tmp_path, engine="dask", **given)
