"""
Does an effective configuration contain what was sent?

Pure. An agent may add to what it was sent (extensions, defaults), resolve `${...}` and mask secrets; it may
not leave out or change the rest. Mappings must contain every key, lists every entry, in any order.
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
_NULLISH: tuple[object, ...] = (None, {}, [], "")


def holds(effective: opamp_pb2.EffectiveConfig, content_type: str, raw_config: str) -> bool | None:
    """
    Say whether any file of the effective configuration contains the sent content.

    Returns:
        None when it cannot be told: nothing was reported, or it is not something we can read within bounds.
    """
    files = effective.config_map.config_map
    if not files:
        return None
    sent_bytes = raw_config.encode()
    if any(sent_bytes.strip() in file.body for file in files.values()):
        return True
    sent = validation.load_bounded(content_type, raw_config)
    verdicts = []
    for file in files.values():
        try:
            text = file.body.decode()
            reported = validation.load_bounded(JSON if file.content_type == MIME_TYPES[JSON] else YAML, text)
        except ValueError:
            continue
        verdicts.append(contains(reported, sent))
    return any(verdicts) if verdicts else None


def contains(effective: object, sent: object) -> bool:
    """Say whether everything of *sent* stands in *effective*."""
    if isinstance(sent, str) and _VARIABLE.search(sent):
        return True
    if isinstance(effective, str) and _MASKED.fullmatch(effective):
        return True
    if isinstance(sent, dict) and isinstance(effective, dict):
        return all(key in effective and contains(effective[key], value) for key, value in sent.items())
    if isinstance(sent, list) and isinstance(effective, list):
        return all(any(contains(entry, value) for entry in effective) for value in sent)
    if sent in _NULLISH and effective in _NULLISH:
        return True
    return sent == effective or str(sent).lower() == str(effective).lower()
