"""Resident memory of processes, in MB, and their time on the CPU, from /proc."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

_KIB = 1024 / 1_000_000
_TICKS = os.sysconf("SC_CLK_TCK")


def resident(pids: list[int]) -> dict[int, float]:
    """MB resident now, by process; pages that processes share count in each."""
    return {pid: _status(pid, "VmRSS") for pid in pids}


def reset_peaks(pids: list[int]) -> dict[int, float]:
    """Begins to watch for the peak; gives what is resident now."""
    for pid in pids:
        Path(f"/proc/{pid}/clear_refs").write_text("5")
    return resident(pids)


def growth(before: dict[int, float]) -> dict[int, float]:
    """MB between `before` and the peak since, by process."""
    return {pid: max(0.0, _status(pid, "VmHWM") - mb) for pid, mb in before.items()}


def shown(sizes: dict[int, float]) -> str:
    """`name size, name size, ...`."""
    return ", ".join(f"{name(pid)} {mb:.0f}" for pid, mb in sizes.items())


def cpu_s(pids: list[int], *, ended: bool = False) -> float:
    """Seconds of CPU of these processes, and of their children that have ended."""
    total = 0.0
    for pid in pids:
        with suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += sum(int(ticks) for ticks in fields[11 : 15 if ended else 13]) / _TICKS
    return total


def settle_disk() -> None:
    """Writes out what is dirty, so that one registry's bytes do not slow the next one's fsync."""
    os.sync()


def _status(pid: int, key: str) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) * _KIB
    raise RuntimeError(f"process {pid} has no {key}")


def name(pid: int) -> str:
    """The words that tell what it does."""
    words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    text = " ".join(word.decode(errors="replace") for word in words[1:4] if not word.startswith(b"/"))
    return text or Path(f"/proc/{pid}/comm").read_text().strip()
