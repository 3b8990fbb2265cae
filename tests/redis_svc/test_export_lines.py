"""The lines of an export: any bytes survive them, and any line is a record or a reason why it is none."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from services.redis_svc.bulk.importing import sibling
from services.redis_svc.bulk.lines import blob, dump_lines, key_fields
from services.redis_svc.bulk.records import LineError, read_line, to_bytes
from services.redis_svc.slots import key_slot


@given(st.binary(max_size=200))
def test_any_bytes_survive_their_form_in_json(raw: bytes) -> None:
    assert to_bytes(json.loads(json.dumps(blob(raw)))) == raw
    record = read_line(dump_lines([(raw, "string", 5, raw)]))
    assert record is not None
    assert (record.key, record.dump, record.ttl_ms) == (raw, raw, 5)


@given(st.binary(max_size=30), st.binary(max_size=10))
def test_a_key_and_what_is_built_beside_it_share_a_slot(key: bytes, suffix: bytes) -> None:
    # Without a hash tag, a key with a brace, and the empty one, can't be named in another key's tag.
    if key and b"}" not in key:
        assert key_slot(sibling(key, b":" + suffix)) == key_slot(key)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "key",
                        "key_base64",
                        "type",
                        "ttl_ms",
                        "value",
                        "dump_base64",
                        "id",
                        "part",
                        "last",
                        "export",
                    ]
                ),
                inner,
                max_size=6,
            )
        ),
        max_leaves=12,
    )
)
def test_any_json_is_a_record_or_a_reason(content: object) -> None:
    try:
        record = read_line(json.dumps(content).encode())
    except LineError as error:
        reason = str(error)
    else:
        assert record is None or isinstance(record.key, bytes)
        return
    assert reason.endswith(".")


def test_keys_have_two_forms() -> None:
    assert key_fields(b"a") == {"key": "a"}
    assert key_fields(b"\xff") == {"key_base64": "/w=="}
