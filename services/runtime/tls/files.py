"""Certificates that are renewed while the service runs: the files are looked at again, at most once a second.

A new set is used only when it is whole and right. Files are seldom replaced at one stroke, so a certificate whose key
has not arrived yet leaves the former set in use, and what is wrong with it is logged once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from services.runtime.logs import get_logger
from services.runtime.tls.material import Material, Sources, read

CHECK_S = 1.0
"""Seconds between two looks."""

_State = tuple[tuple[int, int, int, int] | None, ...]

log = get_logger(__name__)


class CertificateFiles:
    """One set of files. Safe to use from several threads: gRPC asks on its own.

    Args:
        sources: the files.
        check: raises ValueError for a set that can't be used; it begins in the middle of a sentence.

    Raises:
        ValueError: the present set can't be used; the sentence names the variable.
    """

    def __init__(self, sources: Sources, check: Callable[[Material], None] = lambda _: None) -> None:
        self._sources = sources
        self._check = check
        self._lock = threading.Lock()
        self._state = self._look()
        self._material = self._read()
        self._look_at = time.monotonic() + CHECK_S

    def current(self) -> Material:
        """What the files hold; the same object until they hold something else."""
        with self._lock:
            now = time.monotonic()
            if now >= self._look_at:
                self._look_at = now + CHECK_S
                self._reload()
            return self._material

    def _reload(self) -> None:
        state = self._look()
        if state == self._state:
            return
        self._state = state
        try:
            found = self._read()
        except ValueError as error:
            log.error("tls.not_reloaded", error=str(error), consequence="the former certificate stays in use")  # noqa: TRY400  the sentence is all
            return
        if found != self._material:
            self._material = found
            log.info(
                "tls.reloaded", certificate=self._sources.prefix, expires_at=found.expires_at.isoformat()
            )

    def _read(self) -> Material:
        material = read(self._sources)
        try:
            self._check(material)
        except ValueError as error:
            raise ValueError(f"{self._sources.prefix}_CERTIFICATE can't be used: {error}") from None
        return material

    def _look(self) -> _State:
        """What changes when a file is written, replaced, or another one is linked in its place."""
        found: list[tuple[int, int, int, int] | None] = []
        for path in self._sources.paths:
            try:
                stat = path.stat()
            except OSError:
                found.append(None)
            else:
                found.append((stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns))
        return tuple(found)
