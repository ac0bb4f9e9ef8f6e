"""Works as the published client validates them, and ours: the same ones are refused, the others travel alike."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.conformance.runner import SCRIPTS, run_script
from tests.support import another_day

pytestmark = pytest.mark.conformance

WORK = {"pipeline": "a-pipeline", "site": "chime", "user": "ada"}
#: What people put where something else belongs, and what is right somewhere.
VALUES: list[Any] = [
    *(None, True, False, 0, 1, -1, 5, 6, 2.0, 2.5, 1e300, 259_200, 259_201),
    *("", "1", " 2 ", "2.0", "x", "yes", "OFF", "local", "chime", "success", "a_b", "a" * 128, "a" * 129, "a/b"),
    *([], ["a"], ["a", 1], [1, "2", 3.0], [2.5], [None], [["a"]]),
    *({}, {"a": 1}, {"a": {"b": [None]}}, {"slack": {}}, {"slack": {"channel_id": "C", "results": "on"}}),
    *({"slack": {"channel_id": 5}}, {"slack": {"chanel": "C"}}, {"slack": None}, {"slack": {"member_ids": ["U"]}}),
    *({"orgs": ["a"], "other": 1}, {"orgs": None}, {"teams": None}, {"strategy": "relaxed"}, {"strategy": "loose"}),
    *({"archive": {"products": "move"}}, {"archive": {"products": "shred"}}, {"archive": {"results": 2}}),
    *({"archive": None}, {"metrics": "true"}, {"parent": 5}),
]
FIELDS = [
    *("pipeline", "site", "user", "function", "parameters", "command", "results", "products", "plots", "tags", "event"),
    *("id", "start", "stop", "attempt", "status", "timeout", "retries", "priority", "config", "notify"),
]
ENVIRONMENTS = [
    {"WORKFLOW_PRIORITY": "4", "WORKFLOW_TAGS": '["a", "b"]'},
    {"workflow_user": "grace"},
    {"WORKFLOW_PRIORITY": "high"},
    {"WORKFLOW_CONFIG": '{"parent": "p"}'},
    {"WORKFLOW_EVENT": "[1, 2]"},
]


def _cases() -> list[dict[str, Any]]:
    plain = {"made": WORK, "set": {}, "environment": {}}
    made = [{**plain, "made": {**WORK, name: value}} for name in FIELDS for value in VALUES]
    changed = [{**plain, "set": {name: value}} for name in FIELDS for value in VALUES]
    missing = [{**plain, "made": {name: WORK[name] for name in WORK if name != gone}} for gone in WORK]
    given = [{**plain, "environment": environment} for environment in ENVIRONMENTS]
    taken = [{**one, "made": {"pipeline": "a", "site": "chime"}} for one in given]
    both = {"function": "a.b", "command": ["ls"]}
    others = [
        {**plain, "made": {**WORK, **both}},
        {**plain, "made": {**WORK, "unknown": 1}},
        {**plain, "made": {**WORK, "site": "mars", "config": {"strategy": "relaxed"}}},
        {**plain, "made": {**WORK, "function": "", "command": ["ls"]}},
    ]
    return [*made, *changed, *missing, *given, *taken, *others]


def _ours(folder: Path) -> Any:
    script = (SCRIPTS / "workflow_validation.py").read_text()
    script = re.sub(r"^from workflow\.\S+ import", "from entrepot.client.workflow import", script, flags=re.MULTILINE)
    (folder / "script.py").write_text(script)
    run = subprocess.run(
        [sys.executable, "script.py", "given.json", "ours.json"],
        cwd=folder, env=another_day.kept() | {"PATH": "/usr/bin:/bin", "HOME": str(folder)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return orjson.loads((folder / "ours.json").read_bytes())


def test_the_same_works_are_refused_and_the_others_travel_alike(tmp_path: Path) -> None:
    cases = _cases()
    workspace = tmp_path / "workspace.yml"
    workspace.write_text("workspace: test\nsites: [chime]\nhttp:\n  baseurls: {}\n")
    published = run_script("workflow", "workflow_validation", tmp_path, {"cases": cases, "workspace": str(workspace)})
    ours = _ours(tmp_path)
    differing = [
        (case, theirs, mine) for case, theirs, mine in zip(cases, published, ours, strict=True) if theirs != mine
    ]
    assert not differing, f"{len(differing)} of {len(cases)}: {differing[:5]}"
    assert min(published.count("refused"), len(published) - published.count("refused")) > 100
