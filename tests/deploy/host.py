"""One host with the processes of `deploy/compose.yaml`, each in a box of its own, on free ports."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deploy.docker import secrets
from deploy.local import ports
from tests.deploy.box import Box

ADDRESS = re.compile(r"(registry|redis_svc|mongo_svc|bun_proxy|pg-meta):(\d+)")
LISTENING = {
    "registry": {"GRPC_ADDRESS": 50051},
    "redis_svc": {"GRPC_ADDRESS": 50052},
    "mongo_svc": {"GRPC_ADDRESS": 50053},
    "bun_proxy": {"GRPC_ADDRESS": 50054, "PROXY_ADDRESS": 8054},
}
"""The variables that move a service off the ports of its image, and those."""


class Host:
    """The processes that were started. Close it.

    Args:
        compose: the project.
        images: where each image's `/opt/studio` is.
        directory: for what they write, and their secrets.
        engines: secrets that lead to engines of the tests, by name.
        pg_meta: where pg-meta is: `host:port`.
    """

    def __init__(
        self,
        compose: dict[str, Any],
        images: Mapping[str, Path],
        directory: Path,
        engines: Mapping[str, str],
        pg_meta: str,
    ) -> None:
        self._services = compose["services"]
        self._images = images
        self._directory = directory
        self._addresses = {"pg-meta:8080": pg_meta}
        self.boxes: list[Box] = []
        self.secrets = directory / "secrets"
        secrets.make(self.secrets, {})
        # Docker mounts each file by itself, so that only its own mode counts.
        self.secrets.chmod(0o755)
        for name, value in engines.items():
            (self.secrets / f"{name}.txt").unlink()
            (self.secrets / f"{name}.txt").write_text(f"{value}\n")

    def address(self, named: str) -> str:
        """Where on this machine that is which Compose names so."""
        return self._addresses.setdefault(named, f"127.0.0.1:{ports.pick()}")

    def start(self, service: str) -> Box:
        """Starts one, with the variables that Compose gives it."""
        described = self._services[service]
        variables = {name: self._here(value) for name, value in described["environment"].items()}
        for name, port in LISTENING.get(service, {}).items():
            variables[name] = f"[::]:{self.address(f'{service}:{port}').rpartition(':')[2]}"
        # Nobody takes over from it.
        variables["SHUTDOWN_NOTICE_S"] = "0"
        if service == "gateway":
            variables["GATEWAY_PORT"] = str(ports.pick())
            variables["GATEWAY_METRICS_ADDRESS"] = f"0.0.0.0:{ports.pick()}"
        else:
            variables["HTTP_ADDRESS"] = f"[::]:{ports.pick()}"
        target = described["build"]["target"]
        box = Box(
            target, self._images[target], self._directory / service, variables, described.get("command")
        )
        self.boxes.append(box)
        return box

    def _here(self, value: str) -> str:
        moved = ADDRESS.sub(lambda match: self.address(match[0]), value)
        return re.sub(r"^/run/secrets/(\w+)$", rf"{self.secrets}/\1.txt", moved)

    def close(self) -> None:
        """Ends what still runs."""
        for box in reversed(self.boxes):
            box.kill()
