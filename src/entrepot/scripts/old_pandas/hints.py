"""What is old and cannot be served: how it is spelt today, for the error that it ends in."""

import re
from collections.abc import Mapping

_HINTS: Mapping[str, str] = {
    r"no attribute 'ix'": "take .loc[labels] or .iloc[positions]",
    r"'Timestamp' object has no attribute 'freq(str)?'": "keep the freq of the index that it comes from",
    r"no attribute 'Panel'": "take a DataFrame with a MultiIndex",
    r"no attribute '(rolling|expanding|ewm)_(\w+)'": r"take x.\1(window).\2()",
    r"no attribute '(rolling|expanding)(\w*)'": r"take x.\1(window)",
    r"no attribute 'order'": "take sort_values()",
    r"no attribute 'sort'": "take sort_values() or sort_index()",
    r"no attribute 'sortlevel'": "take sort_index(level=)",
    r"no attribute 'convert_objects'": "take infer_objects(), or pd.to_numeric()",
    r"no attribute 'set_value'": "take x.at[row, column] = value",
    r"no attribute 'from_items'": "take pd.DataFrame(dict(items))",
    r"no attribute 'from_csv'": "take pd.read_csv(file, index_col=0, parse_dates=True)",
    r"no attribute 'select'": "take .loc[[label for label in x.index if ...]]",
    r"no attribute '(view|compress|ptp|nonzero)'": r"take x.to_numpy() and NumPy's \1",
    r"argument 'loffset'": "take resample() without it, then x.index = x.index + pd.Timedelta(...)",
    r"argument 'how'": "call what it named: resample(...).mean()",
    r"resample\(\) got an unexpected keyword argument 'kind'": "take x.to_period() or x.to_timestamp() before",
    r"argument 'keep_tz'": "take it away: the zone is kept",
    r"(groupby|resample|rolling|expanding|ewm)\(\) got an unexpected keyword argument 'axis'": r"take x.T.\1(...)",
    r"argument 'downcast'": "take it away, and infer_objects() or astype() after it",
    r"takes (from )?\d.* positional arguments? but": "name the arguments, as in drop(x, axis=1)",
    r"(Cannot perform reduction|agg function failed|does not support (operation|reduction))": (
        "take numeric_only=True, or only the columns of numbers: text was left out once"
    ),
    r"Cannot convert from timedelta64\[\w+\] to timedelta64\[(\w+)\]": r"take x / pd.Timedelta(1, '\1')",
    r"^ChainedAssignmentError": "take x.loc[rows, column] = values: what is set on a part of x does not reach x",
}


def hint(message: str) -> str:
    """Return how what an error of pandas is about is spelt today; nothing if that is not known."""
    for pattern, now in _HINTS.items():
        if found := re.search(pattern, message):
            return f" (pandas before 2 had it; today: {found.expand(now)})"
    return ""
