"""The supervisor's judgement of who hangs."""

import faulthandler
import os
import signal
import time
from pathlib import Path
from unittest import mock

import pytest

from entrepot.server.run import supervisor as module
from entrepot.server.run.process import TELL
from entrepot.server.run.supervisor import Part, Supervisor
from entrepot.settings import Settings


@pytest.mark.parametrize(("ready", "looks"), [(True, 10), (False, 60)])
def test_who_begins_on_a_busy_machine_is_given_longer_than_who_worked(tmp_path: Path, ready: bool, looks: int) -> None:
    supervisor = Supervisor([Part("web-1", "web")], Settings(data_dir=tmp_path))
    (child,) = supervisor._children
    child.process, child.ready = mock.Mock(pid=None), ready
    for _ in range(looks):
        child.process.kill.assert_not_called()
        supervisor._look_at = 0.0
        supervisor._look()
    child.process.kill.assert_called_once()


def test_who_never_came_up_has_failed_however_long_it_took(tmp_path: Path) -> None:
    supervisor = Supervisor([Part("web-1", "web")], Settings(data_dir=tmp_path))
    (child,) = supervisor._children
    for _ in range(2):
        child.process, child.started = mock.Mock(exitcode=1), time.monotonic() - 100
        assert supervisor._bury() is None
    child.process, child.started = mock.Mock(exitcode=1), time.monotonic() - 100
    assert supervisor._bury() == "web-1"
    child.was_ready = child.ready = True
    child.process, child.started = mock.Mock(exitcode=1), time.monotonic() - 100
    assert supervisor._bury() is None
    assert child.failures == 1, "who worked for long begins anew"


def test_a_part_that_does_not_stop_says_where_it_is_before_it_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def deaf_to_sigterm(*_: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        faulthandler.register(TELL)
        os.write(told, b"1")
        time.sleep(60)

    heard, told = os.pipe()
    monkeypatch.setattr(module, "run_part", deaf_to_sigterm)
    monkeypatch.setattr(module, "STOP_SECONDS", 0.5)
    supervisor = Supervisor([Part("web-1", "web")], Settings(data_dir=tmp_path))
    supervisor._start()
    os.read(heard, 1)
    assert supervisor._stop() == 1
    assert "in deaf_to_sigterm" in capfd.readouterr().err
