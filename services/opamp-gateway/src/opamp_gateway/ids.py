"""Ids this gateway makes: its own, and UUID version 7 for agents that ask for one."""

from __future__ import annotations

import secrets
import time

_VERSION_7 = 0x7000
_VARIANT = 0x80


def uuid7() -> bytes:
    """Make the 16 bytes of a UUID version 7 (RFC 9562): milliseconds first, the rest random."""
    random = bytearray(secrets.token_bytes(10))
    random[0] = random[0] & 0x0F | (_VERSION_7 >> 8)
    random[2] = random[2] & 0x3F | _VARIANT
    return (time.time_ns() // 1_000_000).to_bytes(6) + bytes(random)


def gateway_id(name: str) -> str:
    """
    Make the id of this process: every start is a gateway of its own.

    A lease kept alive by a restarted process must not vouch for the connections of the one before it.
    """
    return f"{name or 'gateway'}-{secrets.token_hex(4)}"
