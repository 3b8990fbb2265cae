"""What a TLS endpoint shows and trusts: read from PEM files, checked, and put in one form.

Whatever is wrong with a file is said in a sentence that names its variable, before anything listens with it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

MAX_FILE_BYTES = 1 << 20
"""A bundle of every public authority is a fifth of it."""
MIN_RSA_BITS = 2048
CURVES = ("secp256r1", "secp384r1", "secp521r1")
"""What BoringSSL, the TLS library of gRPC and Envoy, takes; OpenSSL takes more."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Sources:
    """Files, and the variables that name them."""

    prefix: str
    """Of the variables: `SERVICE_TLS` for `SERVICE_TLS_CERTIFICATE`, …"""
    certificate: Path
    """PEM: the certificate, then those between it and the authority."""
    key: Path
    """PEM: the certificate's private key, without a passphrase."""
    authority: Path | None = None
    """PEM: who must have signed the other side's certificate; None where nobody's is asked for."""

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files."""
        return (self.certificate, self.key, *([self.authority] if self.authority else []))


@dataclass(frozen=True, slots=True)
class Material:
    """The content of those files, as PEM without comments."""

    certificate: str
    """The chain, the endpoint's own certificate first."""
    key: str = field(repr=False)
    """Its private key, PKCS #8."""
    authority: str | None
    """Certificates of the authorities; None where nobody's certificate is asked for."""
    expires_at: dt.datetime
    """When the endpoint's own certificate ends."""


def read(sources: Sources) -> Material:
    """Reads the files and checks that they go together. Expired certificates are no error here.

    Raises:
        ValueError: with a sentence that names the variable, and repeats nothing that is in a file.
    """
    name = f"{sources.prefix}_CERTIFICATE"
    chain = _parse(name, sources.certificate, x509.load_pem_x509_certificates, "no PEM certificate")
    key = _key(f"{sources.prefix}_KEY", sources.key)
    if key.public_key() != chain[0].public_key():
        raise ValueError(f"{sources.prefix}_KEY is not the private key of the first certificate in {name}")
    authority = None
    if sources.authority is not None:
        variable = f"{sources.prefix}_AUTHORITY"
        authority = _pem(
            _parse(variable, sources.authority, x509.load_pem_x509_certificates, "no PEM certificate")
        )
    return Material(
        certificate=_pem(chain),
        key=key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode(),
        authority=authority,
        expires_at=chain[0].not_valid_after_utc,
    )


def _key(variable: str, path: Path) -> rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey:
    def load(content: bytes) -> object:
        try:
            return serialization.load_pem_private_key(content, password=None)
        except TypeError:  # what the library raises for a key with a passphrase
            raise ValueError(f"{variable} has a passphrase: give the key without one") from None

    key = _parse(variable, path, load, "no PEM private key")
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size >= MIN_RSA_BITS:
        return key
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in CURVES:
        return key
    raise ValueError(
        f"{variable} must be an RSA key of {MIN_RSA_BITS} bits at least, or of P-256, P-384 or P-521"
    )


def _parse(variable: str, path: Path, load: Callable[[bytes], T], otherwise: str) -> T:
    content = _content(variable, path)
    try:
        return load(content)
    except ValueError as error:
        if str(error).startswith(variable):
            raise
        raise ValueError(f"{variable} names a file that holds {otherwise}") from None


def _content(variable: str, path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        raise ValueError(f"{variable} names a file that does not exist") from None
    except OSError as error:
        raise ValueError(f"{variable} names a file that can't be read: {error.strerror}") from None
    if len(content) > MAX_FILE_BYTES:
        raise ValueError(f"{variable} names a file that is larger than {MAX_FILE_BYTES >> 20} MiB")
    return content


def _pem(certificates: list[x509.Certificate]) -> str:
    return "".join(each.public_bytes(serialization.Encoding.PEM).decode() for each in certificates)
