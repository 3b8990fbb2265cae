"""The Dockerfile taken apart: its stages, and what an image inherits from the stages below it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

from deploy.local.options import ROOT

FILE = ROOT / "Dockerfile"
TARGETS = ("registry", "redis_svc", "mongo_svc", "bun_proxy", "gateway")


@dataclass
class Stage:
    """One `FROM` and what follows."""

    base: str
    instructions: list[tuple[str, str]] = field(default_factory=list)

    def all(self, instruction: str) -> list[str]:
        """The arguments of each instruction of that name."""
        return [arguments for name, arguments in self.instructions if name == instruction]


def read() -> tuple[dict[str, str], dict[str, Stage]]:
    """The arguments before the first stage with their defaults, and the stages by name; the last has none."""
    text = re.sub(r"^\s*#.*\n", "", FILE.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    arguments: dict[str, str] = {}
    stages: dict[str, Stage] = {}
    stage: Stage | None = None
    for line in filter(None, map(str.strip, text.splitlines())):
        instruction, _, rest = line.partition(" ")
        rest = " ".join(rest.split())
        if instruction == "FROM":
            base, _, name = rest.partition(" AS ")
            stage = stages[name] = Stage(base)
        elif stage is None:
            name, _, arguments[name] = rest.partition("=")
        else:
            stage.instructions.append((instruction, rest))
    return arguments, stages


def chain(target: str) -> list[Stage]:
    """The stages that an image is made of, its own first."""
    _, stages = read()
    found = [stages[target]]
    while found[-1].base in stages:
        found.append(stages[found[-1].base])
    return found


def last(target: str, instruction: str) -> str:
    """What of an instruction holds in the image: the last one's arguments."""
    return next(each.all(instruction)[-1] for each in chain(target) if each.all(instruction))


def command(target: str) -> list[str]:
    """What the image runs."""
    words: list[str] = json.loads(last(target, "CMD"))
    return words


def health_check(target: str) -> list[str]:
    """What the image asks itself."""
    words: list[str] = json.loads(last(target, "HEALTHCHECK").partition("CMD ")[2])
    return words


def environment(target: str) -> dict[str, str]:
    """The variables of the image, beside PATH."""
    pairs = [pair for stage in reversed(chain(target)) for line in stage.all("ENV") for pair in line.split()]
    found = dict(pair.split("=", 1) for pair in pairs)
    found.pop("PATH")
    return found
