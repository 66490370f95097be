"""
Take secrets out of configurations before they are kept. Pure.

The text stays as it was, comments and order included; only values are replaced. YAML and JSON are read as a
stream of events (no tree, no recursion, aliases never expanded), so hostile documents cost no more than their
length. What cannot be read that way is judged line by line: rather one value too many than one secret.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import yaml

MASK = "[REDACTED]"
MAX_DEPTH = 64
"""The parser's time grows with length times depth; deeper documents are judged line by line."""

MAX_EVENTS = 30_000
"""A configuration of 100 KiB has some 10,000; beyond this the cheaper way must do."""

_QUOTED_MASK = f'"{MASK}"'

_WORDS = (
    r"passw(?:or)?d|passphrase|secret|token|api[_-]?key|authorization|private[_-]?key|access[_-]?key"
    r"|account[_-]?key|shared[_-]?key|encryption[_-]?key|signing[_-]?key|credential|bearer"
    r"|connection[_-]?string|community|cookie|dsn"
)
_SECRET_KEY = re.compile(_WORDS, re.IGNORECASE)
_NOT_SECRET_KEY = re.compile(r"(?:[_-](?:file|path|url|uri|endpoint|ttl|type)|file|path|url)$", re.IGNORECASE)
_KEY_NAMES = frozenset({"key", "name", "header"})
"""In `- name: DB_PASSWORD, value: x` the name stands beside its value."""

_REFERENCE = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*(?::[A-Za-z0-9_./-]+)?\}|\$[A-Z_][A-Z0-9_]*")
"""A pointer to a secret is none: ${env:API_KEY}."""

_HARMLESS = frozenset({"", "~", "null", "true", "false", "yes", "no", "on", "off"})
_PEM = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)
_USERINFO = re.compile(r"(://[^/\s:@\"']{0,256}:)[^/\s@\"']{1,1024}(@)")
_INLINE_BEARER = re.compile(r"\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE)
_WORTH_A_LOOK = re.compile(_WORDS + r"|://[^/\s:@]+:[^/\s@]+@|basic\s", re.IGNORECASE)
_LINE = re.compile(
    rf"(?:- {{1,8}})?[\"']?[\w.\-/ ]{{0,128}}(?:{_WORDS})[\w.\-/ ]{{0,128}}[\"']?\s{{0,8}}[:=]\s{{0,8}}",
    re.IGNORECASE,
)
"""Head of a line whose value must not be kept. All repeats are bounded: the lines are a stranger's."""


_INLINE_VALUE = re.compile(r"""[\w.\-]{0,64}\\{0,4}["']?\s{0,8}[:=]\s{0,8}("(?:[^"\\]|\\.)*"?|'[^']*'?|[^\s,}\]"']+)""")
"""What follows a secret word inside a line: the rest of its key, and the value."""


def is_secret_key(key: str) -> bool:
    """Say whether the value under *key* must not be kept."""
    return _SECRET_KEY.search(key) is not None and _NOT_SECRET_KEY.search(key) is None


def redact(body: bytes) -> bytes:
    """
    Return *body* with the values of secret keys, private keys and passwords in URLs masked.

    Never raises; bytes that are no UTF-8 survive unless they are part of a secret.
    """
    text = body.decode("utf-8", "surrogateescape")
    if _WORTH_A_LOOK.search(text) is None:
        return body
    text = _PEM.sub(MASK, text)
    try:
        text = _redact_tree(text)
    except (yaml.YAMLError, UnicodeError, ValueError):
        text = _redact_inline(_redact_lines(text))
    text = _INLINE_BEARER.sub(rf"\1 {MASK}", text)
    text = _USERINFO.sub(rf"\1{MASK}\2", text)
    return text.encode("utf-8", "surrogateescape")


@dataclass(slots=True)
class _Frame:
    """A mapping or sequence being read."""

    is_mapping: bool
    secret: bool
    """Everything inside is a secret."""

    expects_key: bool = True
    key: str = ""
    named: str = ""
    """Value of a `name:` or `key:` entry."""

    value_spans: list[tuple[int, int]] = field(default_factory=list)
    """Where the scalar under `value:` stands, should its name turn out to be a secret's."""


def _redact_tree(text: str) -> str:
    """Splice masks over the scalars of secret keys."""
    reader = _TreeReader()
    for count, event in enumerate(yaml.parse(text, Loader=yaml.CSafeLoader)):
        if count > MAX_EVENTS:
            raise yaml.YAMLError
        reader.take(event)
    return _splice(text, reader.secret_spans())


class _TreeReader:
    """Follows a stream of YAML events and remembers where secrets stand."""

    def __init__(self) -> None:
        self._spans: list[tuple[int, int]] = []
        self._anchored: dict[str, tuple[int, int]] = {}
        self._wanted_anchors: set[str] = set()
        self._frames: list[_Frame] = []

    def take(self, event: yaml.Event) -> None:
        """Take one event into account."""
        frame = self._frames[-1] if self._frames else None
        if isinstance(event, yaml.ScalarEvent):
            self._take_scalar(frame, event)
        elif isinstance(event, yaml.AliasEvent):
            if frame is not None and event.anchor and _is_secret_here(frame):
                self._wanted_anchors.add(event.anchor)
            _value_read(frame)
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            secret = frame is not None and _is_secret_here(frame)
            if len(self._frames) >= MAX_DEPTH:
                raise yaml.YAMLError
            self._frames.append(_Frame(isinstance(event, yaml.MappingStartEvent), secret))
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            ended = self._frames.pop()
            if ended.named and is_secret_key(ended.named):
                self._spans.extend(ended.value_spans)
            _value_read(self._frames[-1] if self._frames else None)

    def secret_spans(self) -> list[tuple[int, int]]:
        """Tell where secrets stand, those a secret key only points to included."""
        return self._spans + [self._anchored[anchor] for anchor in self._wanted_anchors if anchor in self._anchored]

    def _take_scalar(self, frame: _Frame | None, event: yaml.ScalarEvent) -> None:
        if event.start_mark is None or event.end_mark is None:
            raise yaml.YAMLError
        span = (event.start_mark.index, event.end_mark.index)
        if event.anchor:
            self._anchored[event.anchor] = span
        if frame is not None and _scalar(frame, event.value, span):
            self._spans.append(span)


def _scalar(frame: _Frame, value: str, span: tuple[int, int]) -> bool:
    """Take one scalar into account; say whether it is to be masked."""
    if frame.is_mapping and frame.expects_key:
        frame.key = value
        frame.expects_key = False
        return False
    secret = _is_secret_here(frame) and _is_a_secret_value(value)
    if frame.is_mapping:
        if frame.key.lower() in _KEY_NAMES:
            frame.named = value
        elif frame.key.lower() == "value" and _is_a_secret_value(value):
            frame.value_spans.append(span)
    _value_read(frame)
    return secret


def _is_secret_here(frame: _Frame) -> bool:
    return frame.secret or (frame.is_mapping and not frame.expects_key and is_secret_key(frame.key))


def _is_a_secret_value(value: str) -> bool:
    return value.strip().lower() not in _HARMLESS and _REFERENCE.fullmatch(value.strip()) is None


def _value_read(frame: _Frame | None) -> None:
    if frame is not None and frame.is_mapping:
        frame.expects_key = not frame.expects_key


def _splice(text: str, spans: list[tuple[int, int]]) -> str:
    parts = []
    position = 0
    for start, end in sorted(set(spans)):
        if start < position:
            continue
        masked = text[start:end]
        ending = masked[len(masked.rstrip()) :]
        anchor = re.match(r"&\S+\s+", masked)
        parts += [text[position:start], anchor.group() if anchor else "", _QUOTED_MASK, ending]
        position = end
    return "".join([*parts, text[position:]])


def _redact_lines(text: str) -> str:
    """Mask what follows a secret key on its line, and the deeper lines below it."""
    lines = []
    deeper_than: int | None = None
    for line in text.splitlines(keepends=True):
        body = line.strip()
        indent = len(line) - len(line.lstrip())
        ending = line[len(line.rstrip()) :]
        if deeper_than is not None and body and indent > deeper_than:
            lines.append(line[:indent] + MASK + ending)
            continue
        head = _LINE.match(body)
        deeper_than = indent if head is not None else None
        if head is None:
            lines.append(line)
            continue
        comma = "," if body.endswith(",") else ""
        value = body[head.end() :].rstrip(",").strip("\"' ")
        shown = _QUOTED_MASK + comma if _is_a_secret_value(value) else body[head.end() :]
        lines.append(line[:indent] + head.group() + shown + ending)
    return "".join(lines)


def _redact_inline(text: str) -> str:
    """Mask values that follow a secret word anywhere, as in JSON written on one line."""
    parts = []
    position = 0
    for word in _SECRET_KEY.finditer(text):
        if word.start() < position:
            continue
        found = _INLINE_VALUE.match(text, word.end())
        if found is not None and MASK[:-1] not in found[1] and _is_a_secret_value(found[1].strip("\"'")):
            parts += [text[position : found.start(1)], _QUOTED_MASK]
            position = found.end(1)
    return "".join([*parts, text[position:]])
