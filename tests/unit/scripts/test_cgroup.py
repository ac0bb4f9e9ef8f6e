"""Control groups, on a folder that looks like the kernel's."""

import os
from pathlib import Path
from typing import Any

import pytest

from entrepot.scripts import Limits, cgroup

MIB = 1 << 20


@pytest.fixture
def unit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The group of a systemd unit with `Delegate=yes`, with this process alone in it."""
    group = tmp_path / "system.slice" / "entrepot.service"
    group.mkdir(parents=True)
    (group / "cgroup.controllers").write_text("cpu memory pids")
    (group / "cgroup.procs").write_text(f"{os.getpid()}\n")
    (group / "cgroup.subtree_control").write_text("")
    monkeypatch.setattr(cgroup, "_own", lambda root: group)
    monkeypatch.setattr(cgroup, "_delegated", lambda group: True)
    return group


def test_a_server_that_is_alone_makes_room_for_its_calls(unit: Path) -> None:
    (unit / "entrepot-call-left").mkdir()
    assert cgroup.prepare()
    assert (unit / "entrepot-server" / "cgroup.procs").read_text() == str(os.getpid())
    assert (unit / "cgroup.subtree_control").read_text() == "+memory +pids"
    assert not (unit / "entrepot-call-left").exists()


@pytest.mark.parametrize("why", ["somebody else is there", "it is not ours", "there is none"])
def test_a_group_that_is_not_ours_stays_as_it_is(unit: Path, monkeypatch: pytest.MonkeyPatch, why: str) -> None:
    if why == "somebody else is there":
        (unit / "cgroup.procs").write_text(f"1\n{os.getpid()}\n")
    elif why == "it is not ours":
        monkeypatch.setattr(cgroup, "_delegated", lambda group: False)
    else:
        monkeypatch.setattr(cgroup, "_own", lambda root: None)
    assert not cgroup.prepare()
    assert not (unit / "entrepot-server").exists()
    assert cgroup.Group.make(Limits()) is None


def test_a_call_s_group_has_its_limits(unit: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroup, "_own", lambda root: unit / "entrepot-server")
    made = Path.mkdir

    def mkdir(path: Path, *args: Any, **options: Any) -> None:
        made(path, *args, **options)
        (path / "cgroup.procs").touch()

    monkeypatch.setattr(Path, "mkdir", mkdir)
    group = cgroup.Group.make(Limits(memory=128 * MIB, processes=5))
    assert group is not None
    (folder,) = unit.glob("entrepot-call-*")
    assert (folder / "memory.max").read_text() == str(192 * MIB)
    assert (folder / "pids.max").read_text() == "7"
    assert not group.overflowed()
    (folder / "memory.events").write_text("oom 1\noom_kill 0\n")
    assert not group.overflowed()
    (folder / "memory.events").write_text("oom 1\noom_kill 3\n")
    assert group.overflowed()
    group.close()
    assert (folder / "cgroup.kill").read_text() == "1"


def test_this_machine_s_own_groups_are_read() -> None:
    # Whatever they are: without the right ones there is no group, and nothing fails.
    assert cgroup.Group.make(Limits()) is None
