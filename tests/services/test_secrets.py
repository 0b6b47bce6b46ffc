"""Secrets at rest, and passwords."""

from __future__ import annotations

import threading
import time
from typing import Any

import bcrypt
import pytest

from quayframe.errors import TooManyRequests
from quayframe.services import passwords
from quayframe.services.crypto import SecretBox, new_token, same, stretch
from quayframe.services.passwords import PasswordChecker, hash_password


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("255", b"\xff" * 32),
        ("15", b"\x0f" * 32),
        ("00112233-4455-6677-8899-aabbccddeeff", bytes.fromhex("00112233445566778899aabbccddeeff") * 2),
        ("abc", b"abc" * 10 + b"ab"),
        ("x" * 50, b"x" * 32),
        ("ü", b"\xfc" * 32),
    ],
)  # fmt: skip
def test_a_configured_key_is_stretched_to_32_bytes(key: str, expected: bytes) -> None:
    assert stretch(key) == expected


def test_a_number_of_an_odd_count_of_hexadecimal_digits_is_taken_as_text() -> None:
    """So it is in the databases that are brought along: 256 is 100 in hexadecimal."""
    assert stretch("256") == b"256" * 10 + b"25"


def test_what_is_sealed_is_opened_by_the_same_key_alone() -> None:
    box, other = SecretBox("one key"), SecretBox("another")
    for text in ("", "secret", "ünï©ode", "x" * 10_000):
        sealed = box.encrypt(text)
        assert sealed.startswith("v0$$")
        assert box.decrypt(sealed) == text
        assert other.decrypt(sealed) is None
    assert box.encrypt("same") != box.encrypt("same")


@pytest.mark.parametrize("change", ["", "v0$$", "v0$$!!!!", "v0$$AAAA", "plain", "v1$$QUFB"])
def test_what_is_no_sealed_text_is_not_opened(change: str) -> None:
    assert SecretBox("key").decrypt(change) is None


def test_a_sealed_text_that_was_changed_is_not_opened() -> None:
    box = SecretBox("key")
    sealed = box.encrypt("secret")
    for at in range(4, len(sealed), 5):
        other = "A" if sealed[at] != "A" else "B"
        assert box.decrypt(sealed[:at] + other + sealed[at + 1 :]) is None


def test_a_lookup_is_the_same_for_the_same_key_alone() -> None:
    assert SecretBox("key").lookup("token") == SecretBox("key").lookup("token")
    assert SecretBox("key").lookup("token") != SecretBox("other").lookup("token")
    assert SecretBox("key").lookup("token") != SecretBox("key").lookup("Token")
    assert len(SecretBox("key").lookup("token")) == 64


def test_tokens_are_long_and_never_the_same() -> None:
    tokens = {new_token(64) for _ in range(100)}

    assert len(tokens) == 100
    assert all(len(t) == 64 and t.isalnum() and t == t.upper() for t in tokens)
    assert same("ä", "ä")
    assert not same("a", "b")


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    made = bcrypt.gensalt
    monkeypatch.setattr(bcrypt, "gensalt", lambda *_: made(4))


@pytest.mark.usefixtures("cheap")
@pytest.mark.parametrize("password", ["correct-horse", "x" * 72, "x" * 73, "ü" * 200])
def test_a_password_is_told_from_all_others(password: str) -> None:
    stored = hash_password(password)
    checker = PasswordChecker()

    assert checker.check(password, stored)
    # A long one counts to its last character.
    assert not checker.check(password[:-1] + "y", stored)
    assert not checker.check(password + "z", stored)
    assert not checker.check("", stored)


def test_no_user_and_no_hash_is_never_right() -> None:
    checker = PasswordChecker()

    assert not checker.check("anything", None)
    for stored in ("", "nonsense", "$2b$nonsense", "$1$md5$abc"):
        assert not checker.check("anything", stored or "x")


def test_a_hash_of_the_original_is_understood() -> None:
    stored = bcrypt.hashpw(b"password", bcrypt.gensalt(4, b"2a")).decode()

    assert PasswordChecker().check("password", stored)


@pytest.mark.usefixtures("cheap")
def test_a_verified_password_is_remembered_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    checked = bcrypt.checkpw

    def count(*args: Any) -> bool:
        calls.append("check")
        return checked(*args)

    monkeypatch.setattr(bcrypt, "checkpw", count)
    stored, checker = hash_password("correct-horse"), PasswordChecker()
    assert [checker.check("correct-horse", stored) for _ in range(3)] == [True] * 3
    assert len(calls) == 1
    # Bound to the stored hash: a changed password ends it; a wrong one is never remembered.
    assert not checker.check("correct-horse", hash_password("another-one"))
    assert [checker.check("wrong-horse", stored) for _ in range(2)] == [False] * 2
    assert len(calls) == 4
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + passwords.REMEMBER_S + 1)
    assert checker.check("correct-horse", stored)
    assert len(calls) == 5


@pytest.mark.usefixtures("cheap")
def test_more_checks_than_may_wait_are_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    gate, inside = threading.Event(), threading.Semaphore(0)
    active: list[int] = []
    most: list[int] = []

    def slow(*args: Any) -> bool:
        active.append(1)
        most.append(len(active))
        inside.release()
        assert gate.wait(20)
        active.pop()
        return True

    monkeypatch.setattr(bcrypt, "checkpw", slow)
    checker, stored = PasswordChecker(at_once=2, waiting=3), hash_password("correct-horse")
    results: list[bool] = []
    threads = [
        threading.Thread(target=lambda n=n: results.append(checker.check(f"password-{n}", stored)))
        for n in range(5)
    ]
    for thread in threads:
        thread.start()
    for _ in range(2):
        assert inside.acquire(timeout=20)
    tick = threading.Event()
    while checker._room._value:
        tick.wait(0.005)
    with pytest.raises(TooManyRequests):
        checker.check("one-too-many", stored)
    gate.set()
    for thread in threads:
        thread.join(20)
    assert results == [True] * 5
    assert max(most) == 2
