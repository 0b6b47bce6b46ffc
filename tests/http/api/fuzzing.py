"""A registry that schemathesis is let loose on: full of people, served by its real server, one caller at a
time."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from access_arguments import DEFAULTS, fill
from api_client import PASSWORD
from described import strict
from tenancy_world import CONFIG, World

from quayframe.testing.server import RegistryServer

DESCRIPTION = "description.json"
"""In the server's folder."""
COOKIE = "_csrf_token"
"""SESSION_COOKIE_NAME."""
USERS = ("other", "orgadmin", "superuser")
SCOPES = "repo:read repo:write repo:admin repo:create user:read user:admin org:admin super:user"
ENDINGS = (
    "changeInstallUser", "deleteAdminedOrganization", "deleteInstallUser", "deleteOrganization",
    "deleteOrganizationTeam", "deleteRepository", "deleteUserAuthorization", "takeOwnership",
)  # fmt: skip
"""What may end the things that all the rest is about: it comes after that."""
OWN = (
    "changeUserDetails", "convertUserToOrganization", "deleteCurrentUser", "logout", "signinUser",
    "verifyUser",
)  # fmt: skip
"""What may end the caller's own session or account: it comes last."""
DRY = ("scShutdownContainer",)
"""What would end the server: only ever as a dry run."""

# schemathesis's own, and 400: names that are taken or unknown, guards of the last admin, page tokens of
# somebody else keep the schema and are refused all the same; 410: what is gone for good.
ACCEPTED = ["2xx", "3xx", "400", "401", "403", "404", "409", "410", "429", "5xx"]


@dataclass(frozen=True)
class Figures:
    """What one run did: schemathesis's exit status, and all that it said."""

    status: int
    output: str

    @property
    def cases(self) -> int:
        found = re.search(r"(\d+) generated", self.output)
        return int(found[1]) if found else 0

    @property
    def failures(self) -> str:
        """From the first failure on; all of it where there is none."""
        found = re.search(r"^=+ (FAILURES|ERRORS) =+$", self.output, re.MULTILINE)
        return self.output[found.start() :] if found else self.output


@dataclass(frozen=True)
class Caller:
    """What a caller sends: headers, and the cookie of a browser's session."""

    headers: dict[str, str] = field(default_factory=dict)
    cookie: str | None = None


@dataclass
class Target:
    """A served world, and its callers by name."""

    server: RegistryServer
    callers: dict[str, Caller]
    dictionaries: dict[str, list[str]]

    @classmethod
    def make(cls, folder: Path, config: dict[str, Any]) -> Target:
        """The world is made in this process, and then served by processes of its own."""
        keys = {"SECRET_KEY": "1" * 40, "DATABASE_SECRET_KEY": "2" * 40}
        world = World(folder, config)
        try:
            callers = {"anonymous": Caller()}
            for name in USERS:
                callers[f"{name} by token"] = Caller(world.oauth(name, SCOPES).headers)
                callers[f"{name} by session"] = _session(world, name)
            names = _names(world)
        finally:
            world.close()
        server = RegistryServer(folder, keys | CONFIG | config).start()
        description = requests.get(f"{server.url}/api/v1/discovery?internal=true", timeout=30).json()
        (folder / DESCRIPTION).write_text(json.dumps(strict(description)))
        return cls(server, callers, names)

    def run(self, name: str, seconds: int, *, only: tuple[str, ...] = ()) -> Figures:
        """Lets schemathesis loose on every operation but ENDINGS and OWN, or on `only` these."""
        caller = self.callers[name]
        config = self.server.folder / "schemathesis.toml"
        config.write_text(self._config(caller))
        chosen = "include" if only else "exclude"
        command = [
            sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "--no-color",
            "run", DESCRIPTION, "--url", self.server.url,
            "--max-time", str(seconds), "--continue-on-failure",
            *(part for ident in only or ENDINGS + OWN for part in (f"--{chosen}-operation-id", ident)),
            *(part for key, value in caller.headers.items() for part in ("-H", f"{key}: {value}")),
        ]  # fmt: skip
        done = subprocess.run(
            command,
            cwd=self.server.folder,
            capture_output=True,
            text=True,
            timeout=seconds * 2 + 120,
            check=False,
        )
        return Figures(done.returncode, done.stdout + done.stderr)

    def is_known(self, name: str) -> bool:
        """Whether the registry still takes this caller for somebody."""
        caller = self.callers[name]
        headers = caller.headers | ({"Cookie": f"{COOKIE}={caller.cookie}"} if caller.cookie else {})
        return requests.get(f"{self.server.url}/api/v1/user/", headers=headers, timeout=30).status_code == 200

    def _config(self, caller: Caller) -> str:
        """schemathesis.toml. JSON's texts and lists are TOML's as well."""
        session = (
            ["[auth.openapi.session]", f"api_key = {json.dumps(caller.cookie)}"] if caller.cookie else []
        )
        lists = [f"{name} = {{ values = {json.dumps(known)} }}" for name, known in self.dictionaries.items()]
        bound = [
            f'"path.{name}" = {{ dictionary = "{name}", probability = 0.7 }}'
            for name in self.dictionaries
            if name != "names"
        ]
        lines = [
            *session,
            "[dictionaries]",
            *lists,
            "[parameters]",
            *bound,
            "[generation]",
            'database = "none"',
            "[generation.dictionaries]",
            'string = { dictionary = "names", probability = 0.2 }',
            "[checks.positive_data_acceptance]",
            f"expected-statuses = {json.dumps(ACCEPTED)}",
        ]
        for ident in DRY:
            lines += [
                "[[operations]]",
                f'include-operation-id = "{ident}"',
                'parameters = { "query.dry_run" = "1" }',
            ]
        return "\n".join(lines) + "\n"


def _session(world: World, name: str) -> Caller:
    begun = world.session(name)
    return Caller({"X-CSRF-Token": begun.csrf or ""}, (begun.cookie or "").partition("=")[2])


def _names(world: World) -> dict[str, list[str]]:
    """Values of path parameters that are there, for the operations to get somewhere."""
    facts = [world.facts | world.of["acme"] | mine for mine in world.mine.values()]
    values = {
        name: sorted({fill(value, known) for known in facts if value[0] != "{" or value[1:-1] in known})
        for name, value in DEFAULTS.items()
    }
    values |= {
        "orgname": ["acme", "rival"],
        "namespace": ["acme", "other", "rival"],
        "repository": ["acme/app", "acme/pub", "other/own", "orgadmin/own"],
        "teamname": ["guests", "crew", "makers"],
        "username": ["victim", "reader", "newcomer", "acme+bot", "orgadmin"],
        "membername": ["victim", "newcomer", "acme+bot"],
        "name": ["acme", "rival"],
    }
    names = [
        "acme",
        "other",
        "victim",
        "guests",
        "acme+bot",
        "acme/app",
        "read",
        "https://app.test/",
        PASSWORD,
    ]
    return values | {"names": names}
