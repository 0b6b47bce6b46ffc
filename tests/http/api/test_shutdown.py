"""A superuser ends a registry that `quayframe serve` runs."""

from __future__ import annotations

from pathlib import Path

import requests

from quayframe.testing.server import RegistryServer


def test_a_superuser_ends_the_registry(tmp_path: Path) -> None:
    config = {"FEATURE_USER_INITIALIZE": True, "SUPER_USERS": ["root"], "FEATURE_MAILING": False}
    registry = RegistryServer(tmp_path, config=config).start()
    try:
        first = {"username": "root", "password": "correct-horse", "email": "r@x.org", "access_token": True}
        made = requests.post(f"{registry.url}/api/v1/user/initialize", json=first, timeout=30)
        assert made.status_code == 200, made.text
        bearer = {"Authorization": f"Bearer {made.json()['access_token']}"}
        url = f"{registry.url}/api/v1/superuser/shutdown"
        rehearsed = requests.post(url, params={"dry_run": "1"}, headers=bearer, timeout=30)
        assert rehearsed.json()["dry_run"] is True
        answer = requests.post(url, headers=bearer, timeout=30)

        assert (answer.status_code, answer.json()) == (201, {})
        assert registry.process is not None
        assert registry.process.wait(60) == 0
    finally:
        registry.kill()
