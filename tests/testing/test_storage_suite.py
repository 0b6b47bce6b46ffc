"""The storage suite fails on each wrong back end, in the test that is about what is wrong."""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

HERE = Path(__file__).parent

EXPECTED = {
    "OverwritingStorage": {
        "test_the_same_value_appended_to_twice_gives_two_values_with_their_own_bytes",
        "test_appends_at_once_to_one_value_each_keep_their_bytes",
        "test_two_processes_that_append_at_once_each_keep_their_bytes",
    },
    "OnceOnlyStorage": {
        "test_commit_may_be_repeated",
        "test_commits_at_once_of_one_value_all_succeed",
        "test_a_kill_after_this_call_loses_nothing_that_was_answered",
    },
    "EndlessStorage": {
        "test_a_range_is_read_from_start_to_before_stop",
        "test_a_range_goes_over_the_seams_of_chunks",
    },
    "GreedyStorage": {"test_sweep_keeps_uploads_that_were_touched_since"},
    "TalkativeStorage": {"test_uploads_are_not_among_the_keys"},
    "LateStorage": {
        "test_read_of_a_missing_object_raises_at_the_call",
        "test_a_deleted_object_is_gone",
    },
    "HoardingStorage": {"test_an_append_holds_little_of_its_stream_in_memory"},
}

MODULE = """
import pytest
import wrong_storages
from quayframe.testing import BackendFactory, StorageSuite

class TestWrong(StorageSuite):
    many_chunks = 20

    @pytest.fixture
    def make_backend(self, tmp_path):
        return BackendFactory(wrong_storages.{name}, {{"path": str(tmp_path / "storage.sqlite")}})
"""


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_the_suite_finds_what_is_wrong_and_nothing_else(tmp_path: Path, name: str) -> None:
    (tmp_path / "test_wrong.py").write_text(MODULE.format(name=name))
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    report = tmp_path / "report.xml"
    command = [sys.executable, "-m", "pytest", "-p", "no:quayframe", "-q", "--tb=no"]
    command += [f"--junitxml={report}", "test_wrong.py"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parents[1])])}
    environment.pop("PYTEST_ADDOPTS", None)
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert report.exists(), done.stdout + done.stderr
    cases = list(ET.parse(report).iter("testcase"))
    assert len(cases) > 60
    failed = {c.get("name", "").split("[")[0] for c in cases if len(c)}
    assert failed == EXPECTED[name]
