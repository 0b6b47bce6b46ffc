import hashlib
import random
import subprocess
import sys

import pytest

from quayframe.errors import DigestInvalid
from quayframe.oci import hashing
from quayframe.oci.digest import Digest
from quayframe.oci.hashing import ResumableHash

ALGORITHMS = ["sha256", "sha512"]

pytestmark = pytest.mark.skipif(not hashing.available(), reason="this Python has no usable libcrypto")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_any_split_through_saved_states_gives_the_digest_of_the_whole(algorithm: str) -> None:
    chance = random.Random(7)
    for _ in range(300):
        content = chance.randbytes(chance.choice([0, 1, 63, 64, 65, 127, 128, 129, 5000]))
        running, rest = ResumableHash(algorithm), memoryview(content)
        while rest:
            piece, rest = (parts := chance.randint(0, len(rest))) and rest[:parts], rest[parts:]
            if piece:
                running.update(chance.choice([bytes, bytearray, memoryview])(piece))
            running = ResumableHash.restore(algorithm, running.state())
        assert running.digest() == Digest.of(content, algorithm)
        assert running.length == len(content)


def test_digest_does_not_end_the_hash() -> None:
    running = ResumableHash()
    running.update(b"one")
    assert running.digest() == running.digest() == Digest.of(b"one")
    running.update(b"two")
    assert running.digest() == Digest.of(b"onetwo")


def test_views_of_every_kind_are_hashed_alike_and_released() -> None:
    content = bytearray(range(256)) * 9000
    expected = Digest.of(content)
    whole = memoryview(content)
    for data in (bytes(content), content, whole, whole.toreadonly(), whole.cast("I")):
        running = ResumableHash()
        running.update(data)
        assert running.digest() == expected
    strided = ResumableHash()
    strided.update(whole[::3])
    assert strided.digest() == Digest.of(bytes(content[::3]))
    del data
    whole.release()
    content.append(0)  # BufferError while anybody held it


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_state_is_continued_by_another_process(algorithm: str) -> None:
    running = ResumableHash(algorithm)
    running.update(b"a" * 1000)
    program = (
        "import sys; from quayframe.oci.hashing import ResumableHash as R;"
        "h = R.restore(sys.argv[1], bytes.fromhex(sys.argv[2])); h.update(b'b' * 1000); print(h.digest())"
    )
    command = [sys.executable, "-c", program, algorithm, running.state().hex()]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert printed.strip() == Digest.of(b"a" * 1000 + b"b" * 1000, algorithm)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_changed_or_foreign_state_is_refused(algorithm: str) -> None:
    running = ResumableHash(algorithm)
    running.update(b"x" * 100)
    state = running.state()
    other = "sha512" if algorithm == "sha256" else "sha256"
    changed = [state[:i] + bytes([state[i] ^ 1]) + state[i + 1 :] for i in range(len(state))]
    for bad in [b"", b"x", state[:-1], state + b"x", bytes(len(state)), *changed]:
        with pytest.raises(ValueError, match="saved state"):
            ResumableHash.restore(algorithm, bad)
    with pytest.raises(ValueError, match="saved state"):
        ResumableHash.restore(other, state)


def test_a_pending_count_outside_the_block_is_refused_even_when_the_check_is_right() -> None:
    state = ResumableHash().state()
    body = bytearray(state[:-8])
    body[-8:-4] = (70).to_bytes(4, sys.byteorder)
    with pytest.raises(ValueError, match="damaged"):
        ResumableHash.restore("sha256", bytes(body) + hashlib.sha256(body).digest()[:8])


def test_without_libcrypto_the_class_refuses_to_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashing, "available", lambda: False)
    with pytest.raises(RuntimeError, match="libcrypto"):
        ResumableHash()


def test_an_unknown_algorithm_is_named() -> None:
    with pytest.raises(DigestInvalid, match="sha1"):
        ResumableHash("sha1")
