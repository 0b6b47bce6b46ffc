"""Every hook is documented, argument by argument, and tested; what the documents show works."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest
from plugin_workshop import Workshop, row_of

import quayframe.events
import quayframe.plugin
from quayframe.plugin import hookspecs
from quayframe.plugin.provider import Provider
from quayframe.plugin.states import State

DOCS = Path(__file__).parents[2] / "docs" / "plugins"
HOOKS = (DOCS / "hooks.md").read_text()
INDEX = (DOCS / "index.md").read_text()


def test_the_list_of_hooks_is_that_of_the_specification() -> None:
    specified = [name for name, value in vars(hookspecs).items() if hasattr(value, "quayframe_spec")]
    assert specified == list(hookspecs.HOOKS)


@pytest.mark.parametrize("hook", hookspecs.HOOKS)
def test_a_hook_is_documented_with_each_argument_and_a_working_example(hook: str, workshop: Workshop) -> None:
    arguments = list(inspect.signature(getattr(hookspecs, hook)).parameters)
    heading = f"## {hook}({', '.join(arguments)})"
    assert heading in HOOKS
    section = HOOKS.split(heading)[1].split("\n## ")[0]
    for argument in arguments:
        assert f"* `{argument}`: " in section
    (example,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    workshop.install("example", example, header="TapeStorage = None\nquayframe_api = (1, 0)\n")
    row = row_of(workshop.loaded(), "example")
    # the class of the providers' example is left to the reader
    assert row.state == State.LOADED or "None is not a class of a provider kind" in row.reason


@pytest.mark.parametrize("hook", hookspecs.HOOKS)
def test_a_hook_says_in_one_line_what_it_is_and_has_an_example(hook: str) -> None:
    text = inspect.getdoc(getattr(hookspecs, hook)) or ""
    first, blank, *rest = text.split("\n")
    assert first.endswith(".")
    assert blank == ""
    assert "Example::" in rest
    assert f"def {hook}(" in text


@pytest.mark.parametrize("hook", hookspecs.HOOKS)
def test_a_hook_has_a_test_that_carries_its_name(hook: str) -> None:
    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    assert re.search(rf"def test_{hook}_\w+\(", tests)


@pytest.mark.parametrize("state", State)
def test_a_state_is_documented(state: State) -> None:
    assert f"| {state} | " in INDEX


def test_every_kind_is_documented_and_public() -> None:
    for cls in Provider.__subclasses__():
        if cls.__module__.startswith("quayframe.plugin."):
            assert f"| `{cls.kind}` | `{cls.__name__}` |" in INDEX
            assert cls.__name__ in quayframe.plugin.__all__


def test_every_event_is_public() -> None:
    # Other tests may have made events of their own in this process.
    events = quayframe.events.subclasses().values()
    own = {event.__name__ for event in events if event.__module__.startswith("quayframe.events.")}
    assert own
    assert own <= set(quayframe.plugin.__all__)


def test_the_plugin_of_two_files_loads(workshop: Workshop) -> None:
    source = re.findall(r"```python\n(.*?)```", INDEX, re.DOTALL)[0]
    workshop.install("keep-releases", source, header="")
    row = row_of(workshop.loaded(), "keep-releases")
    assert (row.state, row.hooks) == (State.LOADED, ("quayframe_check",))
