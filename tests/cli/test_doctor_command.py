"""quayframe doctor: what works, what does not, and its cure; without a secret in any line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
import requests
from certificates import authority
from object_servers import Seaweedfs
from servers import free_port

from quayframe.config import Settings
from quayframe.plugin.storage import NoSpace, Upload
from quayframe.services import doctor
from quayframe.services.doctor import FAILED, OK, WARNING, Answer
from quayframe.services.storage import Storage
from quayframe.testing.fakes_storage import FakeConfig, FakeStorage

SECRETS = {"SECRET_KEY": "secret-of-this-test-" * 2, "DATABASE_SECRET_KEY": "key-of-this-test-" * 3}


def examine(folder: Path, **config: Any) -> tuple[int, dict[str, dict[str, Any]], str]:
    """(exit status, answers by check, all that was printed)."""
    file = folder / "config.yaml"
    file.write_text(json.dumps({"FEATURE_MAILING": False} | SECRETS | config))
    done = run(file, folder / "data", "doctor", "--json")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return done.returncode, {line["check"]: line for line in lines}, done.stdout + done.stderr


def run(file: Path, data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "quayframe", *arguments, "--config", str(file), "--data", str(data)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=os.environ)


def states(found: dict[str, dict[str, Any]]) -> dict[str, str]:
    return {name: line["state"] for name, line in found.items()}


def test_a_new_laptop_can_start(tmp_path: Path) -> None:
    status, found, _ = examine(tmp_path)
    assert status == 0
    assert FAILED not in states(found).values()
    assert found["storage default"]["state"] == OK
    assert list((tmp_path / "data" / "storage").rglob("*.doctor-*")) == []


def test_a_server_without_its_schema_is_told_to_migrate(tmp_path: Path, postgresql: str) -> None:
    status, found, _ = examine(tmp_path, DB_URI=postgresql)
    assert status == 1
    assert found["schema"]["cure"] == "run: quayframe migrate"
    assert run(tmp_path / "config.yaml", tmp_path / "data", "migrate").returncode == 0
    status, found, _ = examine(tmp_path, DB_URI=postgresql)
    assert (status, found["schema"]["state"], found["clock"]["state"]) == (0, OK, OK)


def test_a_database_that_is_away_stops_no_other_check(tmp_path: Path) -> None:
    uri = f"postgresql://registry:hidden-word@127.0.0.1:{free_port()}/registry"
    status, found, printed = examine(tmp_path, DB_URI=uri)
    assert status == 1
    assert found["database"]["state"] == FAILED
    assert found["storage default"]["state"] == OK
    assert "hidden-word" not in printed


def test_another_key_is_noticed(tmp_path: Path) -> None:
    examine(tmp_path)
    file, data = tmp_path / "config.yaml", tmp_path / "data"
    assert run(file, data, "migrate").returncode == 0
    for command in (["user", "create", "ann"], ["robot", "create", "ann+bot"]):
        done = run(file, data, *command)
        assert done.returncode == 0, done.stderr
    status, found, printed = examine(tmp_path, DATABASE_SECRET_KEY="another" * 6)
    assert (status, found["keys"]["state"]) == (1, FAILED)
    assert "put the key back" in found["keys"]["cure"]
    assert "another" * 6 not in printed


def test_a_bucket_is_tried_with_its_signed_urls(tmp_path: Path, seaweedfs_server: Seaweedfs) -> None:
    right = seaweedfs_server.parameters("/doctor")
    config = {"right": ["S3Storage", right], "wrong": ["S3Storage", right | {"s3_secret_key": "not-the-key"}]}
    status, found, printed = examine(tmp_path, DISTRIBUTED_STORAGE_CONFIG=config)
    assert status == 1
    assert found["storage right"]["state"] == OK
    assert "signed URLs" in found["storage right"]["text"]
    assert found["storage wrong"]["state"] == FAILED
    assert right["s3_secret_key"] not in printed
    assert "not-the-key" not in printed


def test_another_clock_in_the_storage_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = requests.Response()
    answer.status_code, answer._content = 200, b"content"
    monkeypatch.setattr(requests, "get", lambda url, **options: answer)

    def ask(ahead_s: float) -> Answer | None:
        answer.headers["Date"] = formatdate(time.time() + ahead_s, usegmt=True)
        return doctor._fetch("http://storage.example.com/", b"content")

    assert ask(0) is None
    late = ask(600)
    assert late is not None
    assert (late.state, "s behind it" in late.text) == (WARNING, True)


class Full(FakeStorage):
    def commit(self, upload: Upload, key: str) -> str:
        raise NoSpace("no room left")


def test_a_storage_without_room_keeps_nothing_of_the_test(tmp_path: Path) -> None:
    backend = Full(FakeConfig(path=tmp_path / "storage"))
    storage = Storage({"a": backend}, ["a"])
    (line,) = doctor.run([("storage", lambda: doctor.location(storage, "a"))])
    assert line.answer.state == FAILED
    assert backend.sweep(1 << 62) == 0


def test_each_file_system_that_is_written_is_looked_at_once(tmp_path: Path) -> None:
    shared = Path("/dev/shm")
    if not shared.is_dir() or shared.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is one file system only")
    away = {
        "DISTRIBUTED_STORAGE_CONFIG": {"a": ["LocalStorage", {"storage_path": str(shared / "quayframe")}]}
    }
    settings = Settings.model_validate(away | {"DB_URI": f"sqlite:///{tmp_path}/rows.db"})
    assert doctor.folders(settings, tmp_path / "data") == [tmp_path / "data", shared / "quayframe"]


def test_a_key_that_others_may_read_is_noticed(tmp_path: Path) -> None:
    assert doctor.key_folder(tmp_path).state == OK
    (tmp_path / "instance.pem").touch(0o644)
    assert doctor.key_folder(tmp_path).cure == f"run: chmod 600 {tmp_path / 'instance.pem'}"


def test_a_wrong_configuration_is_named(tmp_path: Path) -> None:
    status, found, _ = examine(tmp_path, DISTRIBUTED_STORAGE_CONFIG={"a": ["LocalStorag", {}]})
    assert status == 1
    assert "LocalStorage" in found["configuration"]["text"]


def test_tls_files_are_held_against_each_other(tmp_path: Path) -> None:
    authority(tmp_path / "ca").issue(tmp_path / "ssl.cert", tmp_path / "ssl.key")
    # That of a test ends soon.
    assert examine(tmp_path)[1]["tls"]["state"] == WARNING
    authority(tmp_path / "ca").issue(tmp_path / "other.cert", tmp_path / "ssl.key")
    status, found, _ = examine(tmp_path)
    assert (status, found["tls"]["state"]) == (1, FAILED)


def test_a_mail_server_that_was_named_must_be_there(tmp_path: Path) -> None:
    away = {"FEATURE_MAILING": True, "MAIL_PORT": free_port(), "MAIL_USE_TLS": False}
    assert examine(tmp_path, **away)[1]["mail"]["state"] == WARNING
    status, found, _ = examine(tmp_path, MAIL_SERVER="127.0.0.1", **away)
    assert (status, found["mail"]["state"]) == (1, FAILED)


def test_a_check_that_hangs_stops_no_other() -> None:
    ended = threading.Event()

    def hang() -> Answer:
        ended.wait(60)
        return Answer(OK, "")

    def burst() -> Answer:
        raise ValueError("unforeseen")

    begun = time.monotonic()
    lines = list(doctor.run([("a", hang), ("b", burst), ("c", lambda: Answer(OK, "well"))], limit_s=0.2))
    ended.set()
    assert time.monotonic() - begun < 30
    assert [(line.name, line.answer.state) for line in lines] == [("a", FAILED), ("b", FAILED), ("c", OK)]


@pytest.mark.parametrize("as_json", [True, False])
def test_each_check_is_a_line(tmp_path: Path, as_json: bool) -> None:
    done = run(tmp_path / "none.yaml", tmp_path / "data", "doctor", *(["--json"] * as_json))
    assert done.returncode == 1
    assert len(done.stdout.splitlines()) == 1
    assert "none.yaml" in done.stdout
