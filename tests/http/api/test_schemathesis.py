"""schemathesis over the whole description, with its default checks, as everybody: no answer of the server's
own fault, none outside the description, nothing let through without the right."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import requests
from fuzzing import ENDINGS, Target

SOAK = os.environ.get("QUAYFRAME_SOAK") == "1"
SECONDS = 150 if SOAK else 5
"""For each caller; 20 minutes in all with QUAYFRAME_SOAK=1."""
SECONDS_OF_ENDINGS = 45 if SOAK else 3
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


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    made = Target.make(tmp_path_factory.mktemp("fuzzing"), CONFIG)
    yield made
    made.server.stop()


@pytest.mark.parametrize("caller", CALLERS)
def test_every_answer_is_one_that_the_description_names(target: Target, caller: str) -> None:
    figures = target.run(caller, SECONDS)
    print(f"{caller}: {figures.cases} cases in {SECONDS} s")

    assert figures.status == 0, figures.failures
    assert figures.cases > 100, figures.output
    assert caller == "anonymous" or target.is_known(caller), "the caller lost its session or token on the way"


@pytest.mark.parametrize("caller", ["other by session", "orgadmin by token", "superuser by token"])
def test_what_ends_an_account_a_session_or_an_organization(target: Target, caller: str) -> None:
    figures = target.run(caller, SECONDS_OF_ENDINGS, only=ENDINGS)
    print(f"{caller}, endings: {figures.cases} cases in {SECONDS_OF_ENDINGS} s")

    assert figures.status == 0, figures.failures


def test_the_server_saw_no_fault_of_its_own(target: Target) -> None:
    assert requests.get(f"{target.server.url}/health/instance", timeout=30).status_code == 200
    assert "Traceback" not in target.server.log.read_text()
