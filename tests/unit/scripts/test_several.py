"""Several files in one process: each as if it were alone, and what went wrong is found out alone."""

import pandas as pd
import pytest

from entrepot.scripts import Limits, ScriptRunner, Several

SCRIPT = """
import os
import pandas as pd

seen = []

def parse(content_bytes, rel_path, **tools):
    seen.append(rel_path)
    text = content_bytes.decode()
    if text.startswith('!'):
        exec(text[1:])
    return pd.DataFrame({'seen': [len(seen)], 'pid': [os.getpid()]}, pd.DatetimeIndex(['2026-01-01']))
"""
LIMITS = Limits(wall=20, cpu=20)


def several(runner: ScriptRunner, *contents: str, seconds: float = 20) -> Several[pd.DataFrame | None]:
    files = [(content.encode(), f"{number}.csv") for number, content in enumerate(contents)]
    return runner.parse_several(SCRIPT, files, LIMITS, seconds=seconds)


def test_files_share_a_process_and_no_names(runner: ScriptRunner) -> None:
    done = several(runner, "a", "b", "c")
    assert [frame["seen"].tolist() for frame, _ in done.values] == [[1], [1], [1]]
    assert len({frame["pid"].item() for frame, _ in done.values}) == 1
    assert not done.alone


@pytest.mark.parametrize(
    "wrong",
    ["1 / 0", "os._exit(3)", "os.kill(os.getpid(), 9)", "raise SystemExit", "import sys; sys.setrecursionlimit(0)"],
)
def test_what_came_before_a_failure_is_kept_and_the_failure_is_told_alone(runner: ScriptRunner, wrong: str) -> None:
    done = several(runner, "a", f"!{wrong}", "c")
    assert (len(done.values), done.alone) == (1, True)


@pytest.mark.parametrize(
    "left",
    [
        "open('x', 'w').close()",
        "os.environ['X'] = 'y'",
        "os.chdir('/')",
        "import threading; threading.Thread(target=threading.Event().wait, daemon=True).start()",
        "os.fork() or os.execv('/bin/sleep', ['sleep', '20'])",
    ],
)
def test_no_file_finds_what_another_one_left(runner: ScriptRunner, left: str) -> None:
    done = several(runner, f"!{left}", "b")
    assert (len(done.values), done.alone) == (1, False)


def test_a_process_ends_in_time_and_not_before_it_read_a_file(runner: ScriptRunner) -> None:
    assert len(several(runner, "a", "b", seconds=0).values) == 1


def test_a_script_that_does_not_compile_is_told_alone(runner: ScriptRunner) -> None:
    done = runner.parse_several("def parse(:", [(b"a", "a"), (b"b", "b")], LIMITS, seconds=20)
    assert (done.values, done.alone) == ([], True)


def test_what_files_print_is_told_together(runner: ScriptRunner) -> None:
    done = several(runner, "!print('one')", "!print('two'); 1 / 0", "!print('three')")
    assert (len(done.values), done.alone, done.output) == (1, True, "one\ntwo\n")
