"""Web processes alone, with keys that expire after seconds: no push notices."""

from __future__ import annotations

import time

from protocol import Repo

from quayframe.testing.fixtures import MakeServer


def test_web_alone_extends_its_own_key_while_pushes_go_on(
    make_registry_server: MakeServer, soak: bool
) -> None:
    config = {"INSTANCE_SERVICE_KEY_EXPIRATION": "10s", "INSTANCE_SERVICE_KEY_REFRESH": "4s"}
    server = make_registry_server(config, ("--only", "web"))
    seconds = 60 if soak else 15
    name, end = "admin/steady", time.monotonic() + seconds
    old = server.session(server.admin, f"repository:{name}:push,pull")
    pushes = 0
    while time.monotonic() < end:
        begun = time.monotonic()
        fresh = server.session(server.admin, f"repository:{name}:push,pull")
        _, body = Repo(fresh, name, server.url).image(f"v{pushes}")
        # A token signed long before the key was last extended goes on, too.
        assert Repo(old, name, server.url).get(f"manifests/v{pushes}").content == body
        pushes += 1
        time.sleep(max(0.0, 1 - (time.monotonic() - begun)))

    assert pushes >= seconds // 2
