"""Free TCP ports of the loopback interface.

Chosen at random below the range from which the kernel takes the ports of outgoing connections (32768 and
up on Linux), and reserved: a server that is to listen on a port begins to do so only seconds after the choice.
"""

from __future__ import annotations

import atexit
import contextlib
import random
import socket
import sys
from collections.abc import Collection

from deploy.local.options import LOOPBACK, LocalError

LOWEST, HIGHEST = 15_000, 30_000
MAX_TRIES = 200

_reserved: dict[int, socket.socket] = {}


@atexit.register
def _release() -> None:
    for holder in _reserved.values():
        holder.close()


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


def reserve(port: int) -> bool:
    """Keeps other systems on this machine from choosing `port` while this process lives; False if one did.

    A name in Linux's abstract socket namespace is the reservation: it belongs to the network namespace, as the port
    does, is the same for all users, and vanishes with the process. Elsewhere there is none.
    """
    if port in _reserved or sys.platform != "linux":
        return True
    holder = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        holder.bind(f"\0studio-databases/port/{port}")
    except OSError:
        holder.close()
        return False
    _reserved[port] = holder
    return True


def pick(*, taken: Collection[int] = (), host: str = LOOPBACK) -> int:
    """A port that is free, not among `taken`, and reserved from now on.

    Raises:
        LocalError: none was found.
    """
    choices = random.SystemRandom()
    for _ in range(MAX_TRIES):
        port = choices.randint(LOWEST, HIGHEST)
        if port not in taken and port not in _reserved and is_free(port, host) and reserve(port):
            return port
    raise LocalError(f"found no free port between {LOWEST} and {HIGHEST}")
