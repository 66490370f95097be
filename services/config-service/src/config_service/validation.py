"""
What may be written: names, limits, and content that parses, with the place of every fault.

Pure. YAML is judged from its events, never constructed, so nothing hostile is built: size, nodes, depth,
aliases and what they would expand to are counted while reading. Tags, duplicate keys and more than one
document are refused. JSON is judged the same way after a light scan.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

import yaml

from config_service.document import CONTENT_TYPES, JSON, Document
from servicekit.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")

MAX_CONTENT_BYTES = 1024 * 1024
MAX_NODES = 10_000
MAX_DEPTH = 64
MAX_ALIASES = 100
MAX_EXPANDED_NODES = 100_000
"""Nodes if every alias were written out."""

MAX_DISPLAY_NAME = 256
MAX_DESCRIPTION = 4096
MAX_AUTHOR = 256
MAX_COMMENT = 1024
MAX_SELECTOR_PAIRS = 64
MAX_LABEL_KEY_BYTES = 256
MAX_LABEL_VALUE_BYTES = 8192
MAX_COMPONENTS = 100
MAX_PARAMETERS_BYTES = 64 * 1024

SINGLE_VALUE = "must be a mapping or a list: no agent can run a single value"

_JSON_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}:,]|\n|[^\s\[\]{}:,"]+', re.DOTALL)


class _Fault(Exception):
    """The first thing wrong with a content."""

    def __init__(self, message: str, line: int | None = None, column: int | None = None) -> None:
        super().__init__(message)
        self.problem = Problem("raw_config", message, line, column)


def check_name(name: str) -> list[Problem]:
    """Judge the name of a configuration."""
    if NAME.fullmatch(name):
        return []
    return [
        Problem(
            "name", "must be 1 to 128 letters, digits, dots, hyphens and underscores, beginning with a letter or digit"
        )
    ]


def check_author(author: str, comment: str) -> list[Problem]:
    """Judge who writes a version, and why."""
    return [*_text("author", author, MAX_AUTHOR), *_text("comment", comment, MAX_COMMENT)]


def check_document(document: Document) -> list[Problem]:
    """Judge everything a person may write; empty = good. At most one problem of the content is told, the first."""
    problems = [
        *_text("display_name", document.display_name, MAX_DISPLAY_NAME),
        *_text("description", document.description, MAX_DESCRIPTION),
        *_selector(document.selector),
        *_platform(document),
    ]
    if document.content_type not in CONTENT_TYPES:
        problems.append(Problem("content_type", f"must be one of: {', '.join(CONTENT_TYPES)}"))
    else:
        problems.extend(check_content(document.content_type, document.raw_config))
    return problems


def check_content(content_type: str, text: str) -> list[Problem]:
    """Judge a body: its syntax and its bounds. The problem carries line and column, 1-based."""
    try:
        size = len(text.encode())
        if size > MAX_CONTENT_BYTES:
            _refuse(f"must be at most {MAX_CONTENT_BYTES} bytes, is {size}")
        if not text.strip():
            _refuse("must not be empty: an agent could take it for an order to run nothing")
        if content_type == JSON:
            _check_json(text)
        else:
            _check_yaml(text)
    except _Fault as fault:
        return [fault.problem]
    return []


def load_bounded(content_type: str, text: str) -> object:
    """
    Construct a content that passes check_content.

    Raises:
        ValueError: It does not pass.
    """
    problems = check_content(content_type, text)
    if problems:
        raise ValueError(problems[0].message)
    if content_type == JSON:
        return json.loads(text)
    try:
        return yaml.load(text, Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error


# --- YAML ----------------------------------------------------------------------------------------------


@dataclass
class _Open:
    """A collection being read."""

    is_mapping: bool
    anchor: str | None
    keys: set[str] = field(default_factory=set)
    at_key: bool = True
    expanded: int = 1


@dataclass
class _YamlScan:
    """Counts and remembers while events pass by."""

    stack: list[_Open] = field(default_factory=list)
    sizes: dict[str, int] = field(default_factory=dict)
    nodes: int = 0
    aliases: int = 0
    documents: int = 0
    is_null: bool = False

    def take(self, event: yaml.Event) -> None:
        """Judge one event."""
        match event:
            case yaml.DocumentStartEvent():
                self.documents += 1
                if self.documents > 1:
                    _refuse_at(event, "must be one document; a second one begins here")
            case yaml.AliasEvent():
                self._alias(event)
            case yaml.ScalarEvent():
                self._node(event)
                self._scalar(event)
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                self._node(event)
                self._no_collection_as_key(event)
                self.stack.append(_Open(isinstance(event, yaml.MappingStartEvent), event.anchor))
                if len(self.stack) > MAX_DEPTH:
                    _refuse_at(event, f"nested deeper than {MAX_DEPTH} levels")
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                done = self.stack.pop()
                if done.anchor is not None:
                    self.sizes[done.anchor] = done.expanded
                self._grown(event, done.expanded)
            case _:
                pass

    def _node(self, event: yaml.NodeEvent) -> None:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            _refuse_at(event, f"has more than {MAX_NODES} nodes")
        tag = getattr(event, "tag", None)
        if tag is not None:
            _refuse_at(event, f"the tag {tag} is not allowed")

    def _alias(self, event: yaml.AliasEvent) -> None:
        self.aliases += 1
        if self.aliases > MAX_ALIASES:
            _refuse_at(event, f"has more than {MAX_ALIASES} aliases")
        if event.anchor not in self.sizes:
            _refuse_at(event, f"the alias *{event.anchor} refers to nothing before it")
        self._no_collection_as_key(event)
        self._grown(event, self.sizes[event.anchor])

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        if event.anchor is not None:
            self.sizes[event.anchor] = 1
        if self.stack and self.stack[-1].is_mapping and self.stack[-1].at_key:
            keys = self.stack[-1].keys
            if event.value in keys:
                _refuse_at(event, f"the key {_shown(event.value)} stands twice in one mapping")
            keys.add(event.value)
        if not self.stack:
            self.is_null = event.implicit[0] and event.value in ("", "~", "null", "Null", "NULL")
            if not self.is_null:
                _refuse_at(event, SINGLE_VALUE)
        self._grown(event, 1)

    def _grown(self, event: yaml.Event, expanded: int) -> None:
        """Count a finished node into its parent, and say whose turn it is there."""
        if expanded > MAX_EXPANDED_NODES:
            _refuse_at(event, f"aliases would expand to more than {MAX_EXPANDED_NODES} nodes")
        if self.stack:
            parent = self.stack[-1]
            parent.expanded += expanded
            if parent.is_mapping:
                parent.at_key = not parent.at_key

    def _no_collection_as_key(self, event: yaml.Event) -> None:
        if self.stack and self.stack[-1].is_mapping and self.stack[-1].at_key:
            _refuse_at(event, "a key must be plain text")


def _check_yaml(text: str) -> None:
    scan = _YamlScan()
    try:
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            scan.take(event)
    except yaml.reader.ReaderError as error:
        place = _place(text, error.position) if isinstance(error.position, int) else (None, None)
        _refuse(f"a character that YAML does not allow: {error.reason}", *place)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        told = ", ".join(part for part in (error.context, error.problem) if part) or "cannot be read"
        _refuse(told, mark.line + 1 if mark else None, mark.column + 1 if mark else None)
    except yaml.YAMLError as error:
        _refuse(str(error))
    if scan.documents == 0 or scan.is_null:
        _refuse("must not be empty: an agent could take it for an order to run nothing")


# --- JSON ----------------------------------------------------------------------------------------------


def _check_json(text: str) -> None:
    _scan_json(text)
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        _refuse(error.msg, error.lineno, error.colno)
    except (RecursionError, ValueError) as error:
        _refuse(str(error))
    if value is None:
        _refuse("must not be empty: an agent could take it for an order to run nothing")
    if not isinstance(value, dict | list):
        _refuse(SINGLE_VALUE, *_place(text, len(text) - len(text.lstrip())))
    for key in _duplicate_keys(text):
        _refuse(f"the key {_shown(key.text)} stands twice in one object", key.line, key.column)


def _no_constant(name: str) -> NoReturn:
    _refuse(f"{name} is not JSON")


@dataclass(frozen=True)
class _Token:
    """A piece of JSON text and where it stands."""

    text: str
    line: int
    column: int


def _tokens(text: str) -> Iterator[_Token]:
    line, start = 1, 0
    for match in _JSON_TOKEN.finditer(text):
        if match.group() == "\n":
            line, start = line + 1, match.end()
        else:
            yield _Token(match.group(), line, match.start() - start + 1)


def _scan_json(text: str) -> None:
    depth = nodes = 0
    for token in _tokens(text):
        if token.text in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                _refuse(f"nested deeper than {MAX_DEPTH} levels", token.line, token.column)
        elif token.text in "]}":
            depth -= 1
            continue
        if token.text not in ":,":
            nodes += 1
            if nodes > MAX_NODES:
                _refuse(f"has more than {MAX_NODES} nodes", token.line, token.column)


def _duplicate_keys(text: str) -> Iterator[_Token]:
    """Find keys that stand twice, in text known to be JSON."""
    stack: list[set[str] | None] = []
    last: _Token | None = None
    for token in _tokens(text):
        if token.text == "{":
            stack.append(set())
        elif token.text == "[":
            stack.append(None)
        elif token.text in "]}":
            stack.pop()
        elif token.text == ":" and last is not None:
            keys = stack[-1]
            key = str(json.loads(last.text))
            if keys is not None:
                if key in keys:
                    yield _Token(key, last.line, last.column)
                keys.add(key)
        last = token


# --- the rest ------------------------------------------------------------------------------------------


def _selector(selector: Mapping[str, str]) -> Iterator[Problem]:
    if len(selector) > MAX_SELECTOR_PAIRS:
        yield Problem("selector", f"must have at most {MAX_SELECTOR_PAIRS} labels")
    for key, value in selector.items():
        where = f"selector.{_shown(key)}"
        if not key:
            yield Problem("selector", "a label must have a name")
        if len(key.encode()) > MAX_LABEL_KEY_BYTES or len(value.encode()) > MAX_LABEL_VALUE_BYTES:
            yield Problem(
                where, f"is too long: {MAX_LABEL_KEY_BYTES} bytes for a name, {MAX_LABEL_VALUE_BYTES} for a value"
            )
        if "\x00" in key or "\x00" in value:
            yield Problem(where, "must not hold the NUL character")


def _platform(document: Document) -> Iterator[Problem]:
    groups: Sequence[tuple[str, Sequence[object]]] = (
        ("sources", document.platform.sources),
        ("processors", document.platform.processors),
        ("destinations", document.platform.destinations),
    )
    for name, components in groups:
        if len(components) > MAX_COMPONENTS:
            yield Problem(f"platform.{name}", f"must have at most {MAX_COMPONENTS} entries")
    for name, component in (
        *(("sources", item) for item in document.platform.sources),
        *(("processors", item) for item in document.platform.processors),
        *(("destinations", item) for item in document.platform.destinations),
    ):
        text = json.dumps(component.parameters)
        if not component.name:
            yield Problem(f"platform.{name}", "every entry must have a name")
        if len(text) > MAX_PARAMETERS_BYTES:
            yield Problem(f"platform.{name}.parameters", f"must be at most {MAX_PARAMETERS_BYTES} bytes of JSON")
        if "\x00" in component.name or "\x00" in component.type or "\\u0000" in text:
            yield Problem(f"platform.{name}", "must not hold the NUL character")


def _text(where: str, text: str, limit: int) -> Iterator[Problem]:
    if len(text) > limit:
        yield Problem(where, f"must be at most {limit} characters, is {len(text)}")
    if "\x00" in text:
        yield Problem(where, "must not hold the NUL character")


def _place(text: str, position: int) -> tuple[int, int]:
    before = text[:position]
    return before.count("\n") + 1, position - (before.rfind("\n") + 1) + 1


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:40] + "…")  # noqa: PLR2004 - enough to find it


def _refuse(message: str, line: int | None = None, column: int | None = None) -> NoReturn:
    raise _Fault(message, line, column)


def _refuse_at(event: yaml.Event, message: str) -> NoReturn:
    mark = event.start_mark
    _refuse(message, mark.line + 1 if mark else None, mark.column + 1 if mark else None)
