"""MongoDB URIs by the rules of the connection string specification.

https://github.com/mongodb/specifications/blob/master/source/connection-string/connection-string-spec.md
"""

from __future__ import annotations

import pytest

from services.registry.connection_strings import Changes, Parts, amend, build, parse
from services.runtime.errors import StudioError, reason_name

VALID = [
    # Hosts: names, IPv4, IPv6, sockets, several, with and without ports.
    ("mongodb://127.0.0.1", Parts("127.0.0.1", 27017)),
    ("mongodb://127.0.0.1/", Parts("127.0.0.1", 27017)),
    ("mongodb://[::1]", Parts("::1", 27017)),
    ("mongodb://[::1]:27020/db", Parts("::1", 27020, "", "", "db")),
    ("mongodb://LOCALHOST:27018", Parts("LOCALHOST", 27018)),
    ("mongodb://127.0.0.1,localhost,[::1]:27018", Parts("127.0.0.1", 27017)),
    ("mongodb://a:1,b:2,c:3/?replicaSet=rs", Parts("a", 1)),
    ("mongodb://b%C3%BCcher.example.com,uml%C3%A4ut.example.com/", Parts("xn--bcher-kva.example.com", 27017)),
    ("mongodb://bücher.example.com:27018", Parts("xn--bcher-kva.example.com", 27018)),
    ("mongodb://%2Ftmp%2Fmongodb-27017.sock", Parts("/tmp/mongodb-27017.sock")),
    ("mongodb://%2Ftmp%2Fa%20b.sock/db", Parts("/tmp/a b.sock", 0, "", "", "db")),
    ("mongodb://%2Ftmp%2Fa.sock,%2Ftmp%2Fb.sock", Parts("/tmp/a.sock")),
    ("mongodb://%2Ftmp%2Fa.sock,localhost:27018", Parts("/tmp/a.sock")),
    ("mongodb://u:p@%2Ftmp%2Fa.sock/admin", Parts("/tmp/a.sock", 0, "u", "p", "admin")),
    # Logins: sub-delimiters need no encoding, the delimiters themselves do.
    ("mongodb://alice:foo@127.0.0.1", Parts("127.0.0.1", 27017, "alice", "foo")),
    (
        "mongodb://alice:foo@a.example.com,b.example.com:2/db",
        Parts("a.example.com", 27017, "alice", "foo", "db"),
    ),
    (
        "mongodb://!$&'()*+,;=:!$&'()*+,;=@127.0.0.1/db",
        Parts("127.0.0.1", 27017, "!$&'()*+,;=", "!$&'()*+,;=", "db"),
    ),
    ("mongodb://%40l%3Ace%2F%3F:f%25o%5B%5D@h", Parts("h", 27017, "@l:ce/?", "f%o[]")),
    ("mongodb://u:@h/?authMechanism=PLAIN&authSource=$external", Parts("h", 27017, "u")),
    (
        "mongodb://user%40EXAMPLE.COM@h/?authMechanism=GSSAPI&authSource=$external",
        Parts("h", 27017, "user@EXAMPLE.COM"),
    ),
    ("mongodb://h/?authMechanism=MONGODB-X509&tls=true", Parts("h", 27017, tls=True)),
    (
        "mongodb://alice:foo@example.com:27017/admin?replicaSet=my@replicaset",
        Parts("example.com", 27017, "alice", "foo", "admin"),
    ),
    # Databases and options.
    ("mongodb://h/d%C3%A9", Parts("h", 27017, "", "", "dé")),
    ("mongodb://h?w=1", Parts("h", 27017)),
    ("mongodb://h/?w=1&journal=true&wtimeoutMS=5", Parts("h", 27017)),
    ("mongodb://h/?READPREFERENCE=secondary", Parts("h", 27017)),
    (
        "mongodb://h/?readPreference=nearest&readPreferenceTags=dc:ny&readPreferenceTags=dc:la&readPreferenceTags=",
        Parts("h", 27017),
    ),
    ("mongodb://h/?authMechanismProperties=SERVICE_NAME:x,CANONICALIZE_HOST_NAME:true", Parts("h", 27017)),
    ("mongodb://h/?appName=a%20b", Parts("h", 27017)),
    ("mongodb://h/?compressors=zlib&zlibCompressionLevel=9", Parts("h", 27017)),
    ("mongodb://h/?loadBalanced=true", Parts("h", 27017)),
    ("mongodb://h/?tls=true&ssl=true", Parts("h", 27017, tls=True)),
    # Certificates mean TLS, and as text they have lines.
    ("mongodb://h/?tlsCAData=-----BEGIN%20CERTIFICATE-----%0AMII%0D%0A", Parts("h", 27017, tls=True)),
    ("mongodb://h/?tlsCertificateKeyData=-----BEGIN%20PRIVATE%20KEY-----%0A", Parts("h", 27017, tls=True)),
    ("mongodb://h/?tlsCAFile=/certificates/ca.pem", Parts("h", 27017, tls=True)),
    ("mongodb://h/?tls=false&tlsCAFile=/certificates/ca.pem", Parts("h", 27017)),
    (
        "mongodb+srv://u:p@cluster0.example.net/db?retryWrites=true&w=majority",
        Parts("cluster0.example.net", 0, "u", "p", "db", tls=True),
    ),
    (
        "mongodb+srv://cluster0.example.net/?srvServiceName=x&srvMaxHosts=2",
        Parts("cluster0.example.net", tls=True),
    ),
]


@pytest.mark.parametrize(("url", "parts"), VALID, ids=[ascii(url)[:60] for url, _ in VALID])
def test_valid(url: str, parts: Parts) -> None:
    read = parse("mongodb", url)
    assert read.parts == parts
    assert read.url.isascii()
    assert parse("mongodb", read.url) == read


INVALID = [
    "mongodb://",
    "mongodb:///db",
    "mongodb://,localhost",
    "mongodb://localhost,",
    "mongodb://localhost,,other",
    "mongo://localhost:27017",
    "mongodb:localhost",
    "localhost:27017",
    "mongodb://localhost::27017",
    "mongodb://localhost::27017/",
    "mongodb://::",
    "mongodb://localhost,localhost::27017",
    "mongodb://localhost::27017,abc",
    "mongodb://localhost:-1",
    "mongodb://localhost:foo",
    "mongodb://localhost:0",
    "mongodb://localhost:65536",
    "mongodb://localhost:99999/",
    "mongodb://[::1",
    "mongodb://::1:27017",
    "mongodb://alice@foo:bar@127.0.0.1",
    "mongodb://alice@foo@127.0.0.1",
    "mongodb://alice:foo:bar@127.0.0.1",
    "mongodb://alice/foo:bar@127.0.0.1",
    "mongodb://alice:foo/bar@127.0.0.1",
    "mongodb://alice%foo:bar@127.0.0.1",
    "mongodb://alice:foo%bar@127.0.0.1",
    "mongodb://alice%:bar@127.0.0.1",
    "mongodb://alice:%ZZ@127.0.0.1",
    "mongodb://:foo@127.0.0.1",
    "mongodb://@127.0.0.1",
    "mongodb://alice@127.0.0.1",
    "mongodb:///tmp/mongodb-27017.sock/",
    "mongodb://rel%2Fmongodb-27017.sock",
    "mongodb://%2Ftmp%2Fmongodb-27017.sock:27017",
    "mongodb://h/a/b",
    "mongodb://h/a%20b",
    "mongodb://h/a$b",
    "mongodb://h/?w",
    "mongodb://h/?=1",
    "mongodb://h/?w=1&&j=true",
    "mongodb://h/?tls=true&tls=false",
    "mongodb://h/?tls=true&ssl=false",
    "mongodb://h/?tls=perhaps",
    "mongodb://a,b/?directConnection=true",
    "mongodb://h/?readPreference=nearby",
    "mongodb://h/?appName=a%0Ab",
    "mongodb://h/?tlsCAData=a%00b",
    "mongodb+srv://h.example.net:27017",
    "mongodb+srv://a.example.net,b.example.net",
    "mongodb+srv:///db",
]


@pytest.mark.parametrize("url", INVALID)
def test_invalid(url: str) -> None:
    with pytest.raises(StudioError) as refused:
        parse("mongodb", url)
    assert reason_name(refused.value.reason) == "INVALID_CONNECTION_STRING"


def test_repeated_tags_keep_their_order() -> None:
    url = "mongodb://h/?readPreference=nearest&readPreferenceTags=dc:b&readPreferenceTags=dc:a&readPreferenceTags="
    assert parse("mongodb", url).url == url
    assert amend("mongodb", url, Changes(host="g", port=1)).url == url.replace("//h/", "//g:1/")


def test_tls_can_be_switched_off_and_on_beside_certificates() -> None:
    url = "mongodb://h/?tlsCAData=-----BEGIN%20CERTIFICATE-----%0A"
    off = amend("mongodb", url, Changes(tls=False))
    assert not off.parts.tls
    assert amend("mongodb", off.url, Changes(tls=True)).url == url


@pytest.mark.parametrize(
    ("type_", "options", "url"),
    [
        ("mongodb", {"authSource": "admin", "replicaSet": "r s"}, "mongodb://u:p@h/?authSource=admin&replicaSet=r%20s"),
        ("redis", {"protocol": "3"}, "redis://u:p@h?protocol=3"),
        ("postgres", {"sslmode": "require"}, "postgresql://u:p@h?sslmode=require"),
    ],
)  # fmt: skip
def test_options_are_merged_into_the_url(type_: str, options: dict[str, str], url: str) -> None:
    assert build(type_, Parts("h", 0, "u", "p"), options).url == url
    assert parse(type_, url, options).url == url


@pytest.mark.parametrize(
    ("type_", "options"),
    [
        ("mongodb", {"maxPoolSize": "many"}),
        ("mongodb", {"tls": "false"}),
        ("mongodb", {"a b": "1"}),
        ("mongodb", {"": "1"}),
        ("redis", {"password": "x"}),
        ("postgres", {"hostaddr": "1.2.3.4"}),
        ("postgres", {"sslmode": "maybe"}),
        ("bun_api", {"x": "1"}),
    ],
)
def test_options_that_do_not_fit_are_refused(type_: str, options: dict[str, str]) -> None:
    with pytest.raises(StudioError) as refused:
        build(type_, Parts("h", 0, "u", "p", tls=True), options)
    assert reason_name(refused.value.reason) == "INVALID_CONNECTION_STRING"
