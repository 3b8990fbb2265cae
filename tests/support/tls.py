"""Certificates for tests, made on the spot: an authority, and what it signs."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import ipaddress
import os
import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = dt.timedelta(days=1)
HTTP1 = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n"
HTTP2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"
"""What a client says first, and empty settings: https://www.rfc-editor.org/rfc/rfc9113#section-3.4."""


@dataclass(frozen=True)
class Certificate:
    """PEM files of a certificate and its key."""

    certificate: Path
    key: Path


class Authority:
    """A certificate authority in a folder; `certificate` is what clients have to trust."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test authority")])
        self._certificate = (
            self._builder(self._name, self._key, days=2)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_signs_certificates(), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        self.certificate = folder / "authority.pem"
        self.certificate.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))

    def issue(
        self,
        *,
        name: str = "server",
        hosts: tuple[str, ...] = ("localhost", "127.0.0.1"),
        expired: bool = False,
    ) -> Certificate:
        """A certificate for `hosts`; an expired one ended yesterday. It replaces the former one of that name."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = (
            self._builder(subject, key, days=-1 if expired else 1)
            .add_extension(
                x509.SubjectAlternativeName([_general_name(host) for host in hosts]), critical=False
            )
            .sign(self._key, hashes.SHA256())
        )
        files = Certificate(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        files.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        files.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return files

    def client_context(self, certificate: Certificate | None = None) -> ssl.SSLContext:
        """For a client that trusts this authority, and shows a certificate where it has one."""
        context = ssl.create_default_context(cafile=self.certificate)
        if certificate is not None:
            context.load_cert_chain(certificate.certificate, certificate.key)
        return context

    def server_context(self, certificate: Certificate, *, ask_clients: bool = False) -> ssl.SSLContext:
        """For a server; `ask_clients` makes it demand a certificate of this authority."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.certificate, certificate.key)
        if ask_clients:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.certificate)
        return context

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *, days: int
    ) -> x509.CertificateBuilder:
        now = dt.datetime.now(dt.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - 3 * DAY)
            .not_valid_after(now + days * DAY)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
            )
        )


class Installed:
    """The files that a service's variables name. What is installed anew replaces them, one after the other."""

    def __init__(self, folder: Path, certificate: Certificate, *authorities: Authority) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.certificate = folder / "tls.crt"
        self.key = folder / "tls.key"
        self.authority = folder / "ca.crt"
        self.install(certificate, *authorities)

    def install(self, certificate: Certificate, *authorities: Authority) -> None:
        """Replaces them; whoever shows a certificate of one of the authorities is let in."""
        self._replace(self.authority, b"".join(each.certificate.read_bytes() for each in authorities))
        self._replace(self.certificate, certificate.certificate.read_bytes())
        self._replace(self.key, certificate.key.read_bytes())

    @property
    def serial(self) -> int:
        """The number of the certificate."""
        return x509.load_pem_x509_certificate(self.certificate.read_bytes()).serial_number

    def variables(self, prefix: str) -> dict[str, str]:
        """The environment that names the certificate and its key, and for services the authority."""
        authority = {f"{prefix}_AUTHORITY": str(self.authority)} if prefix == "SERVICE_TLS" else {}
        return {f"{prefix}_CERTIFICATE": str(self.certificate), f"{prefix}_KEY": str(self.key), **authority}

    def _replace(self, path: Path, content: bytes) -> None:
        new = path.with_suffix(".new")
        new.write_bytes(content)
        os.replace(new, path)  # noqa: PTH105  one step


async def served(
    port: int, context: ssl.SSLContext, *, http2: bool = True, host: str = "127.0.0.1"
) -> int | None:
    """Connects and says something; returns the number of the certificate that is shown, None for no answer.

    With TLS 1.3 a client's own part of the handshake is over before the server has judged its certificate: only an
    answer tells that it was let in.
    """
    context.set_alpn_protocols(["h2" if http2 else "http/1.1"])
    with contextlib.suppress(OSError):  # ssl's errors among them
        reader, writer = await asyncio.open_connection(host, port, ssl=context)
        try:
            writer.write(HTTP2 if http2 else HTTP1)
            if await reader.read(1):
                shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
                return x509.load_der_x509_certificate(shown).serial_number
        finally:
            writer.transport.abort()
    return None


def _signs_certificates() -> x509.KeyUsage:
    """What RFC 5280 demands of an authority, and Python from 3.13 on."""
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
