"""Every operation of the API asked for by who may: access.csv says who, access_arguments with what."""

from __future__ import annotations

import csv
from pathlib import Path
from urllib.parse import quote

from access_arguments import ARGUMENTS, DEFAULTS, Arguments, fill
from api_client import ApiWorld, Result
from tenancy_world import World

from quayframe.http.api import routes
from quayframe.http.api.operation import Operation
from quayframe.http.request import Callers
from quayframe.http.router import Router

TABLE = Path(__file__).parents[2] / "access.csv"
ASKED = ("superuser", "orgadmin", "victim", "readonly", "anonymous")
"""Who is asked for, the first that the table lets in."""

Route = tuple[str, str, Operation]


def declared(world: ApiWorld) -> list[Route]:
    """(method, path, operation) of all that is on."""
    api = routes.add_all(Router(), world.registry, Callers(world.registry, []))
    return [
        (method, resource.path, one)
        for resource in api.resources
        for method, one in resource.operations.items()
        if method != "HEAD" and api.is_on(one)
    ]


def allowed() -> dict[str, str]:
    """By operation: somebody who may do it."""
    lines = [line for line in TABLE.read_text().splitlines() if line and not line.startswith("#")]
    header, *cells = [[cell.strip() for cell in line] for line in csv.reader(lines)]
    found: dict[str, str] = {}
    for line in cells:
        row = dict(zip(header, line, strict=True))
        who = next((name for name in ASKED if row.get(name) in ("allowed", "410")), None)
        if who is not None and row["case"] == "":
            found[row["operation"]] = who
    return found


def ask(world: World, route: Route, who: str, **query: str) -> Result:
    """The operation with valid arguments, and what else is put into its query."""
    method, path, one = route
    arguments = ARGUMENTS.get(one.ident, Arguments())
    facts = world.facts | world.of["acme"] | world.mine[who if who in world.mine else "other"]
    for field, value in (DEFAULTS | arguments.path).items():
        path = path.replace(f"{{{field}}}", quote(fill(value, facts), safe="/@+"))
    caller = world.anonymous if who == "anonymous" else world.signed_in(who)
    return caller.do(method, path, fill(arguments.body, facts), params=fill(arguments.query, facts) | query)
