"""Connection strings: what is understood, and what is said of those that are not."""

from __future__ import annotations

import contextlib
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.redis_svc.url import RedisOptions, TlsOptions, parse
from services.runtime.errors import StudioError

SECRET = "hunter2secret"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("redis://cache", RedisOptions("cache", 6379)),
        ("redis://cache:6380/3", RedisOptions("cache", 6380, database=3)),
        ("REDIS://Cache.example:6380/", RedisOptions("Cache.example", 6380)),
        ("valkey://cache", RedisOptions("cache", 6379)),
        ("redis://:pw@cache", RedisOptions("cache", 6379, password=b"pw")),
        ("redis://:@cache", RedisOptions("cache", 6379)),
        ("redis://bob:pw@cache", RedisOptions("cache", 6379, username=b"bob", password=b"pw")),
        ("redis://bob@cache", RedisOptions("cache", 6379, username=b"bob", password=b"")),
        ("redis://bob:@cache", RedisOptions("cache", 6379, username=b"bob", password=b"")),
        ("redis://:p@ss@cache", RedisOptions("cache", 6379, password=b"p@ss")),
        ("redis://:a:b@cache", RedisOptions("cache", 6379, password=b"a:b")),
        ("redis://:%FF%00@cache", RedisOptions("cache", 6379, password=b"\xff\x00")),
        ("redis://[::1]:7000/1", RedisOptions("::1", 7000, database=1)),
        ("redis://[2001:db8::5]", RedisOptions("2001:db8::5", 6379)),
        ("redis://cache?db=4", RedisOptions("cache", 6379, database=4)),
        ("redis://cache?family=0&protocol=3&socket_timeout=5", RedisOptions("cache", 6379)),
        ("  redis://cache\n", RedisOptions("cache", 6379)),
        ("unix:///run/redis.sock?db=2", RedisOptions("", 0, path="/run/redis.sock", database=2)),
        (
            "unix://bob:pw@/run/r%20s.sock",
            RedisOptions("", 0, path="/run/r s.sock", username=b"bob", password=b"pw"),
        ),
    ],
)
def test_a_url_is_understood(text: str, expected: RedisOptions) -> None:
    assert parse(text) == expected


@given(user=st.text(min_size=1, max_size=20), password=st.text(min_size=1, max_size=20))
def test_an_encoded_user_and_password_come_back_whatever_they_hold(user: str, password: str) -> None:
    options = parse(f"redis://{quote(user, safe='')}:{quote(password, safe='')}@cache:1/2")

    assert (options.username, options.password) == (user.encode(), password.encode())
    assert (options.host, options.port, options.database) == ("cache", 1, 2)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not a URL"),
        ("cache:6379", "not a URL"),
        ("mongodb://cache", "does not begin with mongodb://"),
        ("postgres://cache/db", "does not begin with postgres://"),
        ("http://cache", "does not begin with http://"),
        ("redis://", "no host"),
        ("redis:///0", "no host"),
        (f"redis://:{SECRET}@/0", "no host"),
        ("redis://cache:port", "port"),
        ("redis://cache:0", "port"),
        ("redis://cache:65536", "port"),
        ("redis://cache:" + "9" * 5000, "port"),
        ("redis://cache:-1", "port"),
        ("redis://cache:\u0663", "port"),
        ("redis://cache/zero", "no number"),
        ("redis://cache/-1", "no number"),
        ("redis://cache/1/2", "no number"),
        ("redis://cache?db=x", "no number"),
        ("redis://::1", "colons"),
        ("redis://[::1", "IPv6"),
        ("redis://[::1]6379", "IPv6"),
        ("redis://[cache]", "IPv6"),
        ("redis://ca che", "space"),
        ("redis://cache\x00", "control character"),
        (f"redis://:{SECRET}/x@cache", "/ before its @"),
        (f"redis://:{SECRET}#x@cache", "#"),
        (f"redis://:{SECRET}?x@cache", "? before its @"),
        (f"redis://:{SECRET}%x@cache", "%"),
        (f"redis://:{SECRET}%@cache", "%"),
        ("redis://cache?ssl_cert_req=none", "no option ssl_cert_req"),
        ("rediss://cache?ssl_cert_reqs=maybe", "ssl_cert_reqs"),
        ("rediss://cache?ssl_check_hostname=maybe", "ssl_check_hostname"),
        ("rediss://cache?ssl_ca_certs=/etc/ssl/ca.pem", "names a file"),
        ("rediss://cache?ssl_keyfile=/etc/shadow", "names a file"),
        ("unix://run/redis.sock", "absolute path"),
        ("redis+sentinel://a:26379,b:26379/main", "Sentinel connections are not supported yet"),
        ("redis-sentinel://a:26379?master=main", "Sentinel connections are not supported yet"),
        ("redis://a:26379?sentinel_master=main", "Sentinel connections are not supported yet"),
        ("redis+cluster://a:7000", "Cluster connections are not supported yet"),
        ("rediss-cluster://a:7000", "Cluster connections are not supported yet"),
        ("redis://a:7000,b:7000", "Cluster connections are not supported yet"),
        ("redis://a:7000?cluster=true", "Cluster connections are not supported yet"),
    ],
)
def test_a_url_that_can_not_be_used_is_refused_with_the_reason(text: str, says: str) -> None:
    with pytest.raises(StudioError) as caught:
        parse(text)

    error = caught.value
    assert error.reason_name == "INVALID_CONNECTION_STRING"
    assert says in error.message
    assert error.hint
    assert error.metadata["stage"] == "parse"
    assert SECRET not in error.message + error.hint


@given(st.text(max_size=60))
def test_any_text_is_parsed_or_refused_and_nothing_else(text: str) -> None:
    for candidate in (text, f"redis://{text}", f"rediss://u:{text}@host/0", f"unix://{text}"):
        with contextlib.suppress(StudioError):
            parse(candidate)


def test_tls_verifies_unless_told_otherwise() -> None:
    assert parse("rediss://cache").tls == TlsOptions()
    assert parse("redis://cache").tls is None
    assert parse("rediss://cache?ssl_cert_reqs=none").tls == TlsOptions(verify=False, check_hostname=False)
    assert parse("rediss://cache?ssl_check_hostname=false").tls == TlsOptions(check_hostname=False)


def test_an_authority_comes_from_the_url_or_from_the_settings_that_are_not_secret() -> None:
    config = {"tls_ca_pem": "PEM", "tls_server_name": "cache.internal"}

    assert parse("rediss://cache", config).tls == TlsOptions(ca_pem="PEM", server_name="cache.internal")
    assert parse("rediss://cache?ssl_ca_data=A%0AB", config).tls == TlsOptions(
        ca_pem="A\nB", server_name="cache.internal"
    )


def test_a_password_or_a_private_key_is_not_printed() -> None:
    assert SECRET not in repr(parse(f"rediss://:{SECRET}@cache?ssl_cert_data=C&ssl_key_data={SECRET}"))
