"""Which measures run, on whom, how often; then the table."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import requests

from bench import measures, report
from bench.measures import Bench, Measure
from bench.report import Results
from bench.subjects import Subject, find_all

FULL_S = 720
QUICK_S = 180
"""Seconds after which no further round begins; what has been measured is printed."""
NEEDED_BYTES = 12 << 30


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmarks. Exit status 0, also where a bar is missed; 2 without room for the data."""
    options = _options(arguments)
    # So that what was started is ended then, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    subjects, missing = find_all()
    for text in missing:
        print(text, file=sys.stderr)
    chosen = [m for m in measures.ALL if (m.name in options.only if options.only else not m.asked)]
    end = time.monotonic() + (QUICK_S if options.quick else FULL_S)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="quayframe-bench-")))
        if shutil.disk_usage(folder).free < NEEDED_BYTES:
            print(f"{folder}: {NEEDED_BYTES >> 30} GiB of free space are needed", file=sys.stderr)
            return 2
        for subject in subjects:
            stack.callback(subject.stop)
        bench = Bench(folder, options.quick)
        results = Results([s.name for s in subjects])
        begun = time.strftime("%Y-%m-%d %H:%M:%S")
        _run(bench, subjects, chosen, results, options.rounds or (1 if options.quick else 3), end)
    head = (
        f"{begun} to {time.strftime('%H:%M:%S')}, {os.cpu_count()} cores, {platform.machine()},"
        f" load average at the end {os.getloadavg()[0]:.1f}; clients on the same cores"
    )
    print(report.table(results, head))
    if options.json:
        options.json.write_text(json.dumps({"head": head} | results.as_json(), indent=1) + "\n")
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round, under three minutes")
    parser.add_argument("--rounds", type=int, help="how often each measure runs on each registry")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=[m.name for m in measures.ALL])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample to this file")
    return parser.parse_args(arguments)


def _run(
    bench: Bench,
    subjects: list[Subject],
    chosen: list[Measure],
    results: Results,
    rounds: int,
    end: float,
) -> None:
    for subject in subjects:
        bench.start(subject, results)
    for measure in chosen:
        for number in range(1 if measure.once else rounds):
            if time.monotonic() > end:
                print(f"out of time: {measure.name} ran {number} of {rounds} rounds", file=sys.stderr)
                return
            # In turns, so that what else the machine does falls on all of them.
            for subject in subjects:
                if measure.peers or subject.ours:
                    print(f"  {measure.name} {number + 1}: {subject.name}", file=sys.stderr)
                    _try(measure, bench, subject, results)


def _try(measure: Measure, bench: Bench, subject: Subject, results: Results) -> None:
    """One measure that fails is told beside the table; the others go on."""
    try:
        measure.run(bench, subject, results)
    except (RuntimeError, OSError, subprocess.SubprocessError, requests.RequestException) as error:
        results.note(f"{measure.name} failed at {subject.name}: {error}")
