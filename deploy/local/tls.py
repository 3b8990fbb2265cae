"""TLS of the local system, where its user asks for it by the same variables as anywhere.

The variables name files, so they pass to the processes that read them, made absolute: those run elsewhere.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path

import grpc

from deploy.local.options import LocalError
from services.runtime.tls.contexts import check_own
from services.runtime.tls.credentials import channel_credentials
from services.runtime.tls.files import CertificateFiles
from services.runtime.tls.material import Sources, read

SERVICES = ("SERVICE_TLS_CERTIFICATE", "SERVICE_TLS_KEY", "SERVICE_TLS_AUTHORITY")
GATEWAY = ("GATEWAY_TLS_CERTIFICATE", "GATEWAY_TLS_KEY")


def given(environment: Mapping[str, str], names: tuple[str, ...]) -> dict[str, str]:
    """Those of the variables that are set, with absolute paths."""
    return {name: str(Path(value).absolute()) for name in names if (value := environment.get(name))}


def check(environment: Mapping[str, str]) -> None:
    """Looks at the files before anything starts.

    Raises:
        LocalError: one can't be used, or a variable is missing beside the others.
    """
    for names in (SERVICES, GATEWAY):
        found = given(environment, names)
        if found and len(found) < len(names):
            raise LocalError(f"{', '.join(names)} must be set together")
        try:
            if found and names is SERVICES:
                CertificateFiles(_sources("SERVICE_TLS", found), check_own)
            elif found:
                read(_sources("GATEWAY_TLS", found))
        except ValueError as error:
            raise LocalError(str(error)) from None


def client_context(environment: Mapping[str, str]) -> ssl.SSLContext | None:
    """For calls of the gateway from here; None for plain HTTP.

    It accepts the very certificate that the gateway was given, whoever signed it and whatever name it is for: on this
    machine it is known as 127.0.0.1, to its users by another name.
    """
    found = given(environment, GATEWAY)
    if not found:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(cadata=read(_sources("GATEWAY_TLS", found)).certificate)
    return context


def probe_credentials(environment: Mapping[str, str]) -> grpc.ChannelCredentials | None:
    """For asking a service whether it is ready; None for plain gRPC."""
    found = given(environment, SERVICES)
    return channel_credentials(read(_sources("SERVICE_TLS", found))) if found else None


def _sources(prefix: str, found: Mapping[str, str]) -> Sources:
    authority = found.get(f"{prefix}_AUTHORITY")
    return Sources(
        prefix,
        Path(found[f"{prefix}_CERTIFICATE"]),
        Path(found[f"{prefix}_KEY"]),
        Path(authority) if authority else None,
    )
