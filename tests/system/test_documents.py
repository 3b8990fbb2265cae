"""What the documents say is so: the README's walk runs as written, variables are described, links lead somewhere."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
from pydantic import AliasChoices

from gateway.settings import GatewaySettings
from services.bun_proxy.settings import Settings as BunSettings
from services.mongo_svc.settings import Settings as MongoSettings
from services.redis_svc.settings import Settings as RedisSettings
from services.registry.settings import Settings as RegistrySettings
from services.runtime.base_settings import Settings
from tests.support.local_system import LocalSystem

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
PAGES = sorted((ROOT / "docs").rglob("*.md"))
MADE = {"deploy/secrets"}
"""What commands of the documents make."""


def test_the_walk_of_the_readme(system: LocalSystem) -> None:
    _, _, rest = README.read_text(encoding="utf-8").partition("```sh\n")
    script = rest.partition("```")[0]
    assert "$(make -s token ROLE=owner)" in script
    script = script.replace("$(make -s token ROLE=owner)", system.token("owner"))
    script = script.replace("http://127.0.0.1:8000", system.url)
    done = subprocess.run(
        ("sh", "-e", "-c", script), capture_output=True, text=True, check=False, timeout=60, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines() if line]
    assert not [each for each in answers if "error_code" in each and "stage" not in each], answers
    listed, page, info, documents, counted, routes, book, rows, test = answers
    assert "sample-redis" in [each["name"] for each in listed]
    assert page["keys"]
    assert page["cursor"]
    assert info["sections"]["memory"]["used_memory"] > 0
    assert len(documents["documents"]) == 2
    assert "open" in [each["_id"] for each in counted["documents"]]
    assert "/books/{id}" in [each["path"] for each in routes["routes"]]
    assert book["id"] == 1
    assert rows == [{"count": 5000}]
    assert (test["success"], test["stage"]) == (False, "tcp")


@pytest.mark.parametrize(
    "settings", [RegistrySettings, RedisSettings, MongoSettings, BunSettings, GatewaySettings]
)
def test_every_variable_is_described(settings: type[Settings]) -> None:
    described = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    missing = {
        variable
        for name, field in settings.model_fields.items()
        for variable in _variables(name, field.validation_alias)
        if f"`{variable}`" not in described
    }
    assert missing == set()


def _variables(name: str, alias: object) -> list[str]:
    return [str(each) for each in alias.choices] if isinstance(alias, AliasChoices) else [name.upper()]


@pytest.mark.parametrize("page", [README, *PAGES], ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", text)
    named = re.findall(r"`((?:docs|gateway|services|deploy|protos|tests|tools|benchmarks)/[\w./-]*)`", text)
    assert [link for link in links if not (page.parent / link).exists()] == []
    assert [path for path in named if path.rstrip("/") not in MADE and not (ROOT / path).exists()] == []
