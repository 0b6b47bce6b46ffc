"""The clients that load a registry: wrk, blobclient.py, skopeo."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.content import MANIFEST
from bench.subjects import REPOSITORY, Subject

_RATE = re.compile(r"Requests/sec:\s*([0-9.]+)")
_COUNT = re.compile(r"(\d+) requests in ")
_P99 = re.compile(r"\s99%\s+([0-9.]+)(us|ms|s)\b")
_WRONG = re.compile(r"Non-2xx or 3xx responses: (\d+)")
_ERRORS = re.compile(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)")
_CLIENT = Path(__file__).with_name("blobclient.py")


@dataclass(frozen=True)
class Load:
    """What wrk saw: requests per second, 99th percentile in milliseconds, requests in all, and those that
    failed."""

    rate: float
    p99_ms: float
    requests: int
    failed: int


def wrk(url: str, headers: dict[str, str], connections: int, seconds: int) -> Load:
    """Asks one URL over so many connections."""
    command = wrk_command(url, {"Accept": f"{MANIFEST}, */*"} | headers, connections, seconds)
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 30, check=False)
    return wrk_result(done.stdout + done.stderr)


def wrk_command(
    url: str, headers: dict[str, str], connections: int, seconds: int, script: Path | None = None
) -> list[str]:
    command = ["wrk", f"-t{min(2, connections)}", f"-c{connections}", f"-d{seconds}s", "--latency"]
    for key, value in headers.items():
        command += ["-H", f"{key}: {value}"]
    return [*command, *(["-s", str(script)] if script else []), url]


def wrk_result(said: str) -> Load:
    """Of what it printed. Raises RuntimeError."""
    rate, count = _RATE.search(said), _COUNT.search(said)
    if rate is None or count is None:
        raise RuntimeError(f"wrk: {said}")
    p99 = _P99.search(said)
    scale = {"us": 0.001, "ms": 1.0, "s": 1000.0}
    wrong = _WRONG.search(said)
    errors = _ERRORS.search(said)
    failed = int(wrong[1]) if wrong else 0
    failed += sum(int(number) for number in errors.groups()) if errors else 0
    return Load(float(rate[1]), float(p99[1]) * scale[p99[2]] if p99 else 0.0, int(count[1]), failed)


def move(
    kind: str, subject: Subject, transfers: list[dict[str, Any]], *, file: Path | None = None, times: int = 1
) -> float:
    """Puts or gets blobs, all at the same time; the seconds that it took. Raises RuntimeError."""
    path = f"/v2/{REPOSITORY}/blobs/"
    job = {
        "kind": kind,
        "port": subject.port,
        "headers": subject.authorization("pull,push"),
        "file": str(file) if file else None,
        "times": times,
        "transfers": [
            one | {"path": path + (one["digest"] if kind == "get" else "uploads/")} for one in transfers
        ],
    }
    done = subprocess.run(
        [sys.executable, str(_CLIENT)],
        input=json.dumps(job),
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{kind} at {subject.name}: {done.stdout}{done.stderr}")
    return float(json.loads(done.stdout)["seconds"])


def skopeo(source: str, target: str, subject: Subject, side: str) -> float:
    """One `skopeo copy`; `side` says which end is the registry, src or dest. The seconds that it took."""
    pair = subject.credentials
    who = [f"--{side}-creds={pair[0]}:{pair[1]}"] if pair else [f"--{side}-no-creds"]
    command = ["skopeo", "--insecure-policy", "copy", "--quiet", "--preserve-digests"]
    begun = time.perf_counter()
    done = subprocess.run(
        [*command, f"--{side}-tls-verify=false", *who, source, target],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    seconds = time.perf_counter() - begun
    if done.returncode != 0:
        raise RuntimeError(f"skopeo at {subject.name}: {done.stdout}{done.stderr}")
    return seconds
