"""What `make demo` runs."""

import subprocess
import sys
from pathlib import Path

import pytest


def test_the_demo_shows_every_kind_of_result_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEMO_EXIT", "1")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    command = [sys.executable, "-m", "entrepot", "demo", "--port", "0", "--ftp-port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=500)
    assert done.returncode == 0, done.stdout + done.stderr
    for told in ("Importer: what came in", "Analysis: daily capacity factor", "Export: ", "April arrived", "SHA-256"):
        assert told in done.stdout
    assert list(tmp_path.iterdir()) == []
