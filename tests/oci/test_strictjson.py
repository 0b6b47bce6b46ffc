import pytest

from quayframe.oci.strictjson import MAXIMUM_DEPTH, read_object


def nested(depth: int) -> bytes:
    return b'{"a":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        (b"", "Expecting value"),
        (b"[]", "an object is expected"),
        (b"null", "an object is expected"),
        (b"{} x", "Extra data"),
        (b'{"a":1,"a":1}', "duplicate key 'a'"),
        (b'{"x":[{"b":1,"\\u0062":1}]}', "duplicate key 'b'"),
        (b'\xef\xbb\xbf{"a":1}', "byte order mark"),
        (b'{"a":"\xff"}', "invalid UTF-8 at byte 6"),
        (b'{"a":"\xed\xa0\x80"}', "invalid UTF-8"),
        ('{"a":1}'.encode("utf-16"), "invalid UTF-8"),
        (b'{"a":NaN}', "NaN"),
        (b'{"a":-Infinity}', "Infinity"),
        (b'{"a":1e999}', "out of range"),
        (b'{"a":' + b"9" * 100_000 + b"}", "out of range"),
        (b'{"a":0.' + b"9" * 100_000 + b"}", "out of range"),
        (b'{"a":9223372036854775808}', "out of range"),
        (b'{"a":"\\ud800"}', "surrogate"),
        (b'{"\\udc00\\ud800":1}', "surrogate"),
        (b'{"a":"\n"}', "control character"),
        (nested(MAXIMUM_DEPTH + 1), "deeper than 64"),
        (nested(2_000_000), "deeper than 64"),
        (b'{"a":' * 500_000, "deeper than 64"),
    ],
)
def test_what_is_ambiguous_or_dangerous_is_refused_in_a_short_line(body: bytes, cause: str) -> None:
    with pytest.raises(ValueError, match=cause) as caught:
        read_object(body)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200


def test_what_the_limits_allow_is_read() -> None:
    read_object(nested(MAXIMUM_DEPTH))
    assert read_object(b'{"a":"\\ud83d\\ude00"}') == {"a": "\U0001f600"}
    assert read_object(b'{"a":9223372036854775807,"b":-1.5e3}') == {"a": 2**63 - 1, "b": -1500.0}
    assert len(read_object(b'{"a":[' + b"[]," * 1000 + b"[]]}")["a"]) == 1001
