"""Files and processes: writes the configuration, has Envoy check it, runs Envoy, drains it on SIGTERM.

Envoy stops at once on SIGTERM and drains only when its admin interface is asked to, so this process stays in
front of it: it does nothing but wait for a signal, and renew its own token and certificates, where it has any.
"""

from __future__ import annotations

import contextlib
import ctypes
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from gateway import render, service_token, tls
from gateway.service_token import TokenFile
from gateway.settings import GatewaySettings
from services.runtime.contract import load_contract
from services.runtime.logs import get_logger
from services.runtime.tls.files import CHECK_S

log = get_logger("gateway")

ADMIN_TIMEOUT_S = 2.0
DRAIN_POLL_S = 0.1
PR_SET_PDEATHSIG = 1
"""https://man7.org/linux/man-pages/man2/PR_SET_PDEATHSIG.2const.html"""

MAX_SOCKET_PATH = 100
"""Bytes; the kernel allows 107: https://man7.org/linux/man-pages/man7/unix.7.html"""

SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGCHLD}

STOP_TIMEOUT_S = 10.0
"""Envoy ends at once when it is told to; past this it hangs, and is killed."""

LOG_LEVELS = {"DEBUG": "info", "INFO": "warning", "WARNING": "warning", "ERROR": "error"}
"""Envoy's own `info` is about its start; requests stand in the access log whatever the level.

Never its `debug` or `trace`: they show its configuration, with the secret of user tokens, and every request's headers,
with the caller's token.
"""


def find_envoy(settings: GatewaySettings) -> Path:
    """Envoy's binary.

    Raises:
        SystemExit: there is none; the sentence says where it is looked for.
    """
    if settings.envoy_binary is not None:
        candidates = [settings.envoy_binary]
    else:
        on_path = shutil.which("envoy")
        candidates = [Path(sys.executable).parent / "envoy", *([Path(on_path)] if on_path else [])]
    for candidate in candidates:
        if os.access(candidate, os.X_OK) and candidate.is_file():
            return candidate
    raise SystemExit("configuration: no Envoy: set ENVOY_BINARY, or install the extra `gateway`")


@contextlib.contextmanager
def state_directory(settings: GatewaySettings) -> Iterator[render.Files]:
    """A directory that only this user can read; removed at the end unless `GATEWAY_STATE_DIR` names it."""
    if settings.gateway_state_dir is None:
        with tempfile.TemporaryDirectory(prefix="gateway-") as path:
            yield render.Files(Path(path))
        return
    directory = settings.gateway_state_dir.resolve()
    if len(os.fsencode(render.Files(directory).admin_socket)) > MAX_SOCKET_PATH:
        raise SystemExit("configuration: GATEWAY_STATE_DIR is too long a path for a socket in it")
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    directory.chmod(0o700)
    yield render.Files(directory)


def write_files(settings: GatewaySettings, files: render.Files) -> None:
    """Writes the configuration, for this user's eyes only, and the descriptors."""
    contract = load_contract()
    config = render.bootstrap(contract, settings, files)
    for path, content in (
        (files.descriptors, render.transcoder_descriptors(contract)),
        (files.bootstrap, render.to_json(config).encode()),
    ):
        path.unlink(missing_ok=True)
        path.touch(mode=0o600, exist_ok=False)
        path.write_bytes(content)


def validate(envoy: Path, files: render.Files) -> None:
    """Has Envoy check the configuration.

    Raises:
        SystemExit: with what Envoy said.
    """
    command = [str(envoy), "--mode", "validate", "--log-level", "error", "-c", str(files.bootstrap)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  our own binary
    if result.returncode != 0:
        raise SystemExit(f"Envoy refuses the configuration:\n{result.stderr}{result.stdout}")


def run(settings: GatewaySettings) -> int:
    """Runs Envoy until it ends or a signal asks it to; returns its exit code."""
    envoy = find_envoy(settings)
    with state_directory(settings) as files:
        write_files(settings, files)
        renewal = Renewal(settings, files)
        validate(envoy, files)
        _check_port(settings)
        command = [
            str(envoy),
            "-c",
            str(files.bootstrap),
            "--concurrency",
            str(settings.gateway_concurrency),
            "--log-level",
            LOG_LEVELS[settings.log_level],
            # The access log, within a second; by default it may wait for ten.
            "--file-flush-interval-msec",
            "1000",
            # Without this, two gateways on one machine share memory for hot restarts and refuse to start.
            "--disable-hot-restart",
        ]
        with _held_back_signals():
            process = subprocess.Popen(  # noqa: S603  our own binary
                command,
                # Ctrl-C in a terminal and supervisors signal whole groups; Envoy would stop before it has drained.
                start_new_session=True,
                preexec_fn=_prepare_child,  # noqa: PLW1509  this process has no threads
            )
            log.info("gateway.started", host=settings.gateway_host, port=settings.gateway_port)
            return _wait(process, settings, files, renewal)


@contextlib.contextmanager
def _held_back_signals() -> Iterator[None]:
    """Signals wait to be asked for: no handler runs in between, and waiting for them takes no processor."""
    previous = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, previous)


class Renewal:
    """What Envoy takes from files that have to be kept fresh, as far as this gateway has any. Written at once.

    Args:
        settings: of the gateway.
        files: where they lie.
    """

    def __init__(self, settings: GatewaySettings, files: render.Files) -> None:
        self._renewed: list[TokenFile | tls.Secrets] = []
        self._every_s = service_token.CHECK_EVERY_S
        if settings.pg_meta_url is not None and settings.service_token_secret is not None:
            self._renewed.append(TokenFile(files.service_token, settings.service_token_secret))
        if settings.gateway_tls_certificate is not None or settings.service_tls_certificate is not None:
            self._renewed.append(tls.Secrets(settings, files.directory))
            self._every_s = CHECK_S
        for each in self._renewed:
            each.renew()

    def next_signal(self) -> int:
        """Waits for a signal, and renews meanwhile."""
        if not self._renewed:
            return signal.sigwait(SIGNALS)
        while (found := signal.sigtimedwait(SIGNALS, self._every_s)) is None:
            for each in self._renewed:
                try:
                    each.renew()
                except OSError:
                    # It is tried again, for a token long before the last one ends.
                    log.exception("gateway.not_renewed")
        return found.si_signo


def _wait(
    process: subprocess.Popen[bytes], settings: GatewaySettings, files: render.Files, renewal: Renewal
) -> int:
    try:
        while (number := renewal.next_signal()) == signal.SIGCHLD:
            code = process.poll()
            if code is not None:
                log.error("gateway.envoy_ended", code=code)
                return code if code > 0 else 1
        # SIGINT is of somebody at a terminal.
        notice_s = settings.shutdown_notice_s if number == signal.SIGTERM else 0
        log.info("gateway.draining", notice_s=notice_s, seconds=settings.gateway_drain_s)
        _drain(settings, files, notice_s)
        process.terminate()
        return max(process.wait(timeout=STOP_TIMEOUT_S), 0)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _drain(settings: GatewaySettings, files: render.Files, notice_s: float) -> None:
    """Says `not healthy`, closes idle connections, waits until no request runs or the time is over."""
    try:
        # `/healthz` answers 503 from here on, and every answer asks its client to connect anew elsewhere.
        admin(settings, files, "POST", "/healthcheck/fail")
        # Connections are still taken: whoever sends them has not noticed yet. Another signal does not want to wait.
        signal.sigtimedwait(SIGNALS, notice_s)
        deadline = time.monotonic() + settings.gateway_drain_s
        # Graceful: what is open goes on.
        admin(settings, files, "POST", "/drain_listeners?graceful&skip_exit")
        while time.monotonic() < deadline and _active_requests(settings, files) > 0:
            time.sleep(DRAIN_POLL_S)
    except (OSError, http.client.HTTPException):
        log.exception("gateway.drain_failed")


def _active_requests(settings: GatewaySettings, files: render.Files) -> int:
    text = admin(settings, files, "GET", "/stats?filter=^http.api.downstream_rq_active$")
    return int(text.rpartition(":")[2] or 0)


def admin(settings: GatewaySettings, files: render.Files, method: str, target: str) -> str:
    """Asks Envoy's admin interface.

    Raises:
        OSError: it can't be reached.
    """
    address = settings.admin_address
    if address is None:
        connection = http.client.HTTPConnection("localhost", timeout=ADMIN_TIMEOUT_S)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(ADMIN_TIMEOUT_S)
        connection.sock.connect(str(files.admin_socket))
    else:
        connection = http.client.HTTPConnection(address.host, address.port, timeout=ADMIN_TIMEOUT_S)
    try:
        connection.request(method, target)
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def _check_port(settings: GatewaySettings) -> None:
    """Says in a sentence that the port is taken; Envoy shares it with `SO_REUSEPORT` or says so at length."""
    family = socket.AF_INET6 if ":" in settings.gateway_host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        try:
            probe.bind((settings.gateway_host, settings.gateway_port))
        except OSError as error:
            where = f"{settings.gateway_host} port {settings.gateway_port}"
            raise SystemExit(
                f"configuration: GATEWAY_PORT can't be listened on ({where}): {error.strerror}"
            ) from None


def _prepare_child() -> None:
    """In the child, before Envoy: it takes signals, and the kernel ends it when its parent ends without a word."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
