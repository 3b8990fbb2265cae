"""Asks whether a process on this host is well: the health check of the images, which have no curl.

    python -m services.runtime.probe '[::]:9052'

asks `/healthz` at `HTTP_ADDRESS`, or at the address given where that is not set; exit code 0 means 200. Uses nothing
but the standard library: it runs every few seconds.
"""

from __future__ import annotations

import http.client
import os
import ssl
import sys

PATH = "/healthz"
TIMEOUT_S = 2.0
EVERYWHERE = frozenset({"", "::", "0.0.0.0"})  # noqa: S104  told apart, not bound


def ask(host: str, port: int, *, tls: bool = False) -> str | None:
    """What is wrong with the server at that address; None when it is well.

    Args:
        host: that it listens on; every interface is reached by `localhost`.
        port: TCP port.
        tls: whether it speaks TLS; its certificate is for its clients' names, not for this one, and not looked at.
    """
    host = "localhost" if host in EVERYWHERE else host
    if tls:
        unchecked = ssl._create_unverified_context()  # noqa: S323, SLF001  it asks its own host
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            host, port, timeout=TIMEOUT_S, context=unchecked
        )
    else:
        connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", PATH)
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return f"{host} port {port} does not answer: {error}"
    finally:
        connection.close()
    return None if status == http.client.OK else f"{host} port {port} answers {status}"


def main(arguments: list[str]) -> int:
    """Asks and says what is wrong; returns the exit code."""
    address = os.environ.get("HTTP_ADDRESS") or arguments[0]
    host, _, port = address.rpartition(":")
    wrong = ask(host.strip("[]"), int(port))
    if wrong is not None:
        sys.stderr.write(f"{wrong}\n")
    return int(wrong is not None)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
