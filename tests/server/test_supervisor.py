"""The processes of `quayframe serve`: what dies comes back, what stops ends its work, nothing is left."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from server_running import Launch, Running, answer, command_line, descendants, gone, wait_for

Spawn = Callable[..., "subprocess.Popen[str]"]


def test_port_zero_is_a_free_port_that_answers(launch: Launch, server: str) -> None:
    running = launch(server=server)

    assert running.port != 0
    assert running.get("/") == "hello"


def test_an_ipv6_address_is_served(launch: Launch, server: str) -> None:
    running = launch(server=server, host="::1")

    assert running.url.startswith("http://[::1]:")
    assert running.get("/") == "hello"


def test_a_killed_web_worker_comes_back(launch: Launch, server: str) -> None:
    running = launch(server=server)
    for _ in range(3):
        pid = running.pid()
        os.kill(pid, signal.SIGKILL)
        dead = ("", str(pid))

        def answered_by_another(dead: tuple[str, str] = dead) -> bool:
            return running.try_get("/pid") not in dead

        wait_for(answered_by_another)


def test_a_killed_web_server_comes_back_on_its_port_and_alone(launch: Launch, server: str) -> None:
    running = launch(server=server)
    beside = wait_for(lambda: running.child("sleep"))
    first = running.child("quayframe.server")
    old = descendants(first)
    os.kill(first, signal.SIGKILL)

    wait_for(lambda: running.child("quayframe.server") not in (0, first))
    wait_for(lambda: running.try_get("/") == "hello")
    assert running.child("sleep") == beside
    assert all(gone(pid) for pid in old)


def test_a_killed_background_worker_comes_back_alone(launch: Launch) -> None:
    running = launch()
    web = running.pid()
    first = wait_for(lambda: running.child("sleep"))
    os.kill(first, signal.SIGKILL)

    wait_for(lambda: running.child("sleep") not in (0, first))
    assert running.pid() == web


def _in_thread(work: Callable[[], object]) -> tuple[threading.Thread, list[object]]:
    results: list[object] = []
    thread = threading.Thread(target=lambda: results.append(work()))
    thread.start()
    return thread, results


def _busy(running: Running, path: str) -> bool:
    """Whether the application has begun: it is all that a connection of its own can tell."""
    return running.try_get(path) != ""


def test_a_stop_lets_an_answer_and_an_upload_in_flight_end(launch: Launch, server: str) -> None:
    running = launch(server=server)
    thread, slow = _in_thread(lambda: running.get("/slow"))
    upload = running.begin_upload(200_000, b"x" * 100_000)
    # one worker takes connections in order: when a later one is answered, the two above are under way
    assert _busy(running, "/")
    running.process.send_signal(signal.SIGTERM)
    wait_for(lambda: not _accepts(running))
    upload.sendall(b"x" * 100_000)

    assert answer(upload)[0] == 200
    thread.join(10)
    assert slow == ["slow but whole"]
    assert running.process.wait(10) == 0


def test_the_application_is_ended_after_its_last_answer(launch: Launch, server: str) -> None:
    running = launch(server=server)
    thread, slow = _in_thread(lambda: running.get("/slow"))
    assert _busy(running, "/")
    running.process.send_signal(signal.SIGTERM)
    assert running.process.wait(15) == 0
    thread.join(10)

    assert slow == ["slow but whole"]
    assert (running.data / "ended").read_text() == "/slow"


def _accepts(running: Running) -> bool:
    try:
        running.connect(1).close()
    except OSError:
        return False
    return True


def test_a_stop_does_not_wait_for_ever(launch: Launch, server: str) -> None:
    running = launch(server=server, stop_seconds=1)
    with running.begin_upload(200_000, b"x"):
        assert _busy(running, "/")
        running.process.send_signal(signal.SIGINT)
        running.process.wait(12)


def test_a_second_interrupt_stops_at_once(launch: Launch, server: str) -> None:
    running = launch(server=server, stop_seconds=60)
    left = descendants(running.process.pid)
    with running.begin_upload(200_000, b"x"):
        assert _busy(running, "/")
        running.process.send_signal(signal.SIGINT)
        wait_for(lambda: not _accepts(running))
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(5) == 0
    wait_for(lambda: all(gone(pid) for pid in left))


def test_nothing_outlives_a_killed_supervisor(launch: Launch, server: str) -> None:
    running = launch(server=server, workers=2)
    wait_for(lambda: running.child("sleep"))
    left = wait_for(lambda: pids if len(pids := descendants(running.process.pid)) >= 4 else None)
    running.process.kill()
    running.process.wait()

    wait_for(lambda: all(gone(pid) for pid in left), 5)


def test_only_one_part_runs_when_asked(launch: Launch, spawn: Spawn) -> None:
    web = launch(only="web")
    worker = spawn(only="worker")

    wait_for(lambda: any("sleep" in command_line(pid) for pid in descendants(worker.pid)))
    assert not any("quayframe.server" in command_line(pid) for pid in descendants(worker.pid))
    assert not any("sleep" in command_line(pid) for pid in descendants(web.process.pid))


def test_an_address_in_use_stops_the_start_in_one_line(spawn: Spawn, server: str) -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        process = spawn(server=server, port=taken.getsockname()[1])
        _, errors = process.communicate(timeout=20)

    assert process.returncode == 1
    assert "Address already in use" in errors
    assert len(errors.splitlines()) == 1


def test_an_application_that_cannot_be_made_stops_the_start(spawn: Spawn, server: str) -> None:
    process = spawn(server=server, env={"TEST_START_FAILS": "the plugin X is broken"})
    _, errors = process.communicate(timeout=30)

    assert process.returncode == 1
    assert errors.count("quayframe: cannot start: the plugin X is broken") == 1
    assert "Traceback" not in errors


def test_a_worker_process_that_cannot_start_stops_the_start(spawn: Spawn) -> None:
    process = spawn(worker_command=("sh", "-c", "exit 3"))
    _, errors = process.communicate(timeout=30)

    assert process.returncode == 1
    assert "the background worker cannot start" in errors


def test_the_metrics_folder_is_fresh_private_and_removed(launch: Launch, tmp_path: Path) -> None:
    stale = tmp_path / "run" / "metrics-4999999"
    stale.mkdir(parents=True)
    running = launch()
    folder = Path(running.get("/metrics-folder"))

    assert folder.parent.parent == tmp_path
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert not stale.exists()
    running.process.terminate()
    running.process.wait(10)
    assert not folder.exists()


@pytest.mark.parametrize("which", ["web server", "worker", "supervisor"])
def test_the_servers_processes_stay_small(launch: Launch, server: str, which: str) -> None:
    running = launch(server=server)
    pids = {
        "supervisor": running.process.pid,
        "web server": running.child("quayframe.server"),
        "worker": running.pid(),
    }
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pids[which]}/status").read_text().splitlines())

    # the whole process may have 90 MB; this leaves the application 50
    assert int(fields["VmRSS"].split()[0]) < 40 * 1024
