"""Random acts of two clients and two collectors against a model of the rules.

After every step all that a tag within its window reaches is there with the right bytes, and what is not
visible is 404; after the windows have closed nothing is left over."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from model_acts import Contents
from servers import Postgresql

LENGTH = 60
"""Steps of one run."""


def run(runs: int, soak: bool, config: Callable[[], dict[str, Any]] = dict) -> int:
    """Runs the machine `runs` times; how many steps that were. The short form is always the same; the long
    one is another each time, and prints the steps of a failure."""

    class Machine(Contents):
        steps: ClassVar[int] = 0
        did: ClassVar[Counter[str]] = Counter()

    Machine.config = staticmethod(config)
    began = time.monotonic()
    with_ = settings(
        max_examples=runs,
        stateful_step_count=LENGTH,
        derandomize=not soak,
        database=None,
        deadline=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
    )
    run_state_machine_as_test(Machine, settings=with_)
    told = ", ".join(f"{count} {what}" for what, count in sorted(Machine.did.items()))
    print(f"{Machine.steps} steps in {time.monotonic() - began:.0f} s: {told}")
    return Machine.steps


@pytest.mark.timeout(3600)
def test_what_a_tag_within_its_window_reaches_is_there_and_nothing_else_stays(soak: bool) -> None:
    assert run(220 if soak else 16, soak) >= (10_000 if soak else 500)


@pytest.mark.timeout(3600)
def test_the_same_on_postgresql(soak: bool, postgresql_server: Postgresql) -> None:
    run(40 if soak else 3, soak, lambda: {"DB_URI": postgresql_server.new_database()})
