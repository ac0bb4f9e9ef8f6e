"""Parts of a frame that are changed in place: ``df["a"][rows] = 0``, ``df["a"].fillna(0, inplace=True)``.

A column taken out of a frame was a view of it; today it is a copy, and what becomes of it is lost without an error.
Such statements are compiled so that the column goes back into its frame. Nothing else changes of the script.
"""

import ast
from typing import Any

import pandas as pd

from .notes import note

#: What the script's statements find these functions by.
NAME = "__old_pandas__"
_AT = ("loc", "iloc", "at", "iat")
_NO_COLUMNS = {*_AT, "values", "index", "columns", "flat", "array", "T"}
_taken: list[tuple[pd.DataFrame, Any, pd.Series] | None] = []


def take(owner: Any, key: Any, by: str) -> Any:
    """Return a part of something; a frame's column is one to be put back."""
    part = owner[key] if by == "key" else getattr(owner, key)
    column = isinstance(owner, pd.DataFrame) and isinstance(part, pd.Series) and _is_label(owner, key)
    if column:
        part = part.copy()
    _taken.append((owner, key, part) if column else None)
    return part


def put_back() -> None:
    """Put the column that was taken last back into its frame."""
    taken = _taken.pop()
    if taken is not None:
        owner, key, part = taken
        if not part.equals(owner[key]) or part.dtype != owner[key].dtype:
            note("a column changed in place", "df.loc[rows, column] = values, or df[column] = changed")
            owner[key] = part


def _is_label(frame: pd.DataFrame, key: Any) -> bool:
    try:
        return key in frame.columns
    except TypeError:
        return False


def rewritten(source: str, filename: str) -> ast.Module | str:
    """Return the script with such statements rewritten; the source itself where there is none."""
    tree = ast.parse(source, filename)
    rewriter = _Rewriter()
    made = rewriter.visit(tree)
    return ast.fix_missing_locations(made) if rewriter.found else source


class _Rewriter(ast.NodeTransformer):
    def __init__(self) -> None:
        self.found = False

    def visit_Assign(self, node: ast.Assign) -> Any:
        return self._within(node, node.targets[0]) if len(node.targets) == 1 else node

    def visit_AugAssign(self, node: ast.AugAssign) -> Any:
        return self._within(node, node.target)

    def visit_Expr(self, node: ast.Expr) -> Any:
        call = node.value
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and any(map(_in_place, call.keywords)):
            return self._statement(node, call.func)
        return node

    def _within(self, node: ast.stmt, target: ast.expr) -> Any:
        if not isinstance(target, ast.Subscript):
            return node
        inner = target.value
        if isinstance(inner, ast.Attribute) and inner.attr in _AT:
            return self._statement(node, inner)
        return self._statement(node, target)

    def _statement(self, node: ast.stmt, holder: ast.Attribute | ast.Subscript) -> Any:
        """Have the part that `holder` is of be taken, and put back after the statement."""
        part = holder.value
        if isinstance(part, ast.Subscript) and not isinstance(part.slice, ast.Slice | ast.Tuple):
            key, by = part.slice, "key"
        elif isinstance(part, ast.Attribute) and part.attr not in _NO_COLUMNS:
            key, by = ast.Constant(part.attr), "name"
        else:
            return node
        self.found = True
        taken = _call("take", part.value, key, ast.Constant(by))
        holder.value = ast.copy_location(taken, part)
        return [node, ast.copy_location(ast.Expr(_call("put_back")), node)]


def _in_place(keyword: ast.keyword) -> bool:
    return keyword.arg == "inplace" and isinstance(keyword.value, ast.Constant) and keyword.value.value is True


def _call(function: str, *arguments: ast.expr) -> ast.Call:
    return ast.Call(ast.Attribute(ast.Name(NAME, ast.Load()), function, ast.Load()), list(arguments), [])
