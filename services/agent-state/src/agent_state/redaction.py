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
    rf"^(?P<head>\s*(?:-\s+)?[\"']?[\w.\-/ ]*(?:{_WORDS})[\w.\-/ ]*[\"']?\s*[:=]\s*)"
    r"(?P<value>.*?)(?P<end>,?\s*)$",
    re.IGNORECASE,
)


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
    text = _PEM.sub(_QUOTED_MASK if "\n" not in text[:1] else MASK, text)
    try:
        text = _redact_tree(text)
    except (yaml.YAMLError, UnicodeError, ValueError):
        text = _redact_lines(text)
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
    spans: list[tuple[int, int]] = []
    anchored: dict[str, tuple[int, int]] = {}
    wanted_anchors: set[str] = set()
    frames: list[_Frame] = []
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        frame = frames[-1] if frames else None
        if isinstance(event, yaml.ScalarEvent):
            if event.start_mark is None or event.end_mark is None:
                raise yaml.YAMLError
            span = (event.start_mark.index, event.end_mark.index)
            if event.anchor:
                anchored[event.anchor] = span
            if frame is not None and _scalar(frame, event.value, span):
                spans.append(span)
        elif isinstance(event, yaml.AliasEvent):
            if frame is not None and event.anchor and _is_secret_here(frame):
                wanted_anchors.add(event.anchor)
            _value_read(frame)
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            secret = frame is not None and _is_secret_here(frame)
            frames.append(_Frame(isinstance(event, yaml.MappingStartEvent), secret))
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            ended = frames.pop()
            if ended.named and is_secret_key(ended.named):
                spans.extend(ended.value_spans)
            _value_read(frames[-1] if frames else None)
    spans.extend(anchored[anchor] for anchor in wanted_anchors if anchor in anchored)
    return _splice(text, spans)


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
        content = line.rstrip("\r\n")
        indent = len(content) - len(content.lstrip())
        if deeper_than is not None and content.strip() and indent > deeper_than:
            lines.append(line[:indent] + MASK + line[len(content) :])
            continue
        deeper_than = None
        match = _LINE.match(content)
        if match is None:
            lines.append(line)
            continue
        value = match["value"].strip()
        deeper_than = indent
        if _is_a_secret_value(value.strip("\"'")):
            content = match["head"] + _QUOTED_MASK + match["end"]
        lines.append(content + line[len(line.rstrip("\r\n")) :])
    return "".join(lines)
