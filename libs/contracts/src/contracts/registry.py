"""
The connection registry in Redis: key and field names, shared by gateways and config-service.

A cache, never the truth: losing it costs events that were not needed, nothing else. One hash per agent;
writers refuse to replace a higher epoch (the script lives with the gateway).
"""

from __future__ import annotations

ENTRY_TTL_SECONDS = 7 * 24 * 3600
"""An agent not seen for a week starts afresh."""

GATEWAY = "gateway"
EPOCH = "epoch"
TRANSPORT = "transport"
TURN = "turn"
"""How often a polling agent's session moved between gateways; raises the fact sequence."""

SEQUENCE_NUM = "seq"
CAPABILITIES = "caps"
DESIRED = "desired"
"""Raw 32 bytes: the remote config hash config-service wants offered at connect; empty = none."""

DESIRED_VERSION = "desired_version"
"""Grows with every change of DESIRED; a lower one never replaces a higher one."""

DIGEST_PREFIX = "d:"
"""Then the AgentToServer field name: digest of the sub-message as last published as a fact."""


def entry_key(tenant_id: str, uid: bytes) -> str:
    """Key of an agent's entry."""
    return f"fleet:v1:agent:{tenant_id}:{uid.hex()}"


def lease_key(gateway_id: str) -> str:
    """Key of a gateway's lease: exists while the gateway lives."""
    return f"fleet:v1:gateway:{gateway_id}"
