"""Where another service of this system is: what a setting may say of it, and what gRPC makes of that.

- `host:port`: every address that the name has is a replica. The name is looked up again whenever a replica goes.
- `10.0.0.1:50051,10.0.0.2:50051`: replicas by their addresses, all of IPv4 or all of IPv6.
- `unix:path`: a socket of this host.
"""

from __future__ import annotations

import ipaddress

MAX_PORT = 65535
DNS_PORT = 53


def check_address(value: str, *, may_be_unix: bool = False) -> str:
    """The address, when it is `host:port` (or `unix:path`).

    Raises:
        ValueError: with a sentence that does not repeat it.
    """
    if may_be_unix and value.startswith("unix:"):
        return value
    host, _, port = value.rpartition(":")
    if not host or not (port.isascii() and port.isdecimal() and int(port[:6]) <= MAX_PORT):
        raise ValueError(f"must be host:port with a port up to {MAX_PORT}")
    if ":" in host and not (host.startswith("[") and host.endswith("]")):
        raise ValueError("must have its IPv6 address in brackets: [::]:50051")
    return value


def check_replicas(value: str) -> str:
    """What a setting says of where another service is, when gRPC can use it; without spaces.

    Raises:
        ValueError: with a sentence that does not repeat it.
    """
    listed = [check_address(each.strip(), may_be_unix=True) for each in value.split(",")]
    if len(listed) > 1 and len({_family(each) for each in listed}) > 1:
        raise ValueError("must list addresses of one family: all IPv4, or all IPv6")
    return ",".join(listed)


def target(replicas: str, dns_server: str | None) -> str:
    """What gRPC takes for it: https://github.com/grpc/grpc/blob/master/doc/naming.md.

    Args:
        replicas: as `check_replicas` returns it.
        dns_server: `address:port` that knows the name; the system's own unless given.
    """
    if replicas.startswith("unix:"):
        return replicas
    if "," in replicas:
        return f"{_family(replicas.partition(',')[0])}:{replicas}"
    return f"dns://{dns_server}/{replicas}" if dns_server else f"dns:///{replicas}"


def check_dns_server(value: str) -> str:
    """The address and port of a DNS server, when `value` is an address, perhaps with a port.

    Raises:
        ValueError: with a sentence that does not repeat it.
    """
    try:
        ipaddress.ip_address(value)
    except ValueError:
        host = check_address(value).rpartition(":")[0]
        try:
            ipaddress.ip_address(host.strip("[]"))
        except ValueError:
            raise ValueError("must be the IP address of a DNS server, perhaps with a port") from None
        return value
    return f"[{value}]:{DNS_PORT}" if ":" in value else f"{value}:{DNS_PORT}"


def _family(address: str) -> str:
    """The scheme by which gRPC takes a list of such addresses.

    Raises:
        ValueError: it is a name, which can't stand in a list.
    """
    host = address.rpartition(":")[0].strip("[]")
    try:
        return f"ipv{ipaddress.ip_address(host).version}"
    except ValueError:
        raise ValueError(
            "must be one name, which may have several addresses, or a list of IP addresses with their ports"
        ) from None
