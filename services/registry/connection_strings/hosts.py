"""Hosts and ports of connection strings: `name:port`, `[IPv6]:port`, and lists of them."""

from __future__ import annotations

import ipaddress
import re

from services.registry.connection_strings.common import Changes, Parts, invalid

MAX_HOSTS = 50
"""Members of a replica set are at most 50; no list of seeds is longer."""
MAX_PORT = 65535

_NAME = re.compile(r"(?!-)[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,252})", re.ASCII)
_PORT = re.compile(r"[0-9]{1,5}", re.ASCII)


def parse_hosts(text: str, default_port: int) -> list[tuple[str, int]]:
    """Each host of a comma-separated list with its port."""
    hosts = [parse_host(each, default_port) for each in text.split(",")]
    if len(hosts) > MAX_HOSTS:
        raise invalid(f"The connection string lists more than {MAX_HOSTS} hosts.")
    return hosts


def parse_one_host(text: str, default_port: int) -> tuple[str, int]:
    """The only host, with its port."""
    if "," in text:
        raise invalid(
            'The connection string lists several hosts; this form has one (a "," is written as %2C).'
        )
    return parse_host(text, default_port)


def parse_host(text: str, default_port: int) -> tuple[str, int]:
    """One host with its port."""
    if text.startswith("["):
        address, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise invalid("An IPv6 address stands in brackets, with the port behind them: [::1]:6379.")
        return _ipv6(address), _port(rest[1:], default_port) if rest else default_port
    if text.count(":") > 1:
        raise invalid(
            "The host has more than one colon: an IPv6 address stands in brackets, and a user name and password end "
            'with "@".'
        )
    name, colon, port = text.partition(":")
    if not name:
        raise invalid("The connection string names no host.")
    return check_name(name), _port(port, default_port) if colon else default_port


def change_hosts(hosts: str, changes: Changes) -> str:
    """The hosts of a URL with another host or port.

    Raises:
        StudioError: the new ones are no host and port, or it is not clear which port is meant.
    """
    if changes.host is None and changes.port is None:
        return hosts
    first = hosts.partition(",")[0]
    name, port = (first, "") if first.endswith("]") or ":" not in first else first.rsplit(":", 1)
    if changes.host is None:
        if "," in hosts:
            raise invalid("The connection has several hosts: change them by connection_string.", "port")
        return f"{name}:{changes.port}" if changes.port else name
    number = int(port or 0) if changes.port is None else changes.port
    return format_host(Parts(host=changes.host, port=number))


def check_name(name: str) -> str:
    """A host name or IPv4 address."""
    if not name.isascii():
        raise invalid("A host name with other than ASCII characters is written in its xn-- form.")
    if not _NAME.fullmatch(name) or ".." in name:
        raise invalid("The host is no valid name or address; it has letters, digits, dots and hyphens only.")
    return name


def format_host(parts: Parts) -> str:
    """`host:port` of parts; without the port where there is none.

    Raises:
        StudioError: the host is no name or address, or has a port attached.
    """
    host = parts.host.strip("[]") if parts.host.startswith("[") else parts.host
    if ":" in host:
        if "//" in host:
            raise invalid("The host is a URL: give it as connection_string, or the name alone.", "host")
        host = f"[{_ipv6(host)}]"
    else:
        check_name(host)
    return f"{host}:{parts.port}" if parts.port else host


def _ipv6(text: str) -> str:
    try:
        return str(ipaddress.IPv6Address(text)) if "%" not in text else _zone()
    except ipaddress.AddressValueError:
        raise invalid(
            "The host is no valid IPv6 address; the port is given on its own or behind brackets."
        ) from None


def _zone() -> str:
    raise invalid("An IPv6 address with a zone is local to one machine and can't be used.")


def _port(text: str, default_port: int) -> int:
    if default_port == 0:
        raise invalid("This form of connection string has no port.")
    if not _PORT.fullmatch(text) or not 1 <= int(text) <= MAX_PORT:
        raise invalid(
            f"The port must be a number from 1 to {MAX_PORT}; if this is a password, "
            'it ends with "@", and : / ? # @ % in it are percent-encoded.'
        )
    return int(text)
