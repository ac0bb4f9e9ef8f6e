"""Scripts for pandas below 2: what they get is what pandas 1.5 gave them, and what was old is noted."""

import json
import subprocess
from typing import Any

import numpy as np
import pandas as pd
import pytest

from entrepot.scripts import ScriptError, ScriptRunner, calls, wire
from tests.conformance import environments

from . import old_world

#: So many bodies share a process, which costs more than any of them.
_TOGETHER = 60


def ask(runner: ScriptRunner, body: str) -> tuple[Any, list[dict[str, object]]]:
    """Return what a body gives, and what was noted of it."""
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    done = runner.call(f"import numpy as np\nimport pandas as pd\ndef f():\n{lines}\n", "f", [], expects="json")
    return done.value, [dict(note) for note in done.notes]


def test_old_scripts_give_what_old_pandas_gives() -> None:
    ran = subprocess.run(
        [environments.python("ovbpclient"), old_world.__file__], capture_output=True, text=True, check=True
    )
    right = json.loads(ran.stdout)
    with ScriptRunner() as runner:
        for at in range(0, len(old_world.BODIES), _TOGETHER):
            bodies = old_world.BODIES[at : at + _TOGETHER]
            found = runner.call(old_world.scripts(bodies), "answers", [], expects="json").value
            for body, ours, theirs in zip(bodies, found, right[at:], strict=False):
                assert "raised" not in theirs, (body, theirs)
                assert ours == theirs, body


def test_what_is_old_is_noted_once_a_kind_with_its_line(runner: ScriptRunner) -> None:
    value, notes = ask(
        runner,
        "s = pd.Series([1.0, None], pd.date_range('2020', periods=2, freq='6H'))\n"
        "for _ in range(3):\n"
        "    s = s.fillna(method='pad').append(s)\n"
        "s.resample('6H').sum()\n"
        "return len(s.iloc[:3].append(s)) + s[0]",
    )
    assert value == 19.0 + 1.0
    assert notes == [
        {"line": 4, "old": "6H", "now": "6h"},
        {"line": 6, "old": "fillna(method=)", "now": "ffill()"},
        {"line": 6, "old": "append", "now": "pd.concat([a, b])"},
        {"line": 8, "old": "x[number]", "now": "x.iloc[number]"},
    ]


def test_an_expression_may_be_old(runner: ScriptRunner) -> None:
    series = pd.Series([3.0, 1.0, 2.0], pd.date_range("2020", periods=3, freq="20min"), name="x")
    done = runner.transform("se.resample('60T').min().fillna(method='bfill')", series)
    assert (done.value.tolist(), [note["old"] for note in done.notes]) == ([1.0], ["60T", "fillna(method=)"])
    assert runner.map_values("value + pd.Timedelta('1T') / pd.Timedelta('1s')", np.ones(1)).value.tolist() == [61.0]


def test_what_was_old_is_noted_of_a_script_that_fails_later(runner: ScriptRunner) -> None:
    with pytest.raises(ScriptError) as caught:
        ask(runner, "pd.Series([1.0]).append(pd.Series([2.0]))\nraise KeyError('later')")
    assert caught.value.notes == [{"line": 4, "old": "append", "now": "pd.concat([a, b])"}]


_TOUCHED = """
owners = [pd, np, pd.DataFrame, pd.Series, pd.Index, pd.Timestamp, pd.Timedelta, pd.Period, pd.Grouper,
          pd.core.resample.Resampler, type(pd.Grouper(freq='D')), pd.core.arrays.datetimes, pd.core.resample]
functions = [(name, getattr(value, '__func__', value)) for owner in owners for name, value in list(vars(owner).items())]
codes = [(name, getattr(getattr(each, 'func', each), '__code__', None)) for name, each in functions]
return sorted(name for name, code in codes if code is not None and 'old' + '_pandas' in code.co_filename)
"""


def test_a_script_of_today_sees_pandas_as_it_is(runner: ScriptRunner) -> None:
    body = (
        "df = pd.DataFrame({'power': [1.0, None]}, index=pd.date_range('2020', periods=2, freq='6h'))\n"
        "df = pd.concat([df.ffill(), df]).resample('1h').mean().rename_axis('time')\n"
        "df.loc[df['power'] > 1, 'power'] = 0\n" + _TOUCHED
    )
    assert ask(runner, body) == ([], [])


def test_what_is_old_touches_its_own_call_alone(runner: ScriptRunner) -> None:
    value, notes = ask(runner, "pd.date_range('2020', periods=2, freq='6H')\n" + _TOUCHED)
    assert "to_offset" in value
    assert [note["old"] for note in notes] == ["6H"]
    assert ask(runner, _TOUCHED) == ([], [])
    with pytest.raises(ValueError, match="Invalid frequency"):
        pd.date_range("2020", periods=2, freq="6H")


def test_a_column_keeps_a_name_that_was_a_method_s(runner: ScriptRunner) -> None:
    body = "df = pd.DataFrame({'mad': [1], 'append': [2]})\nreturn df.mad.tolist() + df.append.tolist()"
    assert ask(runner, body) == ([1, 2], [])


def test_an_unknown_name_is_told_as_ever(runner: ScriptRunner) -> None:
    with pytest.raises(ScriptError, match=r"AttributeError: 'DataFrame' object has no attribute 'nothing'") as caught:
        ask(runner, "[].append(1)\npd.DataFrame().nothing")
    assert "pandas before 2" not in caught.value.message


def test_the_names_that_numpy_gave_up_are_known(runner: ScriptRunner) -> None:
    body = (
        "assert np.int is int and np.float is float and np.object is object and np.str is str\n"
        "return [np.zeros(1, dtype=np.float).tolist(), np.array([0, 2], dtype=np.bool).tolist(), np.float_(1)]"
    )
    value, notes = ask(runner, body)
    assert value == [[0.0], [False, True], 1.0]
    assert [(note["old"], note["now"]) for note in notes][:2] == [("np.int", "int"), ("np.float", "float")]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("pd.Series([1]).ix[0]", r"take \.loc\[labels\] or \.iloc\[positions\]"),
        ("pd.Timestamp('2020').freq", "keep the freq of the index"),
        ("pd.Panel()", "a DataFrame with a MultiIndex"),
        ("pd.rolling_mean(pd.Series([1]), 3)", r"x\.rolling\(window\)\.mean\(\)"),
        (
            "pd.Series([1], pd.to_datetime(['2020'])).resample('1D', loffset='1H').sum()",
            r"x\.index = x\.index \+ pd\.Timedelta",
        ),
        ("pd.DataFrame({'a': ['x'], 'b': [1]}).mean()", "numeric_only=True"),
        ("pd.DataFrame({'a': [1]}).nlargest(1, 'a', 'first', 2)", "name the arguments"),
        ("pd.DataFrame({'a': [1]}).groupby('a', axis=1)", r"take x\.T\.groupby"),
        (
            "pd.Series(pd.to_timedelta(['1h'])).astype('timedelta64[m]')",
            r"take x / pd\.Timedelta\(1, 'm'\)",
        ),
        ("pd.read_csv('x', parse_dates={'t': [0, 1]}, chunksize=3)", "not taken with chunksize"),
    ],
)
def test_what_cannot_be_served_is_named_with_its_modern_spelling(runner: ScriptRunner, body: str, told: str) -> None:
    with pytest.raises(ScriptError, match=told) as caught:
        ask(runner, body)
    assert "of the script" in caught.value.message


def test_notes_that_the_child_would_not_write_are_refused() -> None:
    good = {"line": 1, "old": "6H", "now": "6h"}
    header = {"kind": "json", "value": 1}
    assert calls.decode(b"".join(wire.pack({**header, "notes": [good]})), "json") == (1, [good])
    for notes in ("6H", [good] * 51, [{**good, "more": 1}], [{**good, "old": "x" * 300}], [{**good, "line": "1"}], [1]):
        with pytest.raises(ValueError, match="malformed"):
            calls.decode(b"".join(wire.pack({**header, "notes": notes})), "json")
