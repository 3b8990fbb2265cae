"""The services behind the gateway: where they are, whether they are well, how much each is given at a time."""

from __future__ import annotations

import ssl
from pathlib import Path

import certifi

from gateway import auth, engines, pg_meta, tracing
from gateway.errors import Config
from gateway.settings import Address, GatewaySettings

HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
CONNECT_TIMEOUT_S = 2
HEALTH_INTERVAL_S = 1
"""A service that is up again is used again within this time, and one that says that it is leaving no more."""
DNS_REFRESH_S = 1
"""A new replica is found within this time. With the health check it must be shorter than `SHUTDOWN_NOTICE_S`: where all
replicas are replaced at once, the new ones are known before the old ones turn requests away."""
NONE_HEALTHY_PERCENT = 1
"""Fewer than that are healthy when none is, of up to a hundred hosts."""
PG_META_CONNECTIONS = 64
PG_META_IDLE_S = 30
"""pg-meta keeps an unused connection for 72 s: a request never meets one that is just being closed."""

_UPSTREAM_CODEC: Config = {
    "name": "envoy.filters.http.upstream_codec",
    "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec"
    },
}


def clusters(settings: GatewaySettings, token_file: Path) -> list[Config]:
    """One cluster for each service that is switched on, and one for the key set of tokens.

    Args:
        settings: of the gateway.
        token_file: where the gateway's own token for the registry is.
    """
    found = [
        _service(area.service, engines.addresses(area, settings), settings)
        for area in engines.AREAS
        if engines.addresses(area, settings)
    ]
    if settings.jwt_jwks_url is not None:
        found.append(_jwks(settings.jwt_jwks_url))
    if settings.pg_meta_url is not None:
        decisions = _service(pg_meta.REGISTRY_CLUSTER, settings.registry_address, settings)
        options = decisions["typed_extension_protocol_options"][HTTP_OPTIONS]
        options["http_filters"] = [pg_meta.credential(token_file), _UPSTREAM_CODEC]
        found += [decisions, _pg_meta(settings.pg_meta_url, settings)]
    if settings.is_traced:
        found.append(_collector(settings))
    return found


def _service(name: str, addresses: tuple[Address, ...], settings: GatewaySettings) -> Config:
    most = settings.gateway_max_requests_per_service
    return {
        **common(name, addresses, settings.service_dns_server),
        "typed_extension_protocol_options": {HTTP_OPTIONS: _http2()},
        "health_checks": [health_check({"grpc_health_check": {}})],
        "circuit_breakers": {
            "thresholds": [
                {
                    # Few connections are enough: HTTP/2 carries a service's requests on one a worker.
                    "max_connections": 64,
                    "max_pending_requests": most,
                    "max_requests": most,
                    **retry_budget(),
                }
            ]
        },
        **watched(),
    }


def retry_budget() -> Config:
    """How many requests may be repeated at a time: as many as run, and a few where hardly any do.

    A replica that dies takes its share of them along, of two replicas half, and all of those must find another one.
    What bounds the load that repeating adds is that each is repeated twice at most, and only where a connection failed.
    """
    return {"retry_budget": {"budget_percent": {"value": 100}, "min_retry_concurrency": 32}}


def watched() -> Config:
    """How a replica that went away is noticed between health checks."""
    return {
        # Ejects one that can't be connected to. What a service answers is no ground: UNAVAILABLE says that a
        # user's database is down, and Envoy can't tell it from a sick service.
        "outlier_detection": {
            "split_external_local_origin_errors": True,
            "consecutive_local_origin_failure": 5,
            "enforcing_consecutive_local_origin_failure": 100,
            "enforcing_consecutive_5xx": 0,
            "enforcing_consecutive_gateway_failure": 0,
            "enforcing_success_rate": 0,
            "enforcing_local_origin_success_rate": 0,
            "interval": "1s",
            "base_ejection_time": "1s",
            "max_ejection_time": "10s",
            "max_ejection_percent": 50,
        },
        # A connection to a machine that vanished is found dead by the kernel, not by the next user.
        "upstream_connection_options": {
            "tcp_keepalive": {"keepalive_probes": 3, "keepalive_time": 10, "keepalive_interval": 5}
        },
    }


def _pg_meta(url: str, settings: GatewaySettings) -> Config:
    """pg-meta speaks HTTP/1.1: one connection a request at a time."""
    host, port, tls = auth.origin(url)
    most = settings.gateway_max_requests_per_service
    cluster = {
        **common(pg_meta.CLUSTER, (_address(host, port),), settings.service_dns_server),
        "typed_extension_protocol_options": {
            HTTP_OPTIONS: {
                "@type": f"type.googleapis.com/{HTTP_OPTIONS}",
                "common_http_protocol_options": {"idle_timeout": f"{PG_META_IDLE_S}s"},
                "explicit_http_config": {"http_protocol_options": {}},
            }
        },
        "health_checks": [health_check({"http_health_check": {"path": pg_meta.HEALTH_PATH}})],
        "circuit_breakers": {
            "thresholds": [
                # pg-meta opens a connection to the database for each: databases have a hundred or so.
                {"max_connections": PG_META_CONNECTIONS, "max_pending_requests": most, "max_requests": most}
            ]
        },
    }
    if tls:
        cluster["transport_socket"] = _tls(host)
    return cluster


def _address(host: str, port: int) -> Address:
    return Address(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")


def common(name: str, addresses: tuple[Address, ...], dns_server: str | None = None) -> Config:
    """What every cluster has: where its hosts are, and which of them gets a request.

    DNS says where to look, health checks say whom to use: a host that its name has lost is used for as long as it is
    healthy (`ignore_health_on_host_removal` is off), so an answer that lacks some of the replicas does no harm.

    Args:
        name: of the cluster.
        addresses: names and addresses of its hosts.
        dns_server: `address:port` of the DNS server that knows the names; the system's own unless given.
    """
    return {
        "name": name,
        # What `type: STRICT_DNS` was, in the form that is not deprecated: every address a name has is a host.
        "cluster_type": {
            "name": "envoy.cluster.dns",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.clusters.dns.v3.DnsCluster",
                # Railway's private network may be IPv6 only, and `localhost` is both families while a service
                # listens on one.
                "dns_lookup_family": "ALL",
                # A redeployed service has another address. The time to live of private zones says nothing useful.
                "respect_dns_ttl": False,
                "dns_refresh_rate": f"{DNS_REFRESH_S}s",
                "dns_failure_refresh_rate": {"base_interval": "0.5s", "max_interval": "2s"},
                **({"typed_dns_resolver_config": _asks(Address(dns_server))} if dns_server else {}),
            },
        },
        "connect_timeout": f"{CONNECT_TIMEOUT_S}s",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [_endpoint(address) for address in addresses]}],
        },
        # The least busy of two picked at random: replicas are single-threaded, a slow call holds one up.
        "lb_policy": "LEAST_REQUEST",
        # Of the healthy ones, be it a single one: by default all are used where fewer than half are healthy, those that
        # are about to stop among them. Where none is, all are tried.
        "common_lb_config": {
            "healthy_panic_threshold": {"value": NONE_HEALTHY_PERCENT},
            # What is found out of a replica counts at once; by default it is gathered for a second.
            "update_merge_window": "0s",
        },
    }


def _endpoint(address: Address) -> Config:
    return {"endpoint": {"address": _socket(address)}}


def _socket(address: Address) -> Config:
    return {"socket_address": {"address": address.host, "port_value": address.port}}


def _asks(server: Address) -> Config:
    """A DNS server in place of the system's own."""
    cares = "envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig"
    return {
        "name": "envoy.network.dns_resolver.cares",
        "typed_config": {
            "@type": f"type.googleapis.com/{cares}",
            "resolvers": [_socket(server)],
            # Not the search list of this host.
            "dns_resolver_options": {"no_default_search_domain": True},
        },
    }


def _http2() -> Config:
    return {
        "@type": f"type.googleapis.com/{HTTP_OPTIONS}",
        "explicit_http_config": {
            "http2_protocol_options": {
                # A ping before the first request on a connection that was silent for a while, so that a dead
                # one is replaced at once. Not periodic: gRPC servers close on clients that ping while idle.
                "connection_keepalive": {"connection_idle_interval": "10s", "timeout": "2s"},
                "max_concurrent_streams": 1000,
            }
        },
    }


def health_check(how: Config) -> Config:
    """Asks each process every second. By gRPC (https://grpc.io/docs/guides/health-checking/) without a service's name.

    The services of an area share a process and its fate, Envoy takes eight checks at most, and a name would have
    an older process, without the newest service, count as ill. With one replica the result only shows in
    `/readyz`: where no host is healthy Envoy uses them all, so what has just started is tried before its first check.
    """
    return {
        "timeout": "1s",
        "interval": f"{HEALTH_INTERVAL_S}s",
        # Envoy checks clusters without traffic once a minute by default, and looks at them as they were then.
        "no_traffic_interval": f"{HEALTH_INTERVAL_S}s",
        "no_traffic_healthy_interval": f"{HEALTH_INTERVAL_S}s",
        "unhealthy_interval": f"{HEALTH_INTERVAL_S}s",
        "unhealthy_threshold": 2,
        "healthy_threshold": 1,
        **how,
    }


def _collector(settings: GatewaySettings) -> Config:
    """Where traces go, over HTTP/1.1."""
    host, port, tls = auth.origin(settings.traces_url)
    cluster = common(tracing.CLUSTER, (_address(host, port),))
    cluster["cluster_type"]["typed_config"]["all_addresses_in_single_endpoint"] = True
    if tls:
        cluster["transport_socket"] = _tls(host)
    return cluster


def _jwks(url: str) -> Config:
    host, port, tls = auth.origin(url)
    cluster = common(auth.JWKS_CLUSTER, (_address(host, port),))
    # One server under one name, and nothing checks its health: each connection goes to the first of its addresses
    # that answers (RFC 8305). As hosts of their own, every second fetch would go to the family where nobody listens.
    cluster["cluster_type"]["typed_config"]["all_addresses_in_single_endpoint"] = True
    if tls:
        cluster["transport_socket"] = _tls(host)
    return cluster


def _tls(host: str) -> Config:
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
            "sni": host,
            # Trusting an authority is not enough: the certificate must be this host's.
            "auto_sni_san_validation": True,
            "common_tls_context": {"validation_context": {"trusted_ca": {"filename": trusted_authorities()}}},
        },
    }


def trusted_authorities() -> str:
    """File with the certificates that are trusted: `SSL_CERT_FILE`, the system's, or certifi's."""
    return ssl.get_default_verify_paths().cafile or certifi.where()
