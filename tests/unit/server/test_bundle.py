"""The console's scripts and styles: small, whole in the wheel, made of packages whose hashes are known."""

import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from entrepot.server.console import bundle
from tools.bundle_hook import BundleHook

ROOT = Path(__file__).parents[3]
FRONTEND = ROOT / "frontend"


def test_what_pages_load_is_there_and_small() -> None:
    built = bundle.addresses()
    every, plots, editors = {"console.css", "console.js"}, {"series-plot.js"}, {"code-editor.js", "edit-table.js"}
    queries = {"query-box.js"}
    assert set(built) == every | plots | editors | queries
    packed = {name: len(bundle.content(address.rpartition("/")[2])[1]) for name, address in built.items()}
    assert sum(packed[name] for name in every | plots) < 100_000, packed
    assert sum(packed[name] for name in every | editors) < 220_000, packed
    assert sum(packed[name] for name in every | queries) < 220_000, packed
    for address in built.values():
        plain = bundle.content(address.rpartition("/")[2])[0].decode()
        assert "sourceMappingURL" not in plain


def test_the_lock_has_a_hash_of_every_package_and_no_address() -> None:
    text = (FRONTEND / "package-lock.json").read_text()
    packages = json.loads(text)["packages"]
    assert all(one["integrity"].startswith("sha512-") for name, one in packages.items() if name)
    assert "://" not in text
    assert "resolved" not in text


def test_a_wheel_has_the_bundle_with_the_licences_of_what_it_took(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        inside = {name.removeprefix("entrepot/server/console/static/") for name in wheel.namelist()}
        licences = wheel.read("entrepot/server/console/static/LICENSES.txt").decode()
    assert {address.rpartition("/")[2] for address in bundle.addresses().values()} | {"manifest.json"} <= inside
    assert not any(name.startswith(("frontend/", "node_modules/")) for name in inside)
    told = {line.split()[0] for line in licences.splitlines() if re.fullmatch(r"[\w.@/-]+ \d+\.\d+\.\d+", line)}
    packages = json.loads((FRONTEND / "package-lock.json").read_text())["packages"]
    assert told == {
        name.rpartition("node_modules/")[2] for name, one in packages.items() if name and not one.get("dev")
    }


def test_no_wheel_is_made_without_the_bundle(tmp_path: Path) -> None:
    hook = BundleHook(str(tmp_path), {}, None, None, str(tmp_path), "wheel")
    with pytest.raises(RuntimeError, match="make install"):
        hook.initialize("standard", {})
    hook.initialize("editable", {})
