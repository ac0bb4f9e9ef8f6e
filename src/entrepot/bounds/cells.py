"""Cells of spreadsheets: text that a spreadsheet would execute is marked as text.

A cell that begins with one of these signs is a formula to Excel, LibreOffice and others, also in a CSV file, also in
their full-width forms; names of series, columns and rows are given by whoever writes data.
"""

#: What executes, and what is skipped before it.
STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
GUARD = "'"


def is_formula(text: str) -> bool:
    """Tell whether a spreadsheet would take a text for a formula."""
    # What nobody sees, spaces and signs that are not printed, hides no formula.
    seen = next((at for at, sign in enumerate(text) if sign.isprintable() and not sign.isspace()), len(text))
    return text.startswith(STARTS) or text.startswith(STARTS, seen)


def guarded(text: str) -> str:
    """Return the text as a spreadsheet shows it as text: behind an apostrophe where it would be a formula."""
    return GUARD + text if is_formula(text) else text
