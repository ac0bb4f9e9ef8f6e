"""What scripts are given, and what is taken from them."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from entrepot.errors import Unavailable
from entrepot.scripts import Limits, ScriptError, ScriptRunner, sandbox
from entrepot.scripts import runner as runner_module
from tests.support import another_day
from tests.support.deadline import eventually
from tests.unit.scripts.conftest import open_python

GUIDE = """
import pandas as pd

def parse(content_bytes, rel_path, **tools):
    return pd.read_json(content_bytes)
"""
HOURS = pd.date_range("2012-01-01", periods=3, freq="h", unit="us")
LIMITS = Limits(wall=20, cpu=20)


def told(runner: ScriptRunner, body: str, *args: Any, **options: Any) -> Any:
    """Return what the body of a function gives, through JSON."""
    text = "import os, sys\ndef f(*args):\n" + "\n".join(f"    {line}" for line in body.splitlines())
    return runner.call(text, "f", args, expects="json", limits=LIMITS, **options).value


def test_the_guide_s_script_reads_the_guide_s_file(runner: ScriptRunner) -> None:
    content = {name: {str(stamp): factor * row for row, stamp in enumerate((1325376000000, 1325379600000))}
               for factor, name in enumerate("abc")}  # fmt: skip
    done = runner.parse(GUIDE, json.dumps(content).encode(), "first.json", LIMITS)
    assert done.value.columns.tolist() == ["a", "b", "c"]
    assert done.value.dtypes.eq("float64").all()
    assert done.value.index.tolist() == HOURS[:2].tolist()
    assert done.value["c"].tolist() == [0, 2]
    assert done.output == ""
    assert done.seconds > 0
    assert done.peak > 1 << 20


def test_parse_gets_the_path_and_may_give_nothing(runner: ScriptRunner) -> None:
    done = runner.parse("def parse(content, rel_path, **tools): print(rel_path, tools, content)", b"x", "a/é.csv")
    assert done.value is None
    assert done.output == "a/é.csv {} b'x'\n"


@pytest.mark.parametrize("zone", [None, "Europe/Paris"])
def test_analyze_gets_the_frame_and_may_write_to_it(runner: ScriptRunner, zone: str) -> None:
    frame = pd.DataFrame({"a": [1.0, np.nan, 3.0], "b": 2.0}, index=HOURS.tz_localize(zone))
    text = "def analyze(df, **tools):\n    df['c'] = df['a'] + df['b']\n    df.iloc[0, 0] = 9\n    return df.dropna()"
    expected = frame.assign(c=frame["a"] + frame["b"], a=[9, np.nan, 3]).dropna()
    pd.testing.assert_frame_equal(runner.analyze(text, frame, LIMITS).value, expected, check_freq=False)


def test_arguments_cross_as_what_they_are(runner: ScriptRunner) -> None:
    table = pa.table({"n": [1, 2], "s": ["x", None]})
    body = (
        "none, flag, whole, real, text, content, frame, array, series = args\n"
        "assert content.read() == content == b'\\x00abc'\n"
        "return [none, flag, whole, real, text, type(content).__name__, frame['s'].fillna('-').tolist(), array,"
        " [series.name, str(series.index[0]), series.tolist()]]"
    )
    series = pd.Series([1.0], HOURS[:1], name="a")
    args = [None, True, 10**20, 0.1, "é\ud800", b"\0abc", table, np.array([1.0, 2.5]), series]
    expected = [None, True, 10**20, 0.1, "é\ud800", "FileContent", ["x", "-"], [1.0, 2.5], ["a", str(HOURS[0]), [1]]]
    assert told(runner, body, *args) == expected
    with pytest.raises(TypeError, match="object"):
        runner.call("", "f", [object()])


def test_nan_arguments_cross(runner: ScriptRunner) -> None:
    assert told(runner, "return args[0] != args[0]", float("nan")) is True


def test_files_come_back(runner: ScriptRunner) -> None:
    text = "def feed(**tools): return {'a/b.csv': b'\\xff', 'c': 'é', 'd': b''}"
    value = runner.call(text, "feed", [], expects="files").value
    assert value == {"a/b.csv": b"\xff", "c": "é".encode(), "d": b""}
    assert runner.call("def feed(): pass", "feed", [], expects="files").value is None
    with pytest.raises(ScriptError, match="names and contents"):
        runner.call("def feed(): return {1: b''}", "feed", [], expects="files")


@pytest.mark.parametrize("value", ["float('nan')", "object()", "{1, 2}", "(a := [], a.append(a))[0]"])
def test_what_json_cannot_say_is_refused(runner: ScriptRunner, value: str) -> None:
    with pytest.raises(ScriptError) as caught:
        runner.call(f"def f(): return {value}", "f", [], expects="json")
    assert caught.value.kind == "result"


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("[1]", "must return a DataFrame, not a list"),
        ("pd.DataFrame({'a': [1]})", "DatetimeIndex"),
        ("pd.DataFrame({'a': ['x']}, index=[pd.Timestamp(0)]).set_index(pd.DatetimeIndex([0]))", "'a'"),
        ("pd.DataFrame({'a': [1 / 1e-400 if 0 else float('inf')]}, index=pd.DatetimeIndex([0]))", "infinite"),
    ],
)
def test_bad_results_are_named(runner: ScriptRunner, expression: str, message: str) -> None:
    with pytest.raises(ScriptError, match=message) as caught:
        runner.parse(f"import pandas as pd\nprint('so far')\ndef parse(c, p): return {expression}", b"", "")
    assert caught.value.kind == "result"
    assert caught.value.output == "so far\n"
    assert caught.value.seconds > 0


# ------------------------------------------------------------------------------------------------ functions of a value


@pytest.mark.parametrize(
    "text",
    [
        "def fct(value):\n    return value * 2 if value > 1 else None",
        "def other(x):\n    return x * 2 if x > 1 else None",
        "double = lambda x: x * 2 if x > 1 else None",
        "lambda x: x * 2 if x > 1 else None",
        "value * 2 if value > 1 else None",
        "  value * 2 if value > 1 else np.nan  ",
        "import math\ndef helper(x): return 2 * x\ndef fct(value): return helper(value) if value > 1 else math.nan",
    ],
)
def test_a_function_of_a_value_is_called_for_each(runner: ScriptRunner, text: str) -> None:
    done = runner.map_values(text, np.array([1.0, 2.0, 3.5]), LIMITS)
    assert done.value.dtype == "float64"
    np.testing.assert_array_equal(done.value, [np.nan, 4, 7])


def test_filters_give_truth(runner: ScriptRunner) -> None:
    text = "def fct(value):\n    return {1: True, 2: 0, 3: 'yes', 4: None}[value]"
    done = runner.map_values(text, np.array([1.0, 2, 3, 4]), LIMITS, expects="mask")
    assert done.value.dtype == "bool"
    assert done.value.tolist() == [True, False, True, False]


@pytest.mark.parametrize("expects", ["values", "mask"])
def test_no_values_give_none(runner: ScriptRunner, expects: Any) -> None:
    assert runner.map_values("value", np.array([]), LIMITS, expects=expects).value.tolist() == []


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("1 / value", "raised", r"fct\(0\.0\): ZeroDivisionError"),
        ("str(value)", "result", r"fct\(1\.0\) returned a str, not a number"),
        ("1e308 * 10 * value", "result", r"fct\(1\.0\) returned an infinite value"),
        ("lambda v: exit(3)", "raised", r"fct\(1\.0\): .*exit\(3\)"),
        ("def a(v): pass\ndef b(v): pass", "syntax", r"defines no function fct\(\)"),
        ("", "syntax", r"defines no function fct\(\)"),
    ],
)
def test_the_value_at_fault_is_shown(runner: ScriptRunner, text: str, kind: str, message: str) -> None:
    with pytest.raises(ScriptError, match=message) as caught:
        runner.map_values(text, np.array([1.0, 0.0]), LIMITS)
    assert caught.value.kind == kind


def test_parse_must_be_named_so(runner: ScriptRunner) -> None:
    for text in ("def pars(c, p): pass", "'c'", "parse = 3"):
        with pytest.raises(ScriptError, match=r"no function parse\(\)") as caught:
            runner.parse(text, b"", "")
        assert caught.value.kind == "syntax"


@pytest.mark.parametrize(
    "text", ["def fct(se):\n    return se.diff().dropna()", "se.diff().dropna()", "lambda x: x.diff()[1:]"]
)
def test_a_whole_series_is_transformed(runner: ScriptRunner, text: str) -> None:
    series = pd.Series([1.0, 3.0, 6.0], HOURS, name="meter")
    expected = pd.Series([2.0, 3.0], HOURS[1:], name="meter")
    pd.testing.assert_series_equal(runner.transform(text, series, LIMITS).value, expected, check_freq=False)


@pytest.mark.parametrize("text", ["None", "se[:0]", "lambda se: None"])
def test_a_series_may_become_empty(runner: ScriptRunner, text: str) -> None:
    value = runner.transform(text, pd.Series([1.0], HOURS[:1], name="a"), LIMITS).value
    assert value.empty
    assert value.index.dtype == "datetime64[us]"
    assert value.name == "a"


def test_a_series_must_stay_a_series(runner: ScriptRunner) -> None:
    with pytest.raises(ScriptError, match="2 columns"):
        runner.transform("pd.DataFrame({'a': se, 'b': se})", pd.Series([1.0], HOURS[:1]), LIMITS)


# ------------------------------------------------------------------------------------------------ errors


def test_the_traceback_shows_the_script_alone(runner: ScriptRunner) -> None:
    text = (
        "import pandas as pd\n"
        "def inner(content):\n"
        "    return pd.read_json(content)  # here\n"
        "def parse(content, rel_path):\n"
        "    print('begun')\n"
        "    try:\n"
        "        return inner(content)\n"
        "    except ValueError as error:\n"
        "        raise LookupError('no frame') from error\n"
    )
    with pytest.raises(ScriptError) as caught:
        runner.parse(text, b"{", "x", LIMITS, filename="importer-a")
    error = caught.value
    said = "LookupError: no frame (line 9 of the script: raise LookupError('no frame') from error)"
    assert (error.kind, error.message, error.output) == ("raised", said, "begun\n")
    assert '  File "importer-a", line 3, in inner\n    return pd.read_json(content)  # here\n' in error.traceback
    assert '  File "importer-a", line 9, in parse\n' in error.traceback
    assert "direct cause" in error.traceback
    assert error.traceback.count("File ") == error.traceback.count('File "importer-a"')


def test_syntax_errors_show_the_line(runner: ScriptRunner) -> None:
    with pytest.raises(ScriptError) as caught:
        runner.parse("def parse(c, p):\n    retrun 3\n", b"", "")
    assert caught.value.kind == "syntax"
    assert "line 2" in caught.value.message
    assert "retrun 3" in caught.value.traceback


@pytest.mark.parametrize("text", ["\0", "(" * 5000, "x = " + "-" * 200_000 + "1", "def f(:"])
def test_texts_that_do_not_compile(runner: ScriptRunner, text: str) -> None:
    with pytest.raises(ScriptError) as caught:
        runner.parse(text, b"", "", LIMITS)
    assert caught.value.kind == "syntax"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("sys.exit(4)", r"exit\(4\)"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("raise ExceptionGroup('many', [ValueError('one')])", "many"),
        ("def again(): again()\nagain()", "RecursionError"),
        ("class Odd(Exception):\n    def __str__(self): raise ValueError\nraise Odd", "Odd"),
        ("raise ValueError('x' * 1_000_000)", "ValueError"),
    ],
)
def test_whatever_is_raised_is_told(runner: ScriptRunner, body: str, message: str) -> None:
    with pytest.raises(ScriptError, match=message) as caught:
        told(runner, body)
    assert caught.value.kind == "raised"
    assert len(caught.value.message) <= 2000
    assert len(caught.value.traceback) <= 32 * 1024


# ------------------------------------------------------------------------------------------------ apart from the server


def test_the_environment_is_scrubbed(runner: ScriptRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENTREPOT_SECRET", "s3cret")
    environment = told(runner, "return dict(os.environ)")
    assert "s3cret" not in str(environment)
    assert environment["TZ"] == "UTC"
    assert environment["OMP_NUM_THREADS"] == "1"
    assert (
        environment["HOME"]
        == environment["TMPDIR"]
        == told(runner, "return os.getcwd()").rsplit("/", 1)[0] + "/" + (environment["HOME"].rsplit("/", 1)[1])
    )


def test_nothing_of_the_server_is_loaded(runner: ScriptRunner) -> None:
    loaded = told(runner, "return sorted(sys.modules)")
    assert not [name for name in loaded if name.partition(".")[0] in ("sqlalchemy", "fastapi", "httpx", "pydantic")]
    ours = {name for name in loaded if name.startswith("entrepot.")}
    assert ours
    assert all(name.startswith("entrepot.scripts") for name in ours)
    assert not ours & {"entrepot.scripts.runner", "entrepot.scripts.process"}


def test_the_package_can_be_imported_without_the_server() -> None:
    code = "import sys, entrepot.scripts; print([m for m in sys.modules if 'sqlalchemy' in m or 'fastapi' in m])"
    source = str(Path(runner_module.__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", code], env=another_day.kept() | {"PYTHONPATH": source}, capture_output=True, check=True
    )
    assert done.stdout.strip() == b"[]"


def test_only_the_standard_descriptors_are_open(runner: ScriptRunner) -> None:
    with Path(__file__).open() as held:
        os.set_inheritable(held.fileno(), True)
        body = "here = '/proc/self/fd'\nwith os.scandir(here) as found:\n    names = [entry.name for entry in found]\n"
        body += "return {n: os.readlink(f'{here}/{n}') for n in names if os.path.lexists(f'{here}/{n}')}"
        names = told(runner, body)
    assert set(names) >= {"0", "1", "2"}
    others = {number: path for number, path in names.items() if int(number) > 2}
    assert len(others) == 1
    assert all(int(number) >= 64 and "memfd" in path for number, path in others.items())


def test_each_call_has_a_new_folder_that_is_removed(runner: ScriptRunner) -> None:
    body = "open('a', 'w').write('x'); os.makedirs('b/c'); os.chmod('b', 0); return [os.getcwd(), os.listdir()]"
    first, second = told(runner, body), told(runner, body)
    assert first[0] != second[0]
    assert sorted(second[1]) == ["a", "b"]
    assert not Path(first[0]).exists()
    assert not Path(second[0]).exists()


def test_deep_folders_are_removed(runner: ScriptRunner) -> None:
    folder = told(runner, "here = os.getcwd()\nfor _ in range(1100):\n    os.mkdir('d'); os.chdir('d')\nreturn here")
    assert not Path(folder).exists()


def test_calls_do_not_see_each_other(runner: ScriptRunner) -> None:
    told(runner, "import pandas; pandas.left_behind = 1")
    assert told(runner, "import pandas; return hasattr(pandas, 'left_behind')") is False


def test_calls_draw_their_own_random_numbers(runner: ScriptRunner) -> None:
    body = "import random, numpy; return [random.random(), numpy.random.rand()]"
    first, second = told(runner, body), told(runner, body)
    assert first[0] != second[0]
    assert first[1] != second[1]


@pytest.mark.skipif(os.getuid() != 0, reason="only root can change users")
def test_root_runs_scripts_as_somebody_else(runner: ScriptRunner) -> None:
    user, groups = told(runner, "return [os.getuid(), os.getgroups()]")
    assert user > 0
    assert groups == []
    assert user != told(runner, "return os.getuid()")


def test_the_sandbox_has_no_network_and_little_to_read(runner: ScriptRunner, tmp_path: Path) -> None:
    if not runner.sandboxed:
        pytest.skip("only in cells")
    (tmp_path / "secret").write_text("x")
    tmp_path.chmod(0o777)
    body = (
        "import socket\nreturn [os.path.exists(args[0]), os.path.exists('/etc/passwd'), os.listdir('/tmp') != [],"
        " [name for _, name in socket.if_nameindex()], len([n for n in os.listdir('/proc') if n.isdigit()]) <= 4]"
    )
    secret, passwords, _, interfaces, alone = told(runner, body, str(tmp_path / "secret"))
    assert not secret
    assert not passwords
    assert interfaces == ["lo"]
    assert alone
    for path in ("/", "/usr", "/tmp", "/dev", "/etc", sys.prefix):
        with pytest.raises(ScriptError, match=r"Read-only|Permission"):
            told(runner, f"open({path!r} + '/x', 'w')")


# ------------------------------------------------------------------------------------------------ the runner itself


def test_scripts_yield_to_the_server(runner: ScriptRunner) -> None:
    own = os.nice(0)
    body = (
        "from pathlib import Path\n"
        "shares = Path('/proc/self/autogroup')\n"
        "return [os.nice(0), shares.read_text().split()[-1] if shares.exists() else None]"
    )
    assert told(runner, body)[0] == min(own + 5, 19)
    # The kernel takes ten changes of shares a second, of all processes together.
    eventually(lambda: told(runner, body)[1] in ("5", None))


def test_several_threads_call_at_once(runner: ScriptRunner) -> None:
    results = {}

    def one(number: int) -> None:
        frame = pd.DataFrame({"a": [float(number)]}, index=HOURS[:1])
        results[number] = runner.analyze("def analyze(df): print(df['a'].iloc[0]); return df * 2", frame, LIMITS)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {n: (r.value["a"].iloc[0], r.output) for n, r in results.items()} == {
        n: (2.0 * n, f"{n:.1f}\n") for n in range(12)
    }


def test_large_data_crosses(runner: ScriptRunner) -> None:
    content = os.urandom(1 << 20) * 8
    assert told(runner, "import zlib; return [len(args[0]), zlib.crc32(args[0])]", content)[0] == len(content)
    index = pd.date_range("2012", periods=200_000, freq="s", unit="us")
    frame = pd.DataFrame({"a": np.arange(200_000.0), "b": 1.0}, index=index)
    value = runner.analyze("def analyze(df): return df", frame, LIMITS).value
    pd.testing.assert_frame_equal(value, frame, check_freq=False)


def test_no_descriptors_are_lost(runner: ScriptRunner) -> None:
    told(runner, "return 1")
    before = list(Path("/proc/self/fd").iterdir())
    for body in ("return 1", "return 1", "1 / 0"):
        try:
            told(runner, body)
        except ScriptError:
            continue
    assert len(list(Path("/proc/self/fd").iterdir())) == len(before)


def test_starts_lazily_and_closes(monkeypatch: pytest.MonkeyPatch) -> None:
    open_python(monkeypatch)
    with ScriptRunner(sandboxed=False) as runner:
        assert runner.pid is None
        runner.start()
        process = runner.pid
        assert process
        assert told(runner, "return 1") == 1
        assert runner.pid == process
    assert not Path(f"/proc/{process}").exists()
    with pytest.raises(Unavailable, match="closed"):
        told(runner, "return 1")


def test_a_missing_sandbox_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "obstacle", lambda: "unshare: Operation not permitted")
    with ScriptRunner(sandboxed=True) as runner, pytest.raises(Unavailable, match="unshare: Operation not permitted"):
        told(runner, "return 1")
    with ScriptRunner() as runner:
        assert not runner.sandboxed


def test_a_template_that_cannot_start_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "_BOOTSTRAP", "raise SystemExit('no such luck')")
    with ScriptRunner(sandboxed=False) as runner, pytest.raises(Unavailable, match="no such luck"):
        runner.start()
