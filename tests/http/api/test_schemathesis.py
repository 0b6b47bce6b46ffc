"""schemathesis over the whole description, with its default checks, as everybody: no answer of the server's
own fault, none outside the description, nothing let through without the right."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import requests
import servers
from fuzzing import ENDINGS, OWN, Target

SOAK = os.environ.get("QUAYFRAME_SOAK") == "1"
SECONDS, SECONDS_OF_ENDINGS = (75, 25) if SOAK else (5, 2)
"""Of each caller on each database: 20 minutes in all with QUAYFRAME_SOAK=1."""
DATABASES = ("sqlite", "postgresql") if SOAK else ("sqlite",)
CONFIG = {"FRESH_LOGIN_TIMEOUT": "2h", "FEATURE_SUPERUSERS_FULL_ACCESS": True}
CALLERS = (
    "anonymous",
    "other by token",
    "other by session",
    "orgadmin by token",
    "orgadmin by session",
    "superuser by token",
    "superuser by session",
)


@pytest.fixture(scope="module", params=DATABASES)
def target(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    config = dict(CONFIG)
    if request.param == "postgresql":
        server: servers.Postgresql = request.getfixturevalue("postgresql_server")
        config["DB_URI"] = server.new_database()
    made = Target.make(tmp_path_factory.mktemp("fuzzing"), config)
    yield made
    made.server.stop()


@pytest.mark.parametrize("caller", CALLERS)
def test_every_answer_is_one_that_the_description_names(target: Target, caller: str) -> None:
    figures = target.run(caller, SECONDS)
    print(f"{caller}: {figures.cases} cases in {SECONDS} s")

    assert figures.status == 0, figures.failures
    assert figures.cases > (100 if SOAK else 0), figures.output
    assert caller == "anonymous" or target.is_known(caller), "the caller lost its session or token on the way"


@pytest.mark.parametrize("caller", ["orgadmin by token", "superuser by session"])
def test_so_are_the_answers_of_what_ends_things(target: Target, caller: str) -> None:
    figures = target.run(caller, SECONDS_OF_ENDINGS, only=ENDINGS)
    print(f"{caller}, endings: {figures.cases} cases in {SECONDS_OF_ENDINGS} s")

    assert figures.status == 0, figures.failures


@pytest.mark.parametrize("caller", ["other by session", "superuser by token"])
def test_so_are_the_answers_of_what_ends_ones_own_account(target: Target, caller: str) -> None:
    figures = target.run(caller, SECONDS_OF_ENDINGS, only=OWN)
    print(f"{caller}, own: {figures.cases} cases in {SECONDS_OF_ENDINGS} s")

    assert figures.status == 0, figures.failures


def test_the_server_saw_no_fault_of_its_own(target: Target) -> None:
    assert requests.get(f"{target.server.url}/health/instance", timeout=30).status_code == 200
    assert "Traceback" not in target.server.log.read_text()
