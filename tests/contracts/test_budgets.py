"""Files and functions stay short, and nothing is left for later."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tree import ROOT, files, named

FILE_LINES = 400
FUNCTION_LINES = 60

Function = ast.FunctionDef | ast.AsyncFunctionDef
PYTHON = files("*.py")
PARSED = {path: ast.parse(path.read_text()) for path in PYTHON}


def nodes(path: Path) -> list[ast.AST]:
    return list(ast.walk(PARSED[path]))


def test_the_budgets_look_at_the_core_at_plugins_and_at_tests() -> None:
    assert {ROOT / "quayframe" / "registry.py", Path(__file__)} <= set(PYTHON)
    assert any(named(path).startswith("plugins/") for path in PYTHON)


def test_files_are_short() -> None:
    lengths = {named(path): len(path.read_text().splitlines()) for path in PYTHON}
    assert {name: lines for name, lines in lengths.items() if lines > FILE_LINES} == {}


def test_functions_are_short() -> None:
    lengths = {
        f"{named(path)}: {node.name}": (node.end_lineno or 0) - node.lineno + 1
        for path in PYTHON
        for node in nodes(path)
        if isinstance(node, Function)
    }
    assert {name: lines for name, lines in lengths.items() if lines > FUNCTION_LINES} == {}


def test_nothing_is_left_for_later() -> None:
    # Put together here, so that this file does not find itself.
    word = re.compile(rf"\b(?:{'|'.join(('TO' + 'DO', 'FIX' + 'ME', 'X' * 3))})\b")
    looked_at = files("*.py", "*.cfg", "*.toml", "*.sh", "*.md", "Makefile", ".ci/*")
    assert [named(path) for path in looked_at if word.search(path.read_text())] == []


def not_implemented(function: Function) -> bool:
    """Whether this is all that the function does, its docstring apart."""
    last = function.body[-1]
    raised = last.exc if isinstance(last, ast.Raise) else None
    error = raised.func if isinstance(raised, ast.Call) else raised
    return isinstance(error, ast.Name) and error.id == "NotImplementedError"


def overridden() -> dict[str, set[str]]:
    """For each class that another derives from: the names that those others define."""
    found: dict[str, set[str]] = {}
    for path in PYTHON:
        for cls in nodes(path):
            if isinstance(cls, ast.ClassDef):
                own = {node.name for node in cls.body if isinstance(node, Function)}
                for base in cls.bases:
                    found.setdefault(ast.unparse(base).split("[")[0].split(".")[-1], set()).update(own)
    return found


def test_only_what_others_override_is_not_implemented() -> None:
    """A method that a subclass here defines, a hook's specification, a fixture of a suite: nothing else."""
    defined = overridden()
    stubs = []
    for path in PYTHON:
        classes = [node for node in nodes(path) if isinstance(node, ast.ClassDef)]
        methods = [(cls, node) for cls in classes for node in cls.body if isinstance(node, Function)]
        meant = {node for cls, node in methods if node.name in defined.get(cls.name, ())}
        for node in nodes(path):
            if isinstance(node, Function) and node not in meant and not_implemented(node):
                marks = [ast.unparse(mark) for mark in node.decorator_list]
                if not any("hookspec" in mark or "fixture" in mark for mark in marks):
                    stubs.append(f"{named(path)}: {node.name}")
    assert stubs == []
