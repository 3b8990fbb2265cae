"""TLS at the gateway: what clients are shown, and mutual TLS with the services behind it.

Envoy gets certificates through files of ours: a set is looked at before it is put there, whole and right, so a renewal
that is half done never reaches Envoy. Renewed certificates count for new connections; open ones go on.
"""

from __future__ import annotations

import ipaddress
from pathlib import Path

from gateway import auth, pg_meta, sds, tracing
from gateway.clusters import HTTP_OPTIONS
from gateway.errors import Config
from gateway.settings import GatewaySettings
from services.runtime.tls.files import CertificateFiles
from services.runtime.tls.material import Material

OWN = "gateway_certificate"
SERVICE = "service_certificate"
AUTHORITY = "service_authority"

NOT_OURS = frozenset({auth.JWKS_CLUSTER, pg_meta.CLUSTER, tracing.CLUSTER})
"""Clusters that no service of this system answers: they have a TLS of their own, where their URL asks for it."""

_SOCKET = "envoy.transport_sockets.tls"
_TYPE = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3"
_PARAMETERS: Config = {"tls_minimum_protocol_version": "TLSv1_2", "tls_maximum_protocol_version": "TLSv1_3"}


class Secrets:
    """The files from which Envoy takes certificates.

    Args:
        settings: of the gateway.
        directory: a directory of our own user's.
    """

    def __init__(self, settings: GatewaySettings, directory: Path) -> None:
        self._directory = directory
        self._own = settings.gateway_tls()
        self._services = settings.service_tls()
        self._written: dict[str, Material] = {}

    def renew(self) -> None:
        """Writes what has changed.

        Raises:
            OSError: a file can't be written.
        """
        for name, files in ((OWN, self._own), (SERVICE, self._services)):
            if files is not None:
                self._renew(name, files)

    def _renew(self, name: str, files: CertificateFiles) -> None:
        material = files.current()
        if self._written.get(name) is material:
            return
        if material.authority is not None:
            trusted = {"validation_context": {"trusted_ca": {"inline_string": material.authority}}}
            sds.write(_file(self._directory, AUTHORITY), AUTHORITY, trusted)
        certificate = {
            "tls_certificate": {
                "certificate_chain": {"inline_string": material.certificate},
                "private_key": {"inline_string": material.key},
            }
        }
        sds.write(_file(self._directory, name), name, certificate)
        self._written[name] = material


def served(listener: Config, settings: GatewaySettings, directory: Path) -> Config:
    """The listener, with TLS where the gateway has a certificate."""
    if settings.gateway_tls_certificate is None:
        return listener
    context = {
        "@type": f"{_TYPE}.DownstreamTlsContext",
        "common_tls_context": {
            "tls_params": _PARAMETERS,
            "alpn_protocols": ["h2", "http/1.1"],
            "tls_certificate_sds_secret_configs": [_source(directory, OWN)],
        },
    }
    chains = [
        {
            **chain,
            "transport_socket": {"name": _SOCKET, "typed_config": context},
            # Of a connection that says nothing, or too little.
            "transport_socket_connect_timeout": "10s",
        }
        for chain in listener["filter_chains"]
    ]
    return {**listener, "filter_chains": chains}


def secured(clusters: list[Config], settings: GatewaySettings, directory: Path) -> list[Config]:
    """The clusters, with mutual TLS to every service of this system where the gateway has a certificate for it."""
    if settings.service_tls_certificate is None:
        return clusters
    return [
        each if each["name"] in NOT_OURS else {**each, "transport_socket": _mutual(each, directory)}
        for each in clusters
    ]


def _mutual(cluster: Config, directory: Path) -> Config:
    explicit = cluster["typed_extension_protocol_options"][HTTP_OPTIONS]["explicit_http_config"]
    names = {
        endpoint["endpoint"]["address"]["socket_address"]["address"]
        for locality in cluster["load_assignment"]["endpoints"]
        for endpoint in locality["lb_endpoints"]
    }
    return {
        "name": _SOCKET,
        "typed_config": {
            "@type": f"{_TYPE}.UpstreamTlsContext",
            "common_tls_context": {
                "tls_params": _PARAMETERS,
                "alpn_protocols": ["h2" if "http2_protocol_options" in explicit else "http/1.1"],
                "tls_certificate_sds_secret_configs": [_source(directory, SERVICE)],
                "combined_validation_context": {
                    # Trusting the authority is not enough: the certificate must be made for a name of the cluster.
                    "default_validation_context": {
                        "match_typed_subject_alt_names": [_is_named(name) for name in sorted(names)]
                    },
                    "validation_context_sds_secret_config": _source(directory, AUTHORITY),
                },
            },
        },
    }


def _is_named(name: str) -> Config:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return {"san_type": "DNS", "matcher": {"exact": name}}
    return {"san_type": "IP_ADDRESS", "matcher": {"exact": name}}


def _source(directory: Path, name: str) -> Config:
    return sds.source(_file(directory, name), name)


def _file(directory: Path, name: str) -> Path:
    return directory / f"{name}.json"
