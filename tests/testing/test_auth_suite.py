"""The suite for auth providers: the fake passes it, and each wrong fake fails in the right test."""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from wrong_auths import WRONG

from quayframe.testing.auth import AuthCase, AuthSuite
from quayframe.testing.fakes_auth import FakeAuth, FakeAuthConfig, FakePerson

HERE = Path(__file__).parent

MODULE = """
import pytest
import wrong_auths
from test_auth_suite import case_of
from quayframe.testing import AuthSuite

class TestWrong(AuthSuite):
    @pytest.fixture
    def case(self):
        return case_of(wrong_auths.{name})
"""


def case_of(cls: type[FakeAuth]) -> AuthCase:
    people = {
        "ada": FakePerson.model_validate(
            {"password": "Lovelace 1815", "email": "ada@example.com", "groups": ("makers",)}
        ),
        "alan": FakePerson.model_validate({"password": "Turing 1912"}),
        "amy": FakePerson.model_validate({"password": "out of here", "disabled": True}),
    }
    return AuthCase(
        cls(FakeAuthConfig(people=people)),
        username="ada",
        password="Lovelace 1815",
        email="ada@example.com",
        disabled=("amy", "out of here"),
        group="makers",
    )


class TestFakeAuth(AuthSuite):
    @pytest.fixture
    def case(self) -> AuthCase:
        return case_of(FakeAuth)


@pytest.mark.parametrize("cls", WRONG, ids=lambda cls: cls.__name__)
def test_the_suite_finds_what_is_wrong_and_nothing_else(cls: type[FakeAuth], tmp_path: Path) -> None:
    (tmp_path / "test_wrong.py").write_text(MODULE.format(name=cls.__name__))
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    report = tmp_path / "report.xml"
    command = [sys.executable, "-m", "pytest", "-p", "no:quayframe", "-q", "--tb=no"]
    command += [f"--junitxml={report}", "test_wrong.py"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parents[1])])}
    environment.pop("PYTEST_ADDOPTS", None)
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert report.exists(), done.stdout + done.stderr
    cases = ET.parse(report).iter("testcase")
    failed = {c.get("name", "").split("[")[0] for c in cases if c.find("failure") is not None}
    assert failed == WRONG[cls]
