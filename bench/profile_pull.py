"""What a manifest GET by tag costs, part by part, in this process and without a server:
`python bench/profile_pull.py [--functions]`.

Each part is timed alone, in a loop, with what the request gives it; the rest is Falcon and what joins the
parts. Granian, the kernel and the network come on top: `bench/run.py` measures them all together.
"""

from __future__ import annotations

import argparse
import cProfile
import io
import os
import pstats
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

LOOPS = 20_000
REPEATS = 7
TAG = "t000"


def main() -> int:
    # The script's own folder would put its modules in front of the standard library's.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    from bench.inprocess import Pull

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--functions", action="store_true", help="also list functions by their own time")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="quayframe-profile-") as folder,
        open(Path(folder) / "requests.log", "ab") as log,
    ):
        pull = Pull(Path(folder), log.fileno(), TAG)
        total = microseconds(pull.request)
        parts = {name: microseconds(call) for name, call in pull.parts().items()}
        print(f"one GET by tag, in process: {total:.1f} µs, {1e6 / total:,.0f} a second on one core")
        for name, took in sorted(parts.items(), key=lambda item: -item[1]):
            print(f"  {name:<44} {took:6.1f} µs  {took / total:4.0%}")
        rest = total - sum(parts.values())
        print(f"  {'Falcon, headers, joining the parts':<44} {rest:6.1f} µs  {rest / total:4.0%}")
        if options.functions:
            print(functions(pull.request))
        pull.close()
    return 0


def microseconds(call: Callable[[], Any]) -> float:
    """The best of several loops: what it costs when nothing else gets in between."""
    best = float("inf")
    for _ in range(REPEATS):
        loops = LOOPS // REPEATS
        begun = time.perf_counter()
        for _ in range(loops):
            call()
        best = min(best, (time.perf_counter() - begun) / loops)
    return best * 1e6


def functions(call: Callable[[], Any]) -> str:
    """cProfile's view, by own time; its clock makes small functions look dearer than they are."""
    profile = cProfile.Profile()
    profile.enable()
    for _ in range(LOOPS):
        call()
    profile.disable()
    out = io.StringIO()
    pstats.Stats(profile, stream=out).sort_stats("tottime").print_stats(25)
    return out.getvalue().replace(os.getcwd() + os.sep, "")


if __name__ == "__main__":
    sys.exit(main())
