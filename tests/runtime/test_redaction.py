"""What looks like a secret is masked, whatever stands around it, and quickly."""

from __future__ import annotations

import json
import string
import time
from typing import Any
from urllib.parse import quote

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, struct_pb2
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st

from services.runtime import redaction
from services.runtime.auth import api_keys
from services.runtime.crypto import KeyRing
from services.runtime.redaction import MASK, redact, redact_answer, redact_message, redact_value
from studio.registry.v1 import registry_service_pb2 as registry
from studio.registry.v1 import resolver_service_pb2 as resolving
from tests.runtime.harness import service_tokens, token

# A password that no surrounding text contains by accident, with everything that has a meaning in a URL.
SPECIAL = "@:/#%?&=+;,'\"<>{}[]()|\\^`~!$*."
passwords = st.text(alphabet=SPECIAL, max_size=8).map(lambda odd: f"{odd[:4]}Zk{odd[4:]}9Qx7w")
KEPT = "9Qx7w"
sentences = st.text(alphabet=string.ascii_lowercase + " .,:", max_size=40).map(lambda text: f"{text} ")


@given(
    scheme=st.sampled_from(["redis", "rediss", "mongodb", "mongodb+srv", "postgresql", "https", "unix"]),
    user=st.sampled_from(["", "bob", "b%40b"]),
    password=passwords,
    host=st.sampled_from(["h", "db.local:6379/0", "[::1]:6379", "a:1,b:2/x?replicaSet=r"]),
    around=st.tuples(sentences, sentences),
)
def test_a_password_in_a_url_raw_or_encoded(
    scheme: str, user: str, password: str, host: str, around: tuple[str, str]
) -> None:
    for written in (password, quote(password, safe="")):
        shown = redact(f"{around[0]}{scheme}://{user}:{written}@{host}{around[1]}")
        assert KEPT not in shown
        assert f"{scheme}://{MASK}@{host}" in shown


@given(
    password=passwords,
    quoting=st.sampled_from(["{}", '"{}"', "'{}'", "url={},", '{{"a":"{}","b":1}}', "({})"]),
)
def test_a_url_is_found_in_what_quotes_it(password: str, quoting: str) -> None:
    assert KEPT not in redact(f"can't parse {quoting.format(f'redis://u:{password}@h')} here")


@pytest.mark.parametrize(
    "example",
    [
        "redis://:password@host:6379/0,",
        "https://:key@host.",
        "mongodb://user:password@host.",
        "postgresql://user:password@host/name.",
    ],
)
def test_the_form_of_a_connection_string_may_be_shown(example: str) -> None:
    assert redact_answer(f"Write it as {example} please.") == f"Write it as {example} please."
    for secret in (example.replace("@host", "@db"), example.replace("@host", "@host.db"), f"{example}@x"):
        assert MASK in redact_answer(secret)


def test_credentials_without_a_scheme() -> None:
    assert redact("no route to bob:9Qx7w@db.local:6379") == "no route to bob:***@db.local:6379"
    assert redact("write to bob@example.org") == "write to bob@example.org"


@given(name=st.sampled_from(["role", "service"]), around=st.tuples(sentences, sentences))
def test_a_token(name: str, around: tuple[str, str]) -> None:
    credential = token(secretclaim=name) if name == "role" else service_tokens().current()
    for form in (
        credential,
        f"Bearer {credential}",
        f"x{credential}",
        f"a-{credential}",
        f"token={credential}",
    ):
        shown = redact(f"{around[0]}{form}{around[1]}")
        assert not any(part in shown for part in credential.split("."))


@given(around=st.tuples(sentences, sentences))
def test_an_api_key_is_shown_by_its_id(around: tuple[str, str]) -> None:
    made = api_keys.generate()
    for form in (made.text, f"x{made.text}", f"{made.text}0"):
        shown = redact(f"{around[0]}{form}{around[1]}")
        assert made.text.rpartition("_")[2] not in shown
        assert made.id in shown
    assert redact(f"key {made.id} is old") == f"key {made.id} is old"


@given(st.binary(min_size=8, max_size=60), st.text(max_size=20))
def test_a_sealed_value(random: bytes, plain: str) -> None:
    sealed = KeyRing.from_secrets("a-secret-of-32-characters-or-more").seal(
        plain + random.hex(), row_id="r", type_="redis"
    )
    assert sealed.split(".")[2] not in redact(f"row {sealed} is old")
    legacy = "U2FsdGVkX1" + random.hex()
    assert random.hex() not in redact(f"header x-connection-encrypted {legacy} refused")


SECRET_NAMES = [
    "password",
    "passwd",
    "pwd",
    "secret",
    "token",
    "api_key",
    "apikey",
    "API-KEY",
    "Authorization",
]
SECRET_NAMES += [
    "connection_string",
    "connectionString",
    "crypto_key",
    "private-key",
    "PGPASSWORD",
    "jwt_secret",
]


@given(
    name=st.sampled_from(SECRET_NAMES),
    separator=st.sampled_from(["=", ":", ": ", " = "]),
    password=passwords.filter(lambda each: not each.startswith(("'", '"', "\\"))),
)
def test_a_named_value(name: str, separator: str, password: str) -> None:
    shown = redact(f"options {name}{separator}{password} end")
    assert KEPT not in shown
    assert shown.startswith(f"options {name}")
    assert shown.endswith(" end")


@given(
    name=st.sampled_from(SECRET_NAMES), value=st.text(alphabet=SPECIAL + " ab\n", max_size=12), tail=passwords
)
def test_a_named_value_that_is_quoted_as_json_or_python_do(name: str, value: str, tail: str) -> None:
    secret = {name: f"{value} {tail}"}
    for text in (json.dumps(secret), repr(secret), json.dumps(json.dumps({name: tail}))):
        assert KEPT not in redact(text)


def test_an_authorization_header_of_any_length() -> None:
    assert redact("Authorization: Basic YTpi sent") == "Authorization: *** sent"
    assert "YTpiY2RlZg" not in redact("got Basic YTpiY2RlZg==")


def test_a_private_key() -> None:
    pem = "-----BEGIN RSA PRIVATE KEY-----\nMIIE9Qx7w\n-----END RSA PRIVATE KEY-----"
    assert redact(f"key {pem} read") == "key *** read"
    assert "9Qx7w" not in redact(f"key {pem[:45]}")


def test_a_private_key_in_a_connection_string() -> None:
    pem = "-----BEGIN%20RSA%20PRIVATE%20KEY-----%0AMIIE9Qx7w%0A-----END%20RSA%20PRIVATE%20KEY-----"
    assert redact(f"ca={pem}&w=1") == "ca=***&w=1"
    assert "9Qx7w" not in redact("mongodb://h/?tlsCertificateKeyData=MIIE9Qx7w")


@pytest.mark.parametrize(
    "text",
    [
        "the engine did not answer",
        "key user:1 is a hash",
        "see https://redis.io/docs",
        "10:30:00 GET /healthz 200",
        "",
    ],
)
def test_other_text_stays_as_it_is(text: str) -> None:
    assert redact(text) == text == redact_answer(text)


def test_an_answer_may_speak_of_secrets_but_not_show_them() -> None:
    assert redact_answer("password: must not be empty") == "password: must not be empty"
    for text in ("password=9Qx7w", '{"password": "9Qx7w"}', "redis://u:9Qx7w@h", f"Bearer {token()}"):
        assert "9Qx7w" not in redact_answer(text)
        assert token() not in redact_answer(text)


@settings(max_examples=30)
@given(before=st.integers(min_value=0, max_value=60), password=passwords)
def test_a_secret_across_a_cut_is_not_shown(before: int, password: str) -> None:
    """Cut first and masked then, the `@` that gives a URL away would be gone."""
    quoted = password.replace('"', "").replace("\\", "")
    for edge in (redaction.MAX_TEXT, 4 * redaction.MAX_TEXT):
        for secret in (f"redis://user:{password}@host", f'password="{quoted} {quoted}"'):
            text = "x " * ((edge - before) // 2) + secret + " y" * 100
            assert KEPT not in redact(text)


def test_a_long_text_is_cut_and_keeps_its_end() -> None:
    shown = redact("start " + "x " * 10_000 + "ValueError: the end")
    assert len(shown) < redaction.MAX_TEXT + 100
    assert shown.startswith("start ")
    assert shown.endswith("ValueError: the end")
    assert "20025 characters" in shown


ADVERSARIAL = [
    "a", "pass", "token-", "-eyJ", "eyJaaaaaa.", "Bearer ", "a://", "a://@", "@:", 'password="', "password=\\", "-",
    "v1.aaaaa-", "sdb_", "sdb_aaaaaaaaaaaaaaaa_",
    "U2FsdGVkX1", "connection_string", "-----BEGIN PRIVATE KEY-----", "-----BEGIN%20",
    "pwd" + " " * 50, "'\"",
]  # fmt: skip


@pytest.mark.parametrize("unit", ADVERSARIAL)
def test_no_text_makes_it_slow(unit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work grows with the text, not with its square: sixteen times the text, a bounded factor of the time.

    Measured against itself, so that a slow machine does not matter; a quadratic pattern is 256 times slower here.
    """
    monkeypatch.setattr(redaction, "_WINDOW", 1 << 20)

    def cost(characters: int) -> float:
        text = unit * (characters // len(unit))
        best = float("inf")
        for _ in range(3):
            started = time.process_time()
            redact(text)
            best = min(best, time.process_time() - started)
        return best

    assert cost(160_000) < 64 * max(cost(10_000), 0.0005)


def test_values_by_their_keys() -> None:
    shown = redact_value(
        {
            "password": "9Qx7w",
            "pin_secret": 1234,
            "nested": {"api_key": ["9Qx7w"], "port": 6379, "on": True, "none": None},
            "urls": ["redis://u:9Qx7w@h", ("a", b"9Qx7w")],
            "redis://u:9Qx7w@h": 1,
            "empty_password": "",
            "raw": bytearray(b"9Qx7w"),
            "odd": float("nan"),
        }
    )
    assert "9Qx7w" not in str(shown)
    assert shown["password"] == shown["pin_secret"] == MASK
    assert shown["nested"] == {"api_key": MASK, "port": 6379, "on": True, "none": None}
    assert shown["urls"] == ["redis://***@h", ["a", "<5 bytes>"]]
    assert (shown["raw"], shown["odd"], shown["empty_password"]) == ("<5 bytes>", "nan", "")


@given(
    st.recursive(
        st.just("redis://u:9Qx7w@h"),
        lambda inner: (
            st.lists(inner, min_size=1, max_size=3) | st.dictionaries(st.text(max_size=5), inner, min_size=1)
        ),
        max_leaves=10,
    )
)
def test_a_secret_at_any_depth(value: object) -> None:
    assert KEPT not in str(redact_value(value))


def test_what_is_endless_or_unprintable_is_shown_in_part() -> None:
    loop: list[object] = []
    loop.append(loop)
    assert "…" in str(redact_value(loop))
    assert len(redact_value(list(range(10_000)))) == redaction.MAX_ITEMS

    class Unprintable:
        def __str__(self) -> str:
            raise RuntimeError("9Qx7w")

    assert redact_value(Unprintable()) == "<Unprintable: RuntimeError>"
    assert redact_value(ValueError("at redis://u:9Qx7w@h")) == "at redis://***@h"


def test_a_message_by_its_contract() -> None:
    request = registry.CreateDatabaseRequest(
        name="cache", password="9Qx7w", connection_string="9Qx7w", description="at redis://u:9Qx7w@h", port=1
    )
    request.config.update({"tls": True, "sentinel_password": "9Qx7w", "list": ["redis://u:9Qx7w@h"]})
    shown = redact_message(request)
    assert (shown["password"], shown["connection_string"], shown["name"]) == (MASK, MASK, "cache")
    assert KEPT not in str(shown)
    assert "9Qx7w" not in str(redact_value(resolving.ResolveConnectionResponse(ciphertext="9Qx7w", id="x")))


def test_a_struct_is_shown_with_its_keys() -> None:
    struct = struct_pb2.Struct()
    struct.update({"host": "h", "password": "9Qx7w"})
    shown = redact_value(struct)
    assert shown["fields"]["password"] == MASK
    assert "h" in str(shown["fields"]["host"])


@pytest.fixture(scope="module")
def wrapper() -> Any:  # noqa: ANN401  a class made at run time
    """A message with secret fields in every position: single, repeated, map, nested, repeated nested."""
    file = descriptor_pb2.FileDescriptorProto(
        name="redaction_test.proto", package="redaction.test", syntax="proto3"
    )
    field = descriptor_pb2.FieldDescriptorProto
    inner = file.message_type.add(name="Inner")
    inner.field.add(name="hidden", number=1, type=field.TYPE_STRING, label=1).options.debug_redact = True
    inner.field.add(name="shown", number=2, type=field.TYPE_STRING, label=1)
    outer = file.message_type.add(name="Outer")
    entry = outer.nested_type.add(name="ByNameEntry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, type=field.TYPE_STRING, label=1)
    entry.field.add(
        name="value", number=2, type=field.TYPE_MESSAGE, label=1, type_name=".redaction.test.Inner"
    )
    inner_type = ".redaction.test.Inner"
    outer.field.add(name="one", number=1, type=field.TYPE_MESSAGE, label=1, type_name=inner_type)
    outer.field.add(name="many", number=2, type=field.TYPE_MESSAGE, label=3, type_name=inner_type)
    outer.field.add(
        name="by_name",
        number=3,
        type=field.TYPE_MESSAGE,
        label=3,
        type_name=".redaction.test.Outer.ByNameEntry",
    )
    outer.field.add(name="list", number=4, type=field.TYPE_BYTES, label=3).options.debug_redact = True
    outer.field.add(
        name="whole", number=5, type=field.TYPE_MESSAGE, label=1, type_name=inner_type
    ).options.debug_redact = True
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("redaction.test.Outer"))


def test_marked_fields_wherever_they_stand(wrapper: Any) -> None:  # noqa: ANN401  as above
    inner = {"hidden": "9Qx7w", "shown": "fine"}
    message: Message = wrapper(
        one=inner, many=[inner, inner], by_name={"a": inner}, list=[b"9Qx7w"], whole={"shown": "9Qx7w"}
    )
    masked = {"hidden": MASK, "shown": "fine"}
    assert redact_value(message) == {
        "one": masked,
        "many": [masked, masked],
        "by_name": {"a": masked},
        "list": MASK,
        "whole": MASK,
    }
