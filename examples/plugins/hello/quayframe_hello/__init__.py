"""Greets, over the API and on the command line."""

from __future__ import annotations

import click
import falcon
from pydantic import BaseModel, ConfigDict

from quayframe.plugin import PUBLIC, Host, hookimpl

quayframe_api = (1, 0)


class Config(BaseModel):
    """What the operator may set under PLUGIN_CONFIG."""

    model_config = ConfigDict(extra="forbid")

    word: str = "Hello"


class Greeting:
    """GET /api/plugins/hello/greeting?name=Ada"""

    access = {"GET": PUBLIC}

    def __init__(self, word: str) -> None:
        self._word = word

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.media = {"greeting": f"{self._word}, {req.get_param('name', default='you')}!"}


@hookimpl
def quayframe_routes(host: Host) -> list[tuple[str, object]]:
    return [("greeting", Greeting(host.config.word))]


@hookimpl
def quayframe_commands(host: Host) -> list[click.Command]:
    @click.command()
    @click.argument("name")
    def greet(name: str) -> None:
        """Greets NAME."""
        click.echo(f"{host.config.word}, {name}!")

    return [greet]
