"""Metrics: of all processes, of what matters, under the names that the alert rules ask for."""

import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
import yaml

from tests.conftest import MakeServer
from tests.support.alerts import PROMTOOL, RULES, require_called, rules
from tests.support.deadline import eventually


def test_a_scrape_sees_the_requests_of_all_processes_and_all_that_the_rules_ask_for(
    make_server: MakeServer, tmp_path: Path
) -> None:
    with make_server("postgresql", tmp_path / "data", options=("--web-processes", "2")) as server:

        def scrape() -> str:
            return httpx.get(f"{server.url}/metrics", trust_env=False, timeout=20).text

        def asked() -> float:
            pattern = r'entrepot_http_requests_total{door="api",method="GET",status="200"} ([0-9.]+)'
            return sum(map(float, re.findall(pattern, scrape())))

        def ask(_: int) -> int:
            headers = {"authorization": f"Token {server.token}"}
            return httpx.get(f"{server.url}/api/v1/projects", headers=headers, trust_env=False).status_code

        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(ask, range(60))) == {200}
        eventually(lambda: asked() == 60, 10, every=0.2, message="not all requests were counted")
        httpx.request("BREW", f"{server.url}/api/v1/projects", trust_env=False)
        text = eventually(lambda: text if "entrepot_job_seconds_bucket" in (text := scrape()) else "", 30, every=0.5)
        assert "BREW" not in text
        names = set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE))
        for rule in (rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]):
            wanted = set(re.findall(r"entrepot_\w+", rule["expr"]))
            assert wanted, rule["alert"]
            assert wanted <= names, f"{rule['alert']} asks for {wanted - names}"
            assert rule["annotations"]["summary"]
        require_called(set() if os.statvfs(tmp_path).f_favail > 1000 else {"EntrepotDiskFull"}, text)
        # A job that did something leaves a line; those that found nothing to do leave a count.
        with server.http() as http:
            http.post("/api/v1/projects", json={"name": "p"}).raise_for_status()
            gate = http.post("/api/v1/gates", json={"project": "p", "name": "g"}).raise_for_status().json()
            http.delete(f"/api/v1/gates/{gate['id']}").raise_for_status()
        eventually(lambda: re.search(r"job finished .*seconds=", server.log.read_text()), 30, every=0.2)


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is missing (Debian: prometheus)")
def test_the_rules_are_ones() -> None:
    assert PROMTOOL is not None
    done = subprocess.run([PROMTOOL, "check", "rules", RULES], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(rules())} rules found" in done.stdout
