"""Which addresses may be dialled, however they are written."""

from __future__ import annotations

import asyncio
import socket

import pytest

from services.runtime import addresses, context
from services.runtime.addresses import Address, AddressPolicy
from services.runtime.errors import StudioError

ALWAYS = [
    "169.254.169.254",
    "169.254.0.1",
    "169.254.170.2",
    "100.100.100.200",
    "192.0.0.192",
    "168.63.129.16",
    "0.0.0.0",
    "0.1.2.3",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "fe80::1",
    "fe80::1%eth0",
    "febf::1",
    "fec0::1",
    "ff02::1",
    "fd00:ec2::254",
    "fd00:ec2::23",
    "fd20:ce::254",
    "fd00:c1::a9fe:a9fe",
    "fd00:42::42",
    # The same link-local address inside others.
    "::ffff:169.254.169.254",
    "::ffff:a9fe:a9fe",
    "::169.254.169.254",
    "::ffff:0:169.254.169.254",
    "64:ff9b::169.254.169.254",
    "64:ff9b:1::169.254.169.254",
    "64:ff9b:1:a9fe:a9:fe00::",
    "64:ff9b:1:a9:fe:a9fe::",
    "64:ff9b:1:0:a9:fea9:fe00:0",
    "2002:a9fe:a9fe::1",
    "2001:0:4136:e378:8000:63bf:5601:5601",
    "2001:0:a9fe:a9fe::1",
    "2001:db8::5efe:169.254.169.254",
    "2001:db8::200:5efe:169.254.169.254",
]
BY_DEFAULT_ALLOWED = [
    "127.0.0.1",
    "::1",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "fd12::1",
    "8.8.8.8",
    "2001:db8::1",
]
BY_DEFAULT_ALLOWED += ["::ffff:10.0.0.1", "64:ff9b::8.8.8.8", "2002:808:808::1", "100.64.0.1", "169.253.1.1"]


def denied(policy: AddressPolicy, ip: str) -> bool:
    try:
        policy.check(ip)
    except StudioError as error:
        found = error
    else:
        return False
    assert (found.reason_name, found.metadata) == ("DB_ADDRESS_DENIED", {"stage": "address"})
    assert ip in found.message
    return True


@pytest.mark.parametrize("ip", ALWAYS)
def test_always_denied(ip: str) -> None:
    assert denied(AddressPolicy(), ip)
    assert denied(AddressPolicy(allow=["0.0.0.0/0", "::/0"]), ip), "no operator can allow it"


@pytest.mark.parametrize("ip", BY_DEFAULT_ALLOWED)
def test_allowed_unless_an_operator_says_otherwise(ip: str) -> None:
    assert not denied(AddressPolicy(), ip)
    assert denied(AddressPolicy(deny=["0.0.0.0/0", "::/0"]), ip)


@pytest.mark.parametrize(
    ("ip", "refused"),
    [
        ("10.1.2.3", True),
        ("::ffff:10.1.2.3", True),
        ("2002:a01:203::", True),
        ("64:ff9b::10.1.2.3", True),
        ("11.0.0.1", False),
        ("fd00:1::5", True),
        ("fd01::5", False),
    ],
)
def test_denied_networks_in_every_disguise(ip: str, refused: bool) -> None:  # noqa: FBT001  a column of the table
    assert denied(AddressPolicy(deny=["10.0.0.0/8", "fd00:1::/32"]), ip) == refused


@pytest.mark.parametrize(
    ("ip", "refused"),
    [("10.1.2.3", False), ("10.9.0.1", True), ("11.0.0.1", True), ("127.0.0.1", True), ("::1", True)],
)
def test_an_allow_list_is_the_only_way_and_denying_wins(ip: str, refused: bool) -> None:  # noqa: FBT001  as above
    assert denied(AddressPolicy(deny=["10.9.0.0/16"], allow=["10.0.0.0/8"]), ip) == refused


def test_a_network_with_host_bits_is_taken_and_nonsense_is_not() -> None:
    assert denied(AddressPolicy(deny=["10.1.2.3/8"]), "10.200.0.1")
    with pytest.raises(ValueError, match="'nonsense' is not a network"):
        AddressPolicy(deny=["nonsense"])


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "[::1]", "::1", "localhost"],
)
async def test_every_way_to_write_a_host_is_judged_by_its_address(host: str) -> None:
    """The system's resolver takes decimal, octal and hexadecimal forms, so the check looks at what it made of them."""
    found = await AddressPolicy().resolve(host, 6379)
    assert found
    for address in found:
        assert address.ip in ("127.0.0.1", "::1")
        assert address.port == 6379
        assert address.family in (socket.AF_INET, socket.AF_INET6)
    with pytest.raises(StudioError) as raised:
        await AddressPolicy(deny=["127.0.0.0/8", "::1/128"]).resolve(host, 6379)
    assert raised.value.reason_name == "DB_ADDRESS_DENIED"


@pytest.mark.parametrize(
    "host", ["2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "169.254.43518", "0", "[fe80::1]"]
)
async def test_metadata_addresses_in_disguise(host: str) -> None:
    with pytest.raises(StudioError) as raised:
        await AddressPolicy().resolve(host, 80)
    assert raised.value.reason_name == "DB_ADDRESS_DENIED"


async def test_one_denied_address_refuses_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that points both inside and outside is not what it claims to be."""
    answers = ["8.8.8.8", "169.254.169.254"]

    async def both(*_args: object, **_kwargs: object) -> list[tuple[int, int, int, str, tuple[str, int]]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, 80)) for ip in answers]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", both)
    with pytest.raises(StudioError, match=r"169\.254\.169\.254"):
        await AddressPolicy().resolve("two-faced.example", 80)
    answers[:] = [f"10.0.0.{number}" for number in range(100)]
    found = await AddressPolicy().resolve("many.example", 81)
    assert len(found) == addresses.MAX_ADDRESSES
    assert found[0] == Address(socket.AF_INET, "10.0.0.0", 81)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "no such name",
        "a..b",
        "." * 5,
        "x" * 300,
        "a\x00b",
        "127.0.0.1\x00.example",
        "a\nb",
        "256.1.1.1",
        "1.2.3.4.5",
        "[::1",
    ],
)
async def test_what_is_no_name_fails_at_stage_dns(host: str) -> None:
    with pytest.raises(StudioError) as raised:
        await AddressPolicy().resolve(host, 80)
    assert raised.value.reason_name == "DB_CONNECTION_FAILED"
    assert raised.value.metadata == {"stage": "dns"}
    assert raised.value.message.isprintable()
    assert len(raised.value.message) < 400


async def test_a_name_server_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(*_args: object, **_kwargs: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", never)
    end = context.deadline.set(asyncio.get_running_loop().time() + 0.05)
    with pytest.raises(StudioError) as raised:
        await AddressPolicy().resolve("slow.example", 80)
    context.deadline.reset(end)
    assert raised.value.reason_name == "DB_TIMEOUT"
    assert raised.value.metadata == {"stage": "dns"}
