"""
Labels: every attribute of an agent as text, the way selectors and people see it.

Identifying attributes win over non-identifying ones of the same key. AnyValue of any type becomes text:
booleans as true/false, numbers in their shortest form, bytes as hex, lists and maps as compact JSON.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opamp.v1 import anyvalue_pb2, opamp_pb2

MAX_DEPTH = 16
"""Deeper values are cut: a label is for matching, not for storage."""


def labels_of(description: opamp_pb2.AgentDescription) -> dict[str, str]:
    """Flatten a description into labels."""
    labels = {item.key: text_of(item.value) for item in description.non_identifying_attributes}
    labels.update({item.key: text_of(item.value) for item in description.identifying_attributes})
    return labels


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
