"""The whole configuration: plain dicts, written as JSON, which is YAML to Envoy.

Pure: the same contract and settings give the same configuration. Files and processes are `run`'s.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from google.api import annotations_pb2
from google.protobuf import descriptor_pb2

from gateway import engines, forwarding, stats, tls
from gateway.clusters import clusters
from gateway.errors import Config
from gateway.listener import listener
from gateway.settings import GatewaySettings
from services.runtime.contract import Contract

MASK = "********"


@dataclass(frozen=True, slots=True)
class Files:
    """Where the configuration and what it refers to lie: a directory that is private to the gateway."""

    directory: Path

    @property
    def bootstrap(self) -> Path:
        """The configuration itself; it holds the secret of user tokens."""
        return self.directory / "envoy.json"

    @property
    def descriptors(self) -> Path:
        """The descriptor set as the transcoder takes it."""
        return self.directory / "descriptors.binpb"

    @property
    def service_token(self) -> Path:
        """By which the registry knows the gateway; see `service_token`."""
        return self.directory / "service_token.json"

    @property
    def admin_socket(self) -> Path:
        """Where the admin interface listens when `ADMIN_ADDRESS` is not set."""
        return self.directory / "admin.sock"


def transcoder_descriptors(contract: Contract) -> bytes:
    """The contract's descriptor set without `response_body`, which Envoy refuses to load.

    It supports that option for `google.api.HttpBody` only (https://github.com/envoyproxy/envoy/issues/11136);
    `lua/errors.lua` does what it says instead. Comments are left out as well: they are most of the bytes.
    """
    files = descriptor_pb2.FileDescriptorSet()
    files.CopyFrom(contract.files)
    for file in files.file:
        file.ClearField("source_code_info")
        for method in (method for service in file.service for method in service.method):
            if method.options.HasExtension(annotations_pb2.http):
                rule = method.options.Extensions[annotations_pb2.http]
                for each in (rule, *rule.additional_bindings):
                    each.ClearField("response_body")
    return files.SerializeToString(deterministic=True)


def bootstrap(contract: Contract, settings: GatewaySettings, files: Files) -> Config:
    """Envoy's `Bootstrap`."""
    listening = listener(contract, settings, files.descriptors)
    behind = [
        *clusters(settings, files.service_token),
        *([forwarding.cluster(settings)] if engines.forwards(settings) else []),
    ]
    admin = _admin(settings, files.admin_socket)
    metrics, to_admin = stats.listener(settings), stats.cluster(settings, admin["address"])
    return {
        "node": {"id": "gateway", "cluster": "gateway"},
        "static_resources": {
            "listeners": [
                tls.served(listening, settings, files.directory),
                *([metrics] if metrics is not None else []),
            ],
            "clusters": [
                *tls.secured(behind, settings, files.directory),
                *([to_admin] if to_admin is not None else []),
            ],
        },
        "admin": admin,
        "stats_config": stats.kept(),
        "overload_manager": _overload(settings),
        "application_log_config": {"log_format": {"json_format": _log_line()}},
    }


def to_json(config: Config) -> str:
    """The file's text."""
    return json.dumps(config, indent=1)


def masked(config: Config, settings: GatewaySettings) -> str:
    """The file's text without the secrets in it."""
    text = to_json(config)
    for provider in _providers(config):
        inline = provider.get("local_jwks", {}).get("inline_string")
        if inline is not None:
            text = text.replace(json.dumps(inline), json.dumps(MASK))
    for value in settings.trace_headers().values():
        text = text.replace(json.dumps(value), json.dumps(MASK))
    if settings.jwt_secret is not None:
        text = text.replace(settings.jwt_secret.get_secret_value(), MASK)
    return text


def _providers(config: Config) -> list[Config]:
    manager = config["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    return [
        provider
        for each in manager["http_filters"]
        for provider in each["typed_config"].get("providers", {}).values()
    ]


def _admin(settings: GatewaySettings, admin_socket: Path) -> Config:
    if settings.admin_address is None:
        # In a directory of our own user's. Draining on SIGTERM needs it.
        return {"address": {"pipe": {"path": str(admin_socket), "mode": 0o600}}}
    address = settings.admin_address
    return {"address": {"socket_address": {"address": address.host, "port_value": address.port}}}


def _overload(settings: GatewaySettings) -> Config:
    prefix = "type.googleapis.com/envoy.extensions.resource_monitors"
    heap = "envoy.resource_monitors.fixed_heap"
    return {
        "refresh_interval": "0.25s",
        "resource_monitors": [
            {
                "name": heap,
                "typed_config": {
                    "@type": f"{prefix}.fixed_heap.v3.FixedHeapConfig",
                    "max_heap_size_bytes": settings.gateway_max_heap_bytes,
                },
            },
            {
                "name": "envoy.resource_monitors.global_downstream_max_connections",
                "typed_config": {
                    "@type": f"{prefix}.downstream_connections.v3.DownstreamConnectionsConfig",
                    "max_active_downstream_connections": settings.gateway_max_connections,
                },
            },
        ],
        "actions": [
            {
                "name": "envoy.overload_actions.shrink_heap",
                "triggers": [{"name": heap, "threshold": {"value": 0.9}}],
            },
            {
                "name": "envoy.overload_actions.stop_accepting_requests",
                "triggers": [{"name": heap, "threshold": {"value": 0.95}}],
            },
        ],
    }


def _log_line() -> Config:
    # https://www.envoyproxy.io/docs/envoy/latest/operations/cli#cmdoption-log-format
    return {"timestamp": "%Y-%m-%dT%T.%eZ", "level": "%l", "event": "envoy", "logger": "%n", "message": "%j"}
