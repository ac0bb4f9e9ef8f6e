"""What Prometheus would call somebody for, given what was scraped: asked of promtool, by the rules that ship."""

import math
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import orjson
from prometheus_client.parser import text_string_to_metric_families

RULES = Path(__file__).parents[2] / "deploy" / "prometheus-rules.yml"
PROMTOOL = shutil.which("promtool")
_SECONDS, _MINUTES = 30, 20


def names() -> set[str]:
    """Return the metrics that the rules look at."""
    return set(re.findall(r"\bentrepot_\w+", RULES.read_text()))


def rules() -> list[str]:
    """Return the names of the rules."""
    return re.findall(r"alert: (\w+)", RULES.read_text())


def require_called(expected: set[str], *scraped: str) -> None:
    """Fail unless exactly these rules fire where what was scraped last stays so for long; nothing without promtool.

    Parameters
    ----------
    scraped
        What was scraped, and perhaps what was scraped before it: counters go on as they went from that to this.
    """
    if PROMTOOL is None:
        return
    samples = [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in sorted(expected)]
    test = {
        "interval": f"{_SECONDS}s",
        "input_series": _series([_samples(text) for text in scraped]),
        "promql_expr_test": [
            {
                # How fast the machine's disk fills is not the test's doing.
                "expr": 'group by (alertname) (ALERTS{alertstate="firing",alertname!="EntrepotDiskFills"})',
                "eval_time": f"{_MINUTES}m",
                "exp_samples": samples,
            }
        ],
    }
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "test.yml"  # JSON is YAML
        file.write_bytes(
            orjson.dumps({"rule_files": [str(RULES)], "evaluation_interval": f"{_SECONDS}s", "tests": [test]})
        )
        done = subprocess.run([PROMTOOL, "test", "rules", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def _samples(text: str) -> dict[str, float]:
    """Return the values of what the rules look at, by name and labels as promtool writes them."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name in names():
                labels = ",".join(f"{key}={orjson.dumps(value).decode()}" for key, value in sample.labels.items())
                found[f"{sample.name}{{{labels}}}"] = sample.value
    return found


def _series(scrapes: list[dict[str, float]]) -> list[dict[str, str]]:
    before, last = scrapes[0], scrapes[-1]
    series = []
    for name, value in last.items():
        step = value - before.get(name, 0.0) if len(scrapes) > 1 and "_total{" in name else 0.0
        first = value - step
        values = (first + step * number for number in range(_MINUTES * 60 // _SECONDS + 1))
        series.append({"series": name, "values": " ".join(map(_number, values))})
    return series


def _number(value: float) -> str:
    return repr(value) if math.isfinite(value) else {math.inf: "Inf", -math.inf: "-Inf"}.get(value, "NaN")
