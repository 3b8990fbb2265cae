"""Connection strings: what reaches the driver, what is bounded, and what is refused."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from urllib.parse import quote

import pytest
from pymongo.read_preferences import Nearest

from services.mongo_svc.driver import Driver
from services.mongo_svc.guard import Guard
from services.mongo_svc.limits import DEFAULTS
from services.mongo_svc.options import Seed, bounded, parse
from services.runtime.addresses import AddressPolicy
from services.runtime.errors import StudioError, reason_name

PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
ENCODED = quote(PEM, safe="")
CANARY = "c4n4ry-s3cret"


def test_hosts_database_and_login() -> None:
    options = parse("mongodb://us%40er:p%2Fw+d@a.example.com,[::1]:27018/shop?replicaSet=rs0")

    assert options.seeds == (Seed("a.example.com", 27017), Seed("::1", 27018))
    assert (options.database_name, options.auth_source, options.replica_set) == ("shop", "shop", "rs0")
    assert options.has_login
    assert options.where == "a.example.com:27017,[::1]:27018"
    # A + is a plus, which the driver takes for a space.
    assert options.uri == "mongodb://us%40er:p%2Fw%2Bd@a.example.com,[::1]:27018/shop?replicaSet=rs0"
    assert "p%2Fw" not in repr(options)


def test_srv_means_tls_and_its_servers_are_not_known_yet() -> None:
    options = parse("mongodb+srv://u:p@cluster.example.net/?authSource=admin")

    assert (options.srv_host, options.seeds, options.tls) == ("cluster.example.net", (), True)


@pytest.mark.parametrize(
    "kept",
    [
        "readPreference=secondary&readPreferenceTags=dc:a,rack:1&readPreferenceTags=",
        "readConcernLevel=majority&w=majority&journal=true",
        "retryWrites=false&retryReads=false&directConnection=true",
        "loadBalanced=true",
        "authSource=%24external&authMechanism=PLAIN",
        "authMechanism=SCRAM-SHA-1",
        "zlibCompressionLevel=9&localThresholdMS=20",
        "tls=true&tlsAllowInvalidHostnames=true",
    ],
)
def test_options_of_every_driver_are_kept(kept: str) -> None:
    assert parse(f"mongodb://u:p@h/?{kept}").uri == f"mongodb://u:p@h/?{kept}"


async def test_the_driver_reads_them_as_they_are_meant() -> None:
    """It leaves out, with a warning, what it can't read."""
    url = (
        "mongodb://u:p%2Bw@h/shop?readPreference=nearest&readPreferenceTags=dc:a,rack:1&readPreferenceTags="
        "&w=2&journal=true&readConcernLevel=majority&compressors=zlib&retryWrites=false&localThresholdMS=20"
        "&appName=a%20b&authMechanism=SCRAM-SHA-1&replicaSet=r%20s"
    )
    driver = Driver(parse(url), Guard(AddressPolicy()), DEFAULTS)

    options, pool = driver.options, driver.options.pool_options
    assert options.read_preference == Nearest([{"dc": "a", "rack": "1"}, {}])
    assert options.write_concern.document == {"w": 2, "j": True}
    assert options.read_concern.document == {"level": "majority"}
    assert (options.retry_writes, options.local_threshold_ms, options.replica_set_name) == (False, 20, "r s")
    assert (pool.appname, pool.max_pool_size) == ("a b", DEFAULTS.max_pool_size)
    login, compression = pool._credentials, pool._compression_settings  # noqa: SLF001  they have no public names
    assert login is not None
    assert (login.mechanism, login.password) == ("SCRAM-SHA-1", "p+w")
    assert compression is not None
    assert list(compression.compressors) == ["zlib"]
    await driver.close()


def test_what_is_ours_to_say_or_unknown_does_not_reach_the_driver() -> None:
    options = parse(
        "mongodb://h/?tz_aware=true&uuidRepresentation=standard&nobodyKnows=1&compressors=zlib,snappy9"
    )

    assert options.uri == "mongodb://h/"
    assert options.compressors == ("zlib",)


def test_bounds_can_be_lowered_but_not_raised() -> None:
    limits = dataclasses.replace(DEFAULTS, max_pool_size=10, connect_timeout_s=10)
    lower = bounded(parse("mongodb://h/?maxPoolSize=3&connectTimeoutMS=200&minPoolSize=50"), limits)
    higher = bounded(parse("mongodb://h/?maxPoolSize=0&connectTimeoutMS=999999&socketTimeoutMS=0"), limits)

    assert (lower["maxPoolSize"], lower["minPoolSize"], lower["connectTimeoutMS"]) == (3, 3, 200)
    assert (higher["maxPoolSize"], higher["connectTimeoutMS"]) == (10, 10_000)
    assert higher["socketTimeoutMS"] == limits.longest_command_s * 1000
    assert "maxPoolSize" not in parse("mongodb://h/?maxPoolSize=3").uri


def test_certificates_as_text_mean_tls_and_stay_out_of_the_uri_and_of_logs() -> None:
    options = parse(f"mongodb://h/?tlsCAData={ENCODED}&tlsCertificateKeyData={quote(CANARY)}")

    assert (options.tls, options.ca_pem, options.key_pem) == (True, PEM, CANARY)
    assert options.uri == "mongodb://h/?tls=true"
    assert CANARY not in repr(options)


def test_an_authority_may_stand_in_the_config() -> None:
    assert parse("mongodb://h/?tls=true", {"tls_ca_pem": PEM}).ca_pem == PEM


@pytest.mark.parametrize("option", ["tlsCAFile", "tlsCertificateKeyFile", "tlsCRLFile"])
def test_files_are_used_from_the_directory_of_the_operator_alone(option: str, tmp_path: Path) -> None:
    allowed, outside = tmp_path / "tls", tmp_path / "other.pem"
    allowed.mkdir()
    for file in (outside, allowed / "ca.pem"):
        file.write_text(PEM)
    (allowed / "link.pem").symlink_to(outside)

    assert parse(f"mongodb://h/?{option}={allowed}/ca.pem", tls_directory=allowed).tls
    for path in (outside, allowed / "link.pem", allowed / ".." / "other.pem", allowed / "missing.pem"):
        with pytest.raises(StudioError, match=r"directory|file"):
            parse(f"mongodb://h/?{option}={path}", tls_directory=allowed)
    with pytest.raises(StudioError, match="names a file"):
        parse(f"mongodb://h/?{option}={allowed}/ca.pem")


REFUSED = [
    ("mongodb://h/?proxyHost=p", "proxy"),
    (
        "mongodb://h/?authMechanism=MONGODB-OIDC&authMechanismProperties=ENVIRONMENT:azure,TOKEN_RESOURCE:x",
        "OIDC",
    ),
    ("mongodb://h/?authMechanism=MONGODB-OIDC&authMechanismProperties=ENVIRONMENT:k8s", "OIDC"),
    ("mongodb://h/?authMechanism=MONGODB-AWS", "access key"),
    ("mongodb://u@h/?authMechanism=GSSAPI", "Kerberos"),
    ("mongodb://h/?authMechanism=MONGODB-X509&tls=true", "client certificate"),
    ("mongodb://h/?ssl_ca_certs=/etc/passwd", "names a file"),
    (f"mongodb://h/?tls=false&tlsCAData={ENCODED}", "tls=false"),
    ("mongodb://h/?readPreference=nearby", "readPreference"),
    ("mongodb://h/?maxPoolSize=many", "maxPoolSize"),
    ("mongodb://h/?tls=true&ssl=false", "differ"),
    ("mongodb://h/?authMechanism=MONGODB-OIDC&AUTHMECHANISM=PLAIN", "twice"),
    ("mongodb://h,i/?directConnection=true", "single host"),
    ("mongodb+srv://h:27017/", "without a port"),
    ("mongodb+srv://h,i/", "one host"),
    ("mongodb://h:0/", "port"),
    ("mongodb://h:99999/", "port"),
    ("mongodb://::1/", "host"),
    ("mongodb:///shop", "no host"),
    ("mongodb://h/a.b", "database"),
    ("mongodb://rel%2Fa.sock", "Unix socket"),
    ("redis://h", "redis://"),
    ("h:27017", "not a URL"),
    ("mongodb://h /", "space"),
    (f"mongodb://u:{CANARY}@x@h/", "not encoded"),
    (f"mongodb://u:{CANARY}/x@h/", "not encoded"),
    (f"mongodb://u:{CANARY}#x@h/", "not encoded"),
    (f"mongodb://:{CANARY}@h/", "user name"),
    ("mongodb://u@h/", "no password"),
    (f"mongodb://h/?authMechanism={CANARY}", "authMechanism"),
    ("mongodb://" + ",".join(f"h{number}" for number in range(51)), "more than 50"),
]


@pytest.mark.parametrize(("url", "says"), REFUSED, ids=[url[:60] for url, _ in REFUSED])
def test_what_is_refused_and_why(url: str, says: str) -> None:
    with pytest.raises(StudioError, match=f"(?i){says}") as refused:
        parse(url)
    assert reason_name(refused.value.reason) == "INVALID_CONNECTION_STRING"
    assert refused.value.metadata["stage"] == "parse"
    assert CANARY not in refused.value.message + refused.value.hint
