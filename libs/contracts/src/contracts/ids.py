"""Ids as distinct types, and how an instance_uid is written for people."""

from __future__ import annotations

import re
import uuid
from typing import NewType

TenantId = NewType("TenantId", str)
"""A slug safe in subjects, keys and labels: lower-case letters, digits and hyphens, at most 63."""

AgentUid = NewType("AgentUid", bytes)
"""An OpAMP instance_uid: exactly 16 bytes of any value."""

Epoch = NewType("Epoch", int)
"""Number of a connection; grows with every connect of the fleet."""

DEFAULT_TENANT = TenantId("default")

UID_LENGTH = 16

_TENANT = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


def is_tenant_id(text: str) -> bool:
    """Say whether *text* may stand as a tenant id in a subject, a key and a table."""
    return _TENANT.fullmatch(text) is not None


def format_uid(uid: bytes) -> str:
    """
    Write an instance_uid as people read it: lower-case hyphenated UUID text.

    Any 16 bytes have such a text; whether they form a valid UUID version is not asked.
    """
    return str(uuid.UUID(bytes=bytes(uid)))


def parse_uid(text: str) -> AgentUid:
    """
    Read an instance_uid from UUID text, with or without hyphens, in either case.

    Raises:
        ValueError: The text does not name 16 bytes.
    """
    digits = text.replace("-", "")
    if len(digits) != 2 * UID_LENGTH:
        message = "an agent id is a UUID: 32 hexadecimal digits, hyphens optional"
        raise ValueError(message)
    return AgentUid(bytes.fromhex(digits))
