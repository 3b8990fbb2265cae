"""Certificates given as text, for a driver that reads files; and what a failed handshake means in words."""

from __future__ import annotations

import ssl
from typing import IO

from services.mongo_svc.options import MongoOptions
from services.runtime.errors import StudioError
from services.runtime.pem_files import nameless_file
from studio.options.v1 import errors_pb2 as e

_NO_TLS = frozenset(
    {
        "WRONG_VERSION_NUMBER",
        "RECORD_LAYER_FAILURE",
        "PACKET_LENGTH_TOO_LONG",
        "UNEXPECTED_MESSAGE",
        "HTTP_REQUEST",
    }
)


class Certificates:
    """The files that the driver reads certificates from: they have no name in any directory, and end with this object.

    The driver reads them when a client is made and, for `mongodb+srv://`, once more when its records are known.

    Args:
        options: what the connection string gives.
    """

    def __init__(self, options: MongoOptions) -> None:
        self._files: list[IO[str]] = []
        self.arguments: dict[str, str] = {}
        """For the driver's client."""
        for name, text in (("tlsCAFile", options.ca_pem), ("tlsCertificateKeyFile", options.key_pem)):
            if text:
                file, self.arguments[name] = nameless_file(text)
                self._files.append(file)
        if "tlsCertificateKeyFile" in self.arguments and not options.has_key_password:
            # Without one OpenSSL asks the terminal when the key turns out to be encrypted.
            self.arguments["tlsCertificateKeyFilePassword"] = ""

    def close(self) -> None:
        """Ends the files."""
        for file in self._files:
            file.close()
        self._files.clear()


def unusable() -> StudioError:
    """The error for certificates that can't be loaded."""
    return StudioError(
        e.ERROR_REASON_INVALID_CONNECTION_STRING,
        "The certificate authority, or the client certificate with its private key, can't be used.",
        hint="Give PEM text, percent-encoded: tlsCAData has certificates, tlsCertificateKeyData the certificate and "
        "its private key; an encrypted key needs tlsCertificateKeyFilePassword.",
        metadata={"stage": "parse"},
    )


def explain(error: BaseException, where: str) -> StudioError:
    """What a failed handshake means."""
    if isinstance(error, ssl.SSLCertVerificationError):
        why = error.verify_message or "it can't be verified"
        return _failed(
            f"The certificate of {where} is not accepted: {why.rstrip('.')}.",
            "Give the authority that signed it as tlsCAData (PEM, percent-encoded), use the name it is made for, or "
            "switch checking off with tlsAllowInvalidCertificates=true.",
        )
    reason = (getattr(error, "reason", None) or "") if isinstance(error, ssl.SSLError) else ""
    if reason in _NO_TLS:
        return no_tls(where)
    if "CERTIFICATE_REQUIRED" in reason or reason == "SSLV3_ALERT_HANDSHAKE_FAILURE":
        return _failed(
            f"{where} refuses the TLS handshake.",
            "It may ask for a client certificate: give certificate and private key as tlsCertificateKeyData.",
        )
    detail = f" ({reason.replace('_', ' ').lower()})" if reason else ""
    return _failed(
        f"The TLS handshake with {where} failed{detail}.",
        "The server may not speak TLS (remove tls=true then), or ask for a client certificate.",
    )


def no_tls(where: str) -> StudioError:
    """The error for a server that doesn't speak TLS."""
    return _failed(f"{where} does not speak TLS.", "Remove tls=true, or use the port on which it speaks TLS.")


def needs_tls(where: str) -> StudioError:
    """The error for a server that speaks TLS only."""
    return _failed(f"{where} expects TLS.", "Add tls=true to the connection string.")


def _failed(message: str, hint: str) -> StudioError:
    return StudioError(e.ERROR_REASON_DB_TLS_FAILED, message, hint=hint, metadata={"stage": "tls"})
