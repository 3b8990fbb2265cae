"""Free TCP ports of the loopback interface.

Chosen at random below the range from which the kernel takes the ports of outgoing connections (32768 and
up on Linux): neither a connection nor another run that chooses at the same moment is likely to be in the way.
"""

from __future__ import annotations

import contextlib
import random
import socket
from collections.abc import Collection

from deploy.local.options import LOOPBACK, LocalError

LOWEST, HIGHEST = 15_000, 30_000
MAX_TRIES = 200


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Whether a server could listen on `host`:`port` now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with contextlib.closing(socket.socket(family, socket.SOCK_STREAM)) as probe:
        # As servers do: a closed connection that lingers in TIME_WAIT is no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen()
        except OSError:
            return False
    return True


def pick(*, taken: Collection[int] = (), host: str = LOOPBACK) -> int:
    """A port that is free and not among `taken`.

    Raises:
        LocalError: none was found.
    """
    choices = random.SystemRandom()
    for _ in range(MAX_TRIES):
        port = choices.randint(LOWEST, HIGHEST)
        if port not in taken and is_free(port, host):
            return port
    raise LocalError(f"found no free port between {LOWEST} and {HIGHEST}")
