"""
Does an effective configuration contain what was sent?

Pure. An agent may add to what it was sent (extensions, defaults), resolve `${...}` and mask secrets; it may
not leave out or change the rest. Mappings must contain every key, lists every entry, in any order. Finding entries
in any order takes long in the worst case, so there is a bound: what is not found within it is not known.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from config_service import validation
from config_service.document import JSON, MIME_TYPES, YAML

if TYPE_CHECKING:
    from opamp.v1 import opamp_pb2

_MASKED = re.compile(r"\[redacted\]|\*{3,}", re.IGNORECASE)
_VARIABLE = re.compile(r"\$\{[^}]+\}|\$[A-Za-z_]")
MAX_STEPS = 200_000
"""Comparisons per effective configuration: some tenths of a second."""

MAX_FILES = 16
MAX_BYTES = 1024 * 1024
"""Of all files of an effective configuration that are read."""

_NULLISH: tuple[object, ...] = (None, {}, [], "")


class _TooLong(Exception):
    """The bound is reached."""


def holds(effective: opamp_pb2.EffectiveConfig, content_type: str, raw_config: str) -> bool | None:
    """
    Say whether any file of the effective configuration contains the sent content.

    Returns:
        None when it cannot be told: nothing was reported, or it is not something we can read within bounds.
    """
    files = list(effective.config_map.config_map.values())
    if not files:
        return None
    sent_bytes = raw_config.encode().strip()
    if any(sent_bytes in file.body for file in files):
        return True
    sent = validation.load_bounded(content_type, raw_config)
    search = _Search(MAX_STEPS)
    left = MAX_BYTES
    unread = len(files) > MAX_FILES
    verdicts = []
    for file in files[:MAX_FILES]:
        left -= len(file.body)
        if left < 0:
            unread = True
            break
        try:
            text = file.body.decode()
            reported = validation.load_bounded(JSON if file.content_type == MIME_TYPES[JSON] else YAML, text)
        except ValueError:
            continue
        try:
            verdicts.append(search.contains(reported, sent))
        except _TooLong:
            unread = True
            break
    if any(verdicts):
        return True
    return None if unread or not verdicts else False


def contains(effective: object, sent: object, steps: int = MAX_STEPS) -> bool | None:
    """Say whether everything of *sent* stands in *effective*; None when that takes more than *steps* comparisons."""
    try:
        return _Search(steps).contains(effective, sent)
    except _TooLong:
        return None


class _Search:
    """
    Looks for one content in others.

    Args:
        steps: How many comparisons it may make.
    """

    def __init__(self, steps: int) -> None:
        self._left = steps

    def contains(self, effective: object, sent: object) -> bool:
        """
        Say whether everything of *sent* stands in *effective*.

        Raises:
            _TooLong: Nobody knows.
        """
        self._spend(1)
        if isinstance(sent, str) and _VARIABLE.search(sent):
            return True
        if isinstance(effective, str) and _MASKED.fullmatch(effective):
            return True
        if isinstance(sent, dict) and isinstance(effective, dict):
            return all(key in effective and self.contains(effective[key], value) for key, value in sent.items())
        if isinstance(sent, list) and isinstance(effective, list):
            return self._contains_all(effective, sent)
        if sent in _NULLISH and effective in _NULLISH:
            return True
        if isinstance(sent, dict | list) or isinstance(effective, dict | list):
            return False
        return sent == effective or _plain(sent) == _plain(effective)

    def _contains_all(self, effective: list[object], sent: list[object]) -> bool:
        """Find entries without structure by one look, the others by trying each."""
        self._spend(len(effective))
        nested = [entry for entry in effective if isinstance(entry, dict | list)]
        flat = [entry for entry in effective if not isinstance(entry, dict | list)]
        values, texts = set(flat), {_plain(entry) for entry in flat}
        if any(isinstance(entry, str) and _MASKED.fullmatch(entry) for entry in flat):
            return True
        has_nullish = any(entry in _NULLISH for entry in effective)
        for value in sent:
            self._spend(1)
            if has_nullish and value in _NULLISH:
                continue
            if isinstance(value, dict | list):
                found = any(self.contains(entry, value) for entry in nested)
            elif isinstance(value, str) and _VARIABLE.search(value):
                found = bool(effective)
            else:
                found = value in values or _plain(value) in texts
            if not found:
                return False
        return True

    def _spend(self, steps: int) -> None:
        self._left -= steps
        if self._left < 0:
            raise _TooLong


def _plain(value: object) -> str:
    return str(value).lower()
