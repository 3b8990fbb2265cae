"""Metrics follow one scheme, and rules, dashboard and documentation name what the running system really tells."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
import yaml

from services.runtime.contract import load_contract
from tests.support.local_system import READS, LocalSystem
from tests.support.prometheus import ADDED, Family, families, groupings, parsed, selectors, series

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "deploy" / "observability"
RULES: list[dict[str, Any]] = [
    rule for group in yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"] for rule in group["rules"]
]
DASHBOARD = json.loads((FOLDER / "dashboard.json").read_text())
QUERIES = [(rule["alert"], rule["expr"]) for rule in RULES] + [
    (f"{panel['title']} {target['refId']}", target["expr"])
    for panel in DASHBOARD["panels"]
    for target in panel.get("targets", [])
]
TEXT = (ROOT / "docs" / "observability.md").read_text()

NAME = re.compile(
    r"studio_(audit|auth|background|build|bun|loop|mongodb|pool|redis|registry|resolver|rpc|tls)(_[a-z]+)+"
)
OTHER_UNITS = re.compile(
    r"_(ms|milliseconds|us|micros|minutes|hours|days|kb|mb|kilobytes|megabytes|percent)(_|$)"
)
LABELS = {
    "service": "of the contract, or a service's name",
    "method": "of the contract",
    "kind": "unary or stream",
    "code": "status of gRPC",
    "pool": "type of database",
    "type": "type of database",
    "state": "named in the code",
    "event": "named in the code",
    "result": "named in the code",
    "status": "of a database",
    "task": "named in the code",
    "credential": "kind of credential",
    "version": "of this system",
}
"""Every label there may be, and what bounds its values: none is what a user has named."""
MOST_SERIES = 3000
"""Of one process."""


@pytest.fixture(scope="module")
async def texts(system: LocalSystem) -> dict[str, str]:
    """What is scraped of a system to which somebody has spoken, also in vain."""
    async with system.client("owner") as owner:
        listed = (await owner.get("/api/platform/databases", params={"search": "sample"})).json()
        ids = {each["type"]: each["id"] for each in listed}
        for path, kind in READS.items():
            assert (await owner.get(path.format(ids[kind]))).is_success
        answer = await owner.get(
            f"/api/platform/redis/{ids['redis']}/get", params={"key": "nothing-of-this-name"}
        )
        assert answer.status_code == httpx.codes.NOT_FOUND
    async with asyncio.timeout(30):
        # Envoy's histograms are merged every few seconds; the registry counts databases as often.
        while True:
            found = await asyncio.to_thread(system.scraped)
            if (
                "envoy_http_downstream_rq_time_bucket" in found["gateway"]
                and "studio_registry_databases{" in found["registry"]
            ):
                return found
            await asyncio.sleep(0.5)


@pytest.fixture(scope="module")
def metrics(texts: dict[str, str]) -> dict[str, Family]:
    return families(texts)


@pytest.fixture(scope="module")
def own(metrics: dict[str, Family]) -> dict[str, Family]:
    return {name: family for name, family in metrics.items() if name.startswith("studio_")}


def test_names_follow_the_scheme(own: dict[str, Family]) -> None:
    assert len(own) > 30
    assert [name for name in own if not NAME.fullmatch(name) or OTHER_UNITS.search(name)] == []
    assert [name for name, each in own.items() if (each.type == "counter") != name.endswith("_total")] == []
    assert [
        name for name, each in own.items() if each.type == "histogram" and not name.endswith("_seconds")
    ] == []
    assert [name for name, each in own.items() if not each.help] == []


def test_labels_are_bounded(own: dict[str, Family], texts: dict[str, str]) -> None:
    seen = {label for family in own.values() for label in family.labels}
    assert seen - LABELS.keys() == set()
    methods = {each.name for each in load_contract().methods.values()}
    forwarded = {"ForwardRead", "ForwardChange", "Forward", "Check"}
    assert (
        set.union(*(each.labels.get("method", set()) for each in own.values())) - methods - forwarded == set()
    )
    codes = {code.name for code in grpc.StatusCode}
    assert own["studio_rpc_calls_total"].labels["code"] <= codes
    for job, text in texts.items():
        assert sum(not line.startswith("#") for line in text.splitlines()) < MOST_SERIES, job


@pytest.mark.parametrize(("where", "expression"), QUERIES, ids=[where for where, _ in QUERIES])
def test_what_is_asked_for_is_there(where: str, expression: str, metrics: dict[str, Family]) -> None:
    tree = parsed(expression)
    by_series = {one: (name, each) for name, each in metrics.items() for one in series(name, each.type)}

    def family(name: str) -> Family:
        if name == "up":
            return Family("gauge", "", {label: set() for label in ADDED})
        assert name in by_series, f"{where}: nobody tells {name}"
        return by_series[name][1]

    def labels(name: str) -> set[str]:
        declared = set(documented()[by_series[name][0]][1]) if name.startswith("studio_") else set()
        le = {"le"} if name.endswith("_bucket") else set()
        return set(family(name).labels) | declared | le | ADDED.keys()

    for each in selectors(tree):
        for label, operator, value in each.matchers:
            assert label in labels(each.name), f"{where}: {each.name} has no label {label}"
            known = family(each.name).labels.get(label, set())
            if operator == "Equal" and known and label in {"state", "status", "kind"}:
                assert value in known, f"{where}: {label} is never {value}"
    for wanted, asked in groupings(tree):
        for each in asked:
            assert wanted <= labels(each.name), f"{where}: {each.name} has not all of {wanted}"


def test_statuses_that_rules_name_are_statuses() -> None:
    named = set(re.findall(r"[A-Z_]{5,}", " ".join(rule["expr"] for rule in RULES)))
    assert named <= {code.name for code in grpc.StatusCode}


def test_rules_can_be_told_apart_and_read() -> None:
    names = [rule["alert"] for rule in RULES]
    assert len(names) == len(set(names))
    for rule in RULES:
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert rule["annotations"]["summary"].endswith(".")
        assert f"`{rule['alert']}`" in TEXT, f"{rule['alert']} is not explained"


@pytest.mark.skipif(shutil.which("promtool") is None, reason="there is no promtool here")
def test_prometheus_takes_the_files() -> None:
    for arguments in (
        ["rules", "alerts.yml"],
        ["config", "prometheus.yml"],
        ["config", "prometheus.railway.yml"],
    ):
        result = subprocess.run(
            ["promtool", "check", *arguments], cwd=FOLDER, capture_output=True, text=True, check=False
        )
        assert result.returncode == 0, result.stdout + result.stderr


def test_every_job_that_is_scraped_is_a_process(texts: dict[str, str]) -> None:
    for name in ("prometheus.yml", "prometheus.railway.yml"):
        config = yaml.safe_load((FOLDER / name).read_text())
        assert {job["job_name"] for job in config["scrape_configs"]} == texts.keys()


def test_the_collectors_pipelines_are_made_of_what_is_configured() -> None:
    config = yaml.safe_load((FOLDER / "otel-collector.yml").read_text())
    assert config["receivers"]["otlp"]["protocols"]["http"]["endpoint"].endswith(":4318")
    for pipeline in config["service"]["pipelines"].values():
        for part, names in pipeline.items():
            assert set(names) <= config[part].keys()


def documented() -> dict[str, tuple[str, list[str]]]:
    """Type and labels of each metric, by the tables of the documentation."""
    rows = re.findall(r"^\| `(studio_\w+)` \| (\w+) \| ([^|]*) \|", TEXT, re.MULTILINE)
    return {name: (type_, re.findall(r"`(\w+)`", labels)) for name, type_, labels in rows}


def test_the_documentation_lists_every_metric(own: dict[str, Family]) -> None:
    listed = documented()
    assert listed.keys() == own.keys()
    for name, family in own.items():
        type_, labels = listed[name]
        assert type_ == family.type, name
        if family.labels:
            assert set(labels) == set(family.labels), name


async def test_the_gateways_metrics_lead_nowhere_else(system: LocalSystem) -> None:
    async with httpx.AsyncClient(base_url=f"http://{system.metrics_address}", trust_env=False) as client:
        assert (await client.get("/metrics")).is_success
        for path in (
            "/",
            "/stats",
            "/metrics/",
            "/metrics?filter=.",
            "/metrics/../config_dump",
            "/config_dump",
            "/%6detrics",
        ):
            assert (await client.get(path)).status_code == httpx.codes.NOT_FOUND, path
        for path in ("/metrics", "/quitquitquit", "/healthcheck/fail"):
            assert (await client.post(path)).status_code == httpx.codes.NOT_FOUND, path
