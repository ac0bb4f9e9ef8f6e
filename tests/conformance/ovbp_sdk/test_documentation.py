"""docs/guide-ovbp.md does what it says: each block runs, and prints what the page shows."""

import re
from pathlib import Path

import pytest

from tests.conformance.ovbp.conftest import RunScript

pytestmark = pytest.mark.conformance

GUIDE = Path(__file__).parents[3] / "docs" / "guide-ovbp.md"
BLOCK = re.compile(r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", re.DOTALL | re.MULTILINE)
# What each server gives its own values.
OWN = (
    (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "<id>"),
    (r"'\d{4}-\d\d-\d\d'", "<day>"),
    (r"datetime\.datetime\([\d, ]+\)", "<instant>"),
)


@pytest.fixture(scope="module", params=["sdk", "sdk-pandas2"])
def environment(request: pytest.FixtureRequest) -> str:
    """The newest pandas, and the one before."""
    return str(request.param)


def comparable(printed: str) -> str:
    """Return what was printed without what is each server's own."""
    for pattern, replacement in OWN:
        printed = re.sub(pattern, replacement, printed)
    return printed.rstrip()


def test_the_guide_prints_what_it_shows(ovbp: RunScript, environment: str) -> None:
    blocks = BLOCK.findall(GUIDE.read_text())
    assert len(blocks) > 20
    taken = ovbp("sdk_guide", blocks=[code for code, _ in blocks])
    assert taken["pandas"].startswith("2." if environment == "sdk-pandas2" else "3.")
    for (code, shown), printed in zip(blocks, taken["printed"], strict=True):
        assert comparable(printed) == comparable(shown), code
