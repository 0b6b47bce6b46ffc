"""Log-ins at the token service: who is let in, who must wait, and that nobody can lock others out."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bcrypt
import pytest
import requests
from protocol import HOST, Protocol, code

from quayframe.data import tables
from quayframe.services.principal import SYSTEM

PASSWORD = "correct-horse"
WRONG = "Invalid Username or Password"


@pytest.fixture(scope="module")
def cheap() -> Iterator[None]:
    """Hashes of the fewest rounds: what is tested here is not how long they take."""
    with pytest.MonkeyPatch.context() as patch:
        made = bcrypt.gensalt
        patch.setattr(bcrypt, "gensalt", lambda *_, **__: made(4))
        yield


@pytest.fixture(scope="module")
def protocol(tmp_path_factory: pytest.TempPathFactory, cheap: None) -> Iterator[Protocol]:
    made = Protocol(tmp_path_factory.mktemp("registry"), {"TRUSTED_PROXIES": ["10.0.0.0/8"]})
    yield made
    made.close()


@pytest.fixture
def user(protocol: Protocol) -> str:
    return protocol.user(password=PASSWORD).name


def login(
    protocol: Protocol, name: str, password: str, address: str = "192.0.2.1", **headers: str
) -> requests.Response:
    session = protocol.session(address=address)
    basic = base64.b64encode(f"{name}:{password}".encode()).decode()
    return session.get(
        f"http://{HOST}/v2/auth",
        params={"service": HOST},
        headers={"Authorization": f"Basic {basic}"} | headers,
    )


def forget(protocol: Protocol) -> None:
    protocol.registry.db.write(lambda tx: tx.run(tables.LoginFailure.delete()))


@pytest.fixture(autouse=True)
def fresh(protocol: Protocol) -> None:
    forget(protocol)


def test_a_user_logs_in_by_name_or_by_email(protocol: Protocol) -> None:
    protocol.registry.accounts.create_user(SYSTEM, "mailed", PASSWORD, "mailed@example.com")
    for name in ("mailed", "mailed@example.com"):
        assert login(protocol, name, PASSWORD).status_code == 200


def test_a_robot_logs_in_by_its_token(protocol: Protocol, user: str) -> None:
    token = protocol.registry.tenancy.robots.create(SYSTEM, user, "ci").token or ""

    assert login(protocol, f"{user}+ci", token).status_code == 200
    answer = login(protocol, f"{user}+ci", token[:-1])
    assert (answer.status_code, code(answer)) == (401, "UNAUTHORIZED")
    assert f"{user}+ci" in answer.json()["errors"][0]["message"]


@pytest.mark.parametrize("name", ["{}", "nobody-of-this-name", "$token", "NOT A NAME", "x" * 5000])
def test_a_wrong_password_and_an_unknown_name_are_told_alike(
    protocol: Protocol, user: str, name: str
) -> None:
    answer = login(protocol, name.format(user), "wrong-password")

    assert (answer.status_code, code(answer)) == (401, "UNAUTHORIZED")
    assert answer.json()["errors"][0]["message"] == WRONG
    assert answer.headers["WWW-Authenticate"].startswith("Bearer realm=")


@pytest.mark.parametrize(
    "header",
    ["Basic", "Basic !!", "Basic YQ==", "Bearer a.b.c", "Basic Omhp", "Basic /w==", "Basic YQBiOnBhc3N3b3Jk"],
)
def test_credentials_that_are_none_are_refused(protocol: Protocol, header: str) -> None:
    answer = protocol.session().get(f"http://{HOST}/v2/auth", headers={"Authorization": header})

    assert (answer.status_code, code(answer)) == (401, "UNAUTHORIZED")


def test_an_organization_cannot_log_in(protocol: Protocol, user: str) -> None:
    maker = protocol.registry.accounts.principal(protocol.registry.accounts.get(user))
    protocol.registry.db.write(
        lambda tx: protocol.registry.accounts.add_organization(tx, maker, f"{user}-org")
    )

    assert login(protocol, f"{user}-org", PASSWORD).status_code == 401


def test_a_disabled_user_cannot_log_in(protocol: Protocol, user: str) -> None:
    protocol.registry.accounts.set_enabled(SYSTEM, user, False)

    assert login(protocol, user, PASSWORD).status_code == 401


def test_after_a_wrong_password_even_the_right_one_must_wait(protocol: Protocol, user: str) -> None:
    assert login(protocol, user, "wrong-password").status_code == 401
    answer = login(protocol, user, PASSWORD)

    assert (answer.status_code, code(answer)) == (429, "TOOMANYREQUESTS")
    assert int(answer.headers["Retry-After"]) >= 1


def test_each_wrong_password_makes_the_wait_longer(
    protocol: Protocol, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = []
    clock = Clock(monkeypatch)
    for _ in range(5):
        assert login(protocol, user, "wrong-password").status_code == 401
        wait = int(login(protocol, user, PASSWORD).headers["Retry-After"])
        waits.append(wait)
        clock.pass_s(wait + 1)

    assert waits == sorted(waits)
    assert waits[-1] >= 15
    assert login(protocol, user, PASSWORD).status_code == 200
    # The right password ends the account's wait.
    assert login(protocol, user, PASSWORD).status_code == 200


class Clock:
    """The clock of log-ins, which a test moves on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from quayframe.services import clock, logins

        real = clock.now_ms
        self._on = 0
        monkeypatch.setattr(logins, "now_ms", lambda: real() + self._on)

    def pass_s(self, seconds: float) -> None:
        self._on += int(seconds * 1000)


def test_nobody_locks_an_account_out_from_another_address(protocol: Protocol, user: str) -> None:
    for _ in range(3):
        login(protocol, user, "wrong-password", "192.0.2.66")
    assert login(protocol, user, PASSWORD, "192.0.2.66").status_code == 429

    assert login(protocol, user, PASSWORD, "192.0.2.77").status_code == 200


def test_one_wrong_account_does_not_stop_another_at_the_same_address(protocol: Protocol, user: str) -> None:
    other = protocol.user(password=PASSWORD).name
    login(protocol, user, "wrong-password")

    assert login(protocol, other, PASSWORD).status_code == 200


def test_an_address_that_tries_many_accounts_must_wait(protocol: Protocol, user: str) -> None:
    for number in range(21):
        login(protocol, f"guess-{number}", "wrong-password", "192.0.2.99")

    assert login(protocol, user, PASSWORD, "192.0.2.99").status_code == 429
    assert login(protocol, user, PASSWORD, "192.0.2.98").status_code == 200


def test_the_address_is_what_a_trusted_proxy_says(protocol: Protocol, user: str) -> None:
    def by(client: str, peer: str = "10.1.2.3") -> int:
        return login(protocol, user, PASSWORD, peer, **{"X-Forwarded-For": client}).status_code

    login(protocol, user, "wrong-password", "10.1.2.3", **{"X-Forwarded-For": "203.0.113.5"})

    assert by("203.0.113.5") == 429
    assert by("203.0.113.6") == 200
    # What the client itself put in front of its address does not count.
    assert by("198.51.100.1, 203.0.113.5") == 429


def test_the_address_is_not_what_anybody_says(protocol: Protocol, user: str) -> None:
    login(protocol, user, "wrong-password", "192.0.2.5", **{"X-Forwarded-For": "203.0.113.5"})

    answer = login(protocol, user, PASSWORD, "192.0.2.5", **{"X-Forwarded-For": "203.0.113.99"})
    assert answer.status_code == 429
    assert login(protocol, user, PASSWORD, "203.0.113.5").status_code == 200


def test_too_many_passwords_at_once_are_told_to_come_back(
    protocol: Protocol, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, entered = threading.Event(), threading.Semaphore(0)
    checked = bcrypt.checkpw
    running: list[int] = []
    most: list[int] = []

    def slow(*args: Any) -> bool:
        running.append(1)
        most.append(len(running))
        entered.release()
        assert gate.wait(30)
        running.pop()
        return checked(*args)

    monkeypatch.setattr(bcrypt, "checkpw", slow)
    checker = protocol.registry.accounts._checker
    room = checker._room._initial_value  # type: ignore[attr-defined]
    statuses: list[int] = []

    def one(number: int) -> None:
        answer = login(protocol, user, PASSWORD, f"192.0.2.{number}")
        statuses.append(answer.status_code)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(room)]
    for thread in threads:
        thread.start()
    assert entered.acquire(timeout=20)
    deadline = threading.Event()
    for _ in range(500):
        if checker._room._value == 0:
            break
        deadline.wait(0.01)
    late = login(protocol, user, "another-password", "198.51.100.9")
    gate.set()
    for thread in threads:
        thread.join(30)

    assert (late.status_code, code(late)) == (429, "TOOMANYREQUESTS")
    assert int(late.headers["Retry-After"]) >= 1
    assert set(statuses) == {200}
    assert max(most) <= checker._turn._initial_value  # type: ignore[attr-defined]


def test_robots_may_be_switched_off_but_for_some(
    make_protocol: Callable[..., Protocol], tmp_path: Path
) -> None:
    uri = f"sqlite:///{tmp_path}/shared.db"
    before = make_protocol(DB_URI=uri)
    before.user("owner")
    tokens = {
        short: before.registry.tenancy.robots.create(SYSTEM, "owner", short).token or ""
        for short in ("good", "bad")
    }
    protocol = make_protocol(DB_URI=uri, ROBOTS_DISALLOW=True, ROBOTS_WHITELIST=["owner+good"])

    assert login(protocol, "owner+good", tokens["good"]).status_code == 200
    assert login(protocol, "owner+bad", tokens["bad"]).status_code == 401


def test_a_log_in_is_in_the_log(protocol: Protocol, user: str) -> None:
    login(protocol, user, PASSWORD)
    row = tables.EventRow
    kinds = protocol.registry.db.rows(row.select(row.kind, row.data).order_by(row.id.desc()).limit(1))

    assert kinds[0][0] == "login_success"
    assert user in kinds[0][1]
