"""Reads config.yaml and its override into plain values, and remembers where each came from.

What YAML's own loaders let through is refused here: duplicate keys, other types than those of JSON,
nesting without end, aliases that multiply. No text of a value goes into a problem.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

import yaml
from yaml.composer import Composer
from yaml.constructor import SafeConstructor
from yaml.parser import Parser
from yaml.reader import Reader, ReaderError
from yaml.resolver import Resolver
from yaml.scanner import Scanner

from .problems import Path, Problem, show_path

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 40
MAX_VALUES = 50_000

OVERRIDE = "QUAY_OVERRIDE_CONFIG"
PREFERENCE = "QUAY_DISTRIBUTED_STORAGE_PREFERENCE"

_TAG = "tag:yaml.org,2002:"
_TEXTS = frozenset(_TAG + name for name in ("str", "timestamp", "value"))


class _Int(int):
    """A number whose text is not its canonical one (`007`, `1_000`), kept for where text is wanted."""

    text: str

    def __str__(self) -> str:
        return self.text


class _Float(float):
    text: str

    def __str__(self) -> str:
        return self.text


class _RefusedError(Exception):
    """Nothing more can be read."""

    def __init__(self, line: int, text: str) -> None:
        super().__init__(text)
        self.line = line
        self.text = text


@dataclass
class Source:
    """`data`: the top-level keys. `positions`: `file:line` by path. `problems`: what was wrong so far."""

    name: str
    data: dict[str, Any] = field(default_factory=dict)
    positions: dict[Path, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    empty: bool = False

    def where(self, path: Path) -> str:
        """The position of the value, or of the nearest one around it."""
        for end in range(len(path), 0, -1):
            if path[:end] in self.positions:
                return self.positions[path[:end]]
        return self.name

    def problem(self, path: Path, text: str, where: str | None = None) -> None:
        self.problems.append(Problem(self.where(path) if where is None else where, show_path(path), text))


class _Composer(Reader, Scanner, Parser, Composer, Resolver):
    """PyYAML up to nodes, which know their lines, with limits."""

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)
        Composer.__init__(self)
        Resolver.__init__(self)
        self._depth = 0
        self._count = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        self._depth += 1
        self._count += 1
        if self._depth > MAX_DEPTH or self._count > MAX_VALUES:
            line = int(self.line) + 1
            raise _RefusedError(line, _too_deep() if self._depth > MAX_DEPTH else _too_many())
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1


def _too_deep() -> str:
    return f"is nested more than {MAX_DEPTH} levels deep"


def _too_many() -> str:
    return f"more than {MAX_VALUES} values, aliases counted as often as they are used"


class _Builder:
    """Nodes to plain values. An alias costs as much as what it stands for."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._count = 0
        self._numbers = SafeConstructor()

    def build(self, node: yaml.Node, path: Path) -> Any:
        self._count += 1
        line = node.start_mark.line + 1
        if self._count > MAX_VALUES:
            raise _RefusedError(line, _too_many())
        if len(path) > MAX_DEPTH:
            raise _RefusedError(line, _too_deep())
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        return [self._item(item, (*path, i)) for i, item in enumerate(node.value)]

    def _item(self, node: yaml.Node, path: Path) -> Any:
        self._source.positions.setdefault(path, self._at(node))
        return self.build(node, path)

    def _at(self, node: yaml.Node) -> str:
        return f"{self._source.name}:{node.start_mark.line + 1}"

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        result: dict[str, Any] = {}
        lines: dict[str, int] = {}
        merged: list[yaml.Node] = []
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if key_node.tag == _TAG + "merge":
                merged += value_node.value if isinstance(value_node, yaml.SequenceNode) else [value_node]
                continue
            if not isinstance(key_node, yaml.ScalarNode):
                self._source.problem(path, "a key must be a plain name", self._at(key_node))
                continue
            key = str(key_node.value)
            if key in lines:
                text = f"appears twice; the first is in line {lines[key]}"
                self._source.problem((*path, key), text, self._at(key_node))
                continue
            lines[key] = line
            self._source.positions.setdefault((*path, key), self._at(key_node))
            result[key] = self.build(value_node, (*path, key))
        for other in merged:
            if not isinstance(other, yaml.MappingNode):
                self._source.problem(path, "<< takes a mapping or a list of mappings", self._at(other))
                continue
            more = self.build(other, path)
            result = {**more, **result}
        return result

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> Any:
        text = str(node.value)
        if node.tag in _TEXTS:
            return text
        try:
            if node.tag == _TAG + "null":
                return None
            if node.tag == _TAG + "bool":
                return SafeConstructor.bool_values[text.lower()]
            if node.tag == _TAG + "int":
                return self._number(_Int(self._numbers.construct_yaml_int(node)), text)
            if node.tag == _TAG + "float":
                return self._number(_Float(self._numbers.construct_yaml_float(node)), text)
        except (ValueError, KeyError, IndexError):
            self._source.problem(path, "is not of the type that its tag says", self._at(node))
            return None
        self._source.problem(path, "has a tag; only plain YAML values are read", self._at(node))
        return None

    @staticmethod
    def _number(value: _Int | _Float, text: str) -> int | float:
        plain: int | float = int(value) if isinstance(value, _Int) else float(value)
        if str(plain) == text:
            return plain
        value.text = text
        return value


def read_yaml(path: FilePath) -> Source:
    """Reads the file. Never raises: what is wrong is in the source's problems."""
    source = Source(name=str(path))
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        source.problem((), f"cannot be read: {error.strerror or error}")
        return source
    if len(content) > MAX_BYTES:
        source.problem((), "is larger than 1 MiB")
        return source
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        source.problem((), "is not UTF-8", f"{source.name}:{line}")
        return source
    try:
        _fill(source, _compose(text))
    except _RefusedError as refused:
        source.problem((), refused.text, f"{source.name}:{refused.line}")
    return source


def _compose(text: str) -> yaml.Node | None:
    try:
        node: yaml.Node | None = _Composer(text).get_single_node()
    except ReaderError as error:
        line = text[: error.position].count("\n") + 1
        raise _RefusedError(line, "has a control character, which YAML does not allow") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise _RefusedError(mark.line + 1 if mark else 1, "is not YAML: " + _yaml_problem(error)) from None
    return node


def _yaml_problem(error: yaml.MarkedYAMLError) -> str:
    """PyYAML's words without what they quote of the file, which may be a secret."""
    problem = str(error.problem or error.context or "cannot be parsed")
    if "alias" in problem or "alias" in str(error.context):
        return "an alias without its anchor; a value that begins with * must be in quotes"
    return re.sub(r"'(?!<[a-z ]+>')[^']{2,}'|\"[^\"]{2,}\"", "'...'", problem)


def _fill(source: Source, node: yaml.Node | None) -> None:
    if node is None or (isinstance(node, yaml.ScalarNode) and node.tag == _TAG + "null"):
        source.empty = True
        return
    if not isinstance(node, yaml.MappingNode):
        what = "a list" if isinstance(node, yaml.SequenceNode) else "one text"
        cure = "" if isinstance(node, yaml.SequenceNode) else " (a colon, not =, stands after a key)"
        raise _RefusedError(node.start_mark.line + 1, f"must be `KEY: value` lines, but is {what}{cure}")
    source.data = _Builder(source).build(node, ())


def apply_override(source: Source, text: str) -> None:
    """Puts the keys of a JSON object in place of the file's keys of those names."""
    if len(text) > MAX_BYTES:
        source.problem((), "is larger than 1 MiB", OVERRIDE)
        return

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(items)
        if len(result) != len(items):
            source.problem((), "has a key twice in one object", OVERRIDE)
        return result

    try:
        data = json.loads(text, object_pairs_hook=pairs)
    except RecursionError:
        source.problem((), _too_deep(), OVERRIDE)
        return
    except ValueError as error:
        at = f" at character {error.pos + 1}" if isinstance(error, json.JSONDecodeError) else ""
        source.problem((), f"is not JSON{at}", OVERRIDE)
        return
    if not isinstance(data, dict):
        source.problem((), "must be a JSON object", OVERRIDE)
    elif _depth(data) > MAX_DEPTH:
        source.problem((), _too_deep(), OVERRIDE)
    else:
        replace(source, data, OVERRIDE)


def replace(source: Source, data: dict[str, Any], where: str) -> None:
    """Sets top-level keys, which count as coming from `where`."""
    source.positions = {path: at for path, at in source.positions.items() if path[0] not in data}
    source.positions |= {(key,): where for key in data}
    source.data = {**source.data, **data}


def _depth(value: Any) -> int:
    deepest, todo = 0, [(value, 0)]
    while todo:
        item, depth = todo.pop()
        deepest = max(deepest, depth)
        children = item.values() if isinstance(item, dict) else item if isinstance(item, list) else ()
        todo += [(child, depth + 1) for child in children]
    return deepest
