"""What the documents say is there, and nothing in the repository belongs to one machine."""

from __future__ import annotations

import re
import shlex

import click
import pytest
from tree import ROOT, files, named

import quayframe
from quayframe.cli.root import root
from quayframe.config.reference import PAGE, reference

README = (ROOT / "README.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()
DOCUMENTS = [path for path in files("*.md") if "CHANGELOG" not in path.name]


def blocks(text: str) -> str:
    """The indented or fenced code of a Markdown text."""
    return "\n".join(re.findall(r"```[a-z]*\n(.*?)```", text, re.DOTALL))


def commands() -> list[tuple[str, list[str]]]:
    """Every `quayframe ...` of the documents: (where, its words)."""
    found = []
    for path in DOCUMENTS:
        text = path.read_text()
        lines = blocks(text).replace("\\\n", " ").splitlines() + re.findall(r"`(quayframe [^`\n]+)`", text)
        for line in lines:
            match = re.search(r"(?:^|\s|/)quayframe ([a-z].*)", line)
            if match and not line.lstrip().startswith("#"):
                words = re.split(r"\s*(?:[|>#]|\|\|)\s*", match[1])[0]
                found.append((named(path), shlex.split(words.replace("|", " "), comments=True)))
    return found


def check(words: list[str]) -> str | None:
    """What is wrong with the words after `quayframe`; None = they name a command and options of it."""
    context = click.Context(root)
    command: click.Command | None = root
    rest = list(words)
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        group, name = command, rest.pop(0)
        command = group.get_command(context, name)
        if command is None:
            return f"no command {name!r}"
    assert command is not None
    known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
    given = {word.partition("=")[0].strip("[]") for word in rest if word.lstrip("[").startswith("--")}
    return f"no option {sorted(given - known)}" if given - known else None


def test_the_commands_of_the_documents_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    found = commands()
    assert any(where == "README.md" for where, _ in found)
    # Commands of plugins in the documents are their plugin's; here the core's are looked at.
    own = set(root.list_commands(click.Context(root)))
    wrong = {
        f"{where}: quayframe {shlex.join(words)}": reason
        for where, words in found
        if (words[0] in own or where == "README.md") and (reason := check(words))
    }
    assert wrong == {}


def test_the_make_targets_of_the_documents_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE))
    assert {"run", "test", "soak", "check", "bench", "clients"} <= targets
    for path in DOCUMENTS:
        text = path.read_text()
        named_ = re.findall(r"`make ([a-z]+)", text) + re.findall(r"^\s*make ([a-z]+)", blocks(text), re.M)
        assert set(named_) <= targets, named(path)


def test_the_links_between_documents_lead_somewhere() -> None:
    for path in DOCUMENTS:
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", path.read_text()):
            if "://" not in target and not target.startswith("mailto:"):
                assert (path.parent / target).exists(), f"{named(path)}: {target}"


def test_the_changelog_has_an_entry_for_the_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    entry = re.search(
        rf"^## {re.escape(quayframe.__version__)}\b[^\n]*\n(.*?)(?=^## |\Z)", text, re.M | re.DOTALL
    )
    assert entry is not None
    assert re.search(r"^\* \S", entry[1], re.MULTILINE)


def test_the_generated_pages_are_up_to_date() -> None:
    assert (ROOT / PAGE).read_text() == reference(), "run: make docs"


def test_nothing_names_a_machine_or_a_workplace() -> None:
    # Put together here, so that this file does not find itself.
    words = (
        "/ro" + "ot/",
        "/wo" + "rk/",
        "/home/[a-z]",
        r"\.(?:inter" + "nal|cor" + "p)/",
        "artifac" + "tory",
    )
    wrong = re.compile("|".join(words))
    for path in files():
        found = wrong.search(path.read_text(errors="replace"))
        assert found is None, f"{named(path)}: {found and found[0]}"
