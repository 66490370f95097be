"""
Labels: every attribute of an agent as text, the way selectors and people see it.

Identifying attributes win over non-identifying ones of the same key. AnyValue of any type becomes text:
booleans as true/false, numbers in their shortest form, bytes as hex, lists and maps as compact JSON.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opamp.v1 import anyvalue_pb2, opamp_pb2

MAX_DEPTH = 16
"""Deeper values are cut: a label is for matching, not for storage."""

MAX_LABELS = 256
MAX_KEY_CHARACTERS = 256
MAX_VALUE_CHARACTERS = 1024


def labels_of(description: opamp_pb2.AgentDescription) -> tuple[dict[str, str], int]:
    """
    Flatten a description into labels that can be stored: no NUL characters, few, short.

    Identifying attributes come first, so they are the last to be left out. Keys and values that are too long
    are cut.

    Returns:
        The labels, and how many were left out or cut.
    """
    labels: dict[str, str] = {}
    truncated = _take(description.identifying_attributes, labels)
    truncated += _take(description.non_identifying_attributes, labels)
    return labels, truncated


def text_of(value: anyvalue_pb2.AnyValue) -> str:
    """Write one AnyValue as label text; an unset value is the empty text."""
    plain = plain_of(value)
    if plain is None:
        return ""
    if isinstance(plain, str):
        return plain
    return json.dumps(plain, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def plain_of(value: anyvalue_pb2.AnyValue, depth: int = MAX_DEPTH) -> object:
    """Turn one AnyValue into plain Python: str, bool, int, float, list, dict or None; bytes as hex text."""
    kind = value.WhichOneof("value")
    if kind is None or depth == 0:
        return None
    if kind == "bytes_value":
        return value.bytes_value.hex()
    if kind == "array_value":
        return [plain_of(item, depth - 1) for item in value.array_value.values]
    if kind == "kvlist_value":
        return {item.key: plain_of(item.value, depth - 1) for item in value.kvlist_value.values}
    scalar: object = getattr(value, kind)
    return scalar


def _take(attributes: Iterable[anyvalue_pb2.KeyValue], labels: dict[str, str]) -> int:
    """Add attributes that are not there yet; within one list the last of a key counts."""
    truncated = 0
    before = set(labels)
    for item in attributes:
        key = _cut(item.key, MAX_KEY_CHARACTERS)
        if key in before:
            continue
        if len(labels) >= MAX_LABELS and key not in labels:
            truncated += 1
            continue
        text = text_of(item.value)
        truncated += len(text) > MAX_VALUE_CHARACTERS or len(item.key) > MAX_KEY_CHARACTERS
        labels[key] = _cut(text, MAX_VALUE_CHARACTERS)
    return truncated


def _cut(text: str, limit: int) -> str:
    return text.replace("\x00", "")[:limit]
