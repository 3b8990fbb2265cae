"""What the registry knows of Railway: which addresses make a detour.

Traffic to a public address leaves the private network: it is slower, billed as egress, and open to the Internet
(https://docs.railway.com/guides/private-networking).
"""

from __future__ import annotations

PUBLIC_SUFFIXES = (".proxy.rlwy.net", ".up.railway.app")
"""Hosts of TCP proxies and of public domains."""


def advice(host: str, *, on_railway: bool) -> str:
    """A sentence for a connection that takes a detour; empty for others.

    Args:
        host: host of the connection.
        on_railway: whether this system runs there; from elsewhere the public address is the only one.
    """
    if not on_railway or not host.lower().rstrip(".").endswith(PUBLIC_SUFFIXES):
        return ""
    return (
        f"{host} is a public address of Railway; where the database is in the same project, its private one "
        "(<service>.railway.internal) is faster, costs no egress and is not open to the Internet."
    )
