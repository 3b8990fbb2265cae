"""What an API tells of itself: in headers that servers send, and in the JSON that health paths commonly answer."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.bun_proxy.probe.ask import Answer
from services.bun_proxy.probe.bounds import WORD_CHARS

_RUNTIMES = {"bun": "Bun", "deno": "Deno", "node": "Node.js", "node.js": "Node.js", "nodejs": "Node.js"}
_PRODUCT = re.compile(r"([A-Za-z][\w.-]{0,63})(?:[/ ]v?(\d[\w.+-]{0,63}))?")


@dataclass(frozen=True, slots=True)
class Identity:
    """Empty where it does not tell."""

    server: str = ""
    """The header `Server`."""
    runtime: str = ""
    """`Bun`, `Node.js`, or whatever it calls it."""
    runtime_version: str = ""
    version: str = ""
    """The API's own."""

    @property
    def shown(self) -> str:
        """For a sentence: the runtime with its version, or the server."""
        return f"{self.runtime} {self.runtime_version}".strip() or self.server


def identify(answer: Answer) -> Identity:
    """What an answer tells of who gives it."""
    server = _word(answer.header("server"))
    said = _json(answer)
    runtime, version = _from_json(said)
    for text in (answer.header("x-powered-by"), server):
        for name, number in _PRODUCT.findall(text[:256]):
            if not runtime and name.lower() in _RUNTIMES:
                runtime, version = _RUNTIMES[name.lower()], number
    return Identity(server, runtime, version, _word(said.get("version")))


def _from_json(said: Mapping[str, Any]) -> tuple[str, str]:
    versions = said.get("versions")
    for name in ("bun", "bun_version", "bunVersion"):
        if version := _word(said.get(name)) or _word(
            versions.get(name) if isinstance(versions, dict) else None
        ):
            return "Bun", version
    name = _word(said.get("runtime"))
    version = _word(said.get("runtime_version")) or _word(said.get("runtimeVersion"))
    return _RUNTIMES.get(name.lower(), name), version if name else ""


def _json(answer: Answer) -> Mapping[str, Any]:
    if answer.truncated or not answer.media_type.endswith("json"):
        return {}
    try:
        found = json.loads(answer.body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _word(value: object) -> str:
    return value[:WORD_CHARS] if isinstance(value, str) and value.isascii() and value.isprintable() else ""
