import hashlib

import pytest

from quayframe.errors import DigestInvalid
from quayframe.oci.digest import Digest, new_hash


@pytest.mark.parametrize(("algorithm", "length"), [("sha256", 64), ("sha512", 128)])
def test_a_digest_is_a_str_with_parts(algorithm: str, length: int) -> None:
    text = f"{algorithm}:{hashlib.new(algorithm, b'content').hexdigest()}"
    digest = Digest.parse(text)
    assert digest == text == Digest.of(b"content", algorithm)
    assert (digest.algorithm, len(digest.hex)) == (algorithm, length)
    assert {text: 1}[digest] == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sha256",
        "sha256:",
        "sha256:" + "a" * 63,
        "sha256:" + "a" * 65,
        "sha256:" + "A" * 64,
        "sha256:" + "g" * 64,
        "sha512:" + "a" * 64,
        "SHA256:" + "a" * 64,
        "sha256:" + "a" * 64 + "\n",
        " sha256:" + "a" * 64,
        "sha256:" + "\u0661" * 64,
        "x" * 100_000,
    ],
)
def test_malformed_digests_are_refused_in_a_short_line(text: str) -> None:
    with pytest.raises(DigestInvalid) as caught:
        Digest.parse(text)
    assert len(caught.value.text) < 200
    assert "\n" not in caught.value.text


def test_another_algorithm_is_named_beside_those_supported() -> None:
    with pytest.raises(DigestInvalid, match=r"sha384.*sha256 and sha512"):
        Digest.parse("sha384:" + "a" * 96)
    with pytest.raises(DigestInvalid, match="md5"):
        new_hash("md5")
