"""TLS contexts from options, and what a failed handshake means in words."""

from __future__ import annotations

import os
import ssl
import tempfile
from pathlib import Path

from services.redis_svc.url import TlsOptions
from services.runtime.errors import StudioError
from studio.options.v1 import errors_pb2 as e


def build_context(options: TlsOptions) -> ssl.SSLContext:
    """The context of a client. Reads the system's authorities: some milliseconds, so not on the event loop.

    Raises:
        StudioError: INVALID_CONNECTION_STRING when a PEM text can't be used.
    """
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if options.ca_pem:
        # The authorities given replace the system's: who names one wants no other to be believed.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_verify_locations(cadata=options.ca_pem)
        except (ssl.SSLError, ValueError):
            raise _unusable("The certificate authority (ssl_ca_data) is no PEM text.") from None
    context.check_hostname = options.check_hostname
    context.verify_mode = ssl.CERT_REQUIRED if options.verify else ssl.CERT_NONE
    if options.cert_pem or options.key_pem:
        _load_own(context, options)
    return context


def _load_own(context: ssl.SSLContext, options: TlsOptions) -> None:
    """Python loads a certificate and its key from files only: they exist for that moment, readable to us alone."""
    if not options.cert_pem or not options.key_pem:
        raise _unusable("ssl_cert_data and ssl_key_data belong together.")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "client.pem")
        with open(path, "w", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(f"{options.cert_pem}\n{options.key_pem}\n")
        try:
            context.load_cert_chain(path, password="")
        except (ssl.SSLError, ValueError):
            raise _unusable("The client certificate and its key can't be used together.") from None


def explain(error: BaseException, where: str) -> StudioError:
    """What a failed handshake means."""
    if isinstance(error, ssl.SSLCertVerificationError):
        why = error.verify_message or "it can't be verified"
        return _failed(
            f"The certificate of {where} is not accepted: {why}.",
            "Give the authority that signed it as ssl_ca_data (PEM, percent-encoded), use the name it is made for, "
            "or switch checking off with ssl_cert_reqs=none.",
        )
    reason = (getattr(error, "reason", None) or "") if isinstance(error, ssl.SSLError) else ""
    if reason in {
        "WRONG_VERSION_NUMBER",
        "RECORD_LAYER_FAILURE",
        "PACKET_LENGTH_TOO_LONG",
        "UNEXPECTED_MESSAGE",
    }:
        return _failed(
            f"{where} does not speak TLS.", "Use redis:// instead of rediss://, or TLS's own port."
        )
    if "CERTIFICATE_REQUIRED" in reason or reason == "SSLV3_ALERT_HANDSHAKE_FAILURE":
        return _failed(
            f"{where} refuses the TLS handshake.",
            "It may ask for a client certificate: give ssl_cert_data and ssl_key_data.",
        )
    detail = f" ({reason.replace('_', ' ').lower()})" if reason else ""
    return _failed(
        f"The TLS handshake with {where} failed{detail}.",
        "The server may not speak TLS (use redis:// then), or ask for a client certificate.",
    )


def _failed(message: str, hint: str) -> StudioError:
    return StudioError(e.ERROR_REASON_DB_TLS_FAILED, message, hint=hint, metadata={"stage": "tls"})


def _unusable(message: str) -> StudioError:
    return StudioError(
        e.ERROR_REASON_INVALID_CONNECTION_STRING,
        message,
        hint="Give PEM text, percent-encoded.",
        metadata={"stage": "parse"},
    )
