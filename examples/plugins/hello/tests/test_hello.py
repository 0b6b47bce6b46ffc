"""The route and the command."""

from __future__ import annotations

import falcon
import falcon.testing
import quayframe_hello as plugin
from click.testing import CliRunner

from quayframe.testing import FakeHost

HOST = FakeHost("hello", config=plugin.Config(word="Servus"))


def test_the_route_greets_whom_the_query_names() -> None:
    app = falcon.App()
    for template, resource in plugin.quayframe_routes(HOST):
        app.add_route(f"/{template}", resource)
    client = falcon.testing.TestClient(app)
    assert client.simulate_get("/greeting", params={"name": "Ada"}).json == {"greeting": "Servus, Ada!"}
    assert client.simulate_get("/greeting").json == {"greeting": "Servus, you!"}


def test_the_command_greets_its_argument() -> None:
    (greet,) = plugin.quayframe_commands(HOST)
    assert CliRunner().invoke(greet, ["Ada"]).output == "Servus, Ada!\n"
