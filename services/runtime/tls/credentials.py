"""Mutual TLS as gRPC takes it: either side of a connection. gRPC itself takes nothing below TLS 1.2."""

from __future__ import annotations

import grpc

from services.runtime.tls.contexts import trusted
from services.runtime.tls.files import CertificateFiles
from services.runtime.tls.material import Material


def server_credentials(files: CertificateFiles) -> grpc.ServerCredentials:
    """For a gRPC server: the same, by what the files hold when somebody connects."""
    used = files.current()

    def fetch() -> grpc.ServerCertificateConfiguration | None:
        nonlocal used
        now = files.current()
        if now is used:
            return None
        used = now
        return _configuration(now)

    return grpc.dynamic_ssl_server_credentials(
        _configuration(used),
        fetch,  # type: ignore[arg-type]  # None means no change, as its documentation says
        require_client_authentication=True,
    )


def channel_credentials(material: Material) -> grpc.ChannelCredentials:
    """For a gRPC channel: it compares the name that it dials."""
    return grpc.ssl_channel_credentials(
        root_certificates=trusted(material).encode(),
        private_key=material.key.encode(),
        certificate_chain=material.certificate.encode(),
    )


def _configuration(material: Material) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration(
        [(material.key.encode(), material.certificate.encode())], root_certificates=trusted(material).encode()
    )
