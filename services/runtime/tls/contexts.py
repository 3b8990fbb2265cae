"""Mutual TLS as Python's `ssl` takes it: either side of a connection, 1.2 at least."""

from __future__ import annotations

import ssl

from services.runtime.pem_files import nameless_file
from services.runtime.tls.material import Material

MAX_ROUNDS = 8
"""A handshake takes three."""


def server_context(material: Material) -> ssl.SSLContext:
    """For a server of asyncio: who connects must show a certificate of the authority."""
    return _context(material, ssl.PROTOCOL_TLS_SERVER)


def client_context(material: Material) -> ssl.SSLContext:
    """For a client: the server's certificate must be of the authority, and for the name that was dialled."""
    return _context(material, ssl.PROTOCOL_TLS_CLIENT)


def check_own(material: Material) -> None:
    """Shakes hands with itself, in memory: what a service shows must be what services accept, on either side.

    Raises:
        ValueError: it is not, and why.
    """
    client = client_context(material)
    client.check_hostname = False  # it has no name until somebody dials it
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    open_ = [
        client.wrap_bio(to_client, to_server, server_side=False),
        server_context(material).wrap_bio(to_server, to_client, server_side=True),
    ]
    for _ in range(MAX_ROUNDS):
        for side in tuple(open_):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLCertVerificationError as error:
                raise ValueError(f"the authority does not accept it: {error.verify_message}") from None
            except ssl.SSLError as error:
                raise ValueError(f"no handshake succeeds with it: {error.reason}") from None
            open_.remove(side)
        if not open_:
            return
    raise ValueError("no handshake succeeds with it")


def _context(material: Material, protocol: int) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=trusted(material))
    file, path = nameless_file(material.certificate + material.key)
    with file:
        context.load_cert_chain(path)
    return context


def trusted(material: Material) -> str:
    """The authorities whose certificates are let in, as PEM."""
    if material.authority is None:
        raise ValueError("mutual TLS needs an authority")
    return material.authority
