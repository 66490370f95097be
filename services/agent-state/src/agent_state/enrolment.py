"""
What an enrolment token asks of the agents that show it, and what it stamps on them. Pure.

The sentences are public: an agent's log is where its owner looks first.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

GROUP = "group"
"""The label a token's group becomes."""

KINDS_ISSUED = ("none", "bearer", "jwt")

APPROVED = "approved"
PENDING = "pending"
REJECTED = "rejected"
REVOKED = "revoked"
APPROVALS = (APPROVED, PENDING, REJECTED, REVOKED)
BARRED = frozenset((REJECTED, REVOKED))

TOKEN_REVOKED = "This enrolment token was revoked."  # noqa: S105 - a sentence
TOKEN_EXPIRED = "This enrolment token has expired."  # noqa: S105 - a sentence
TOKEN_USED_UP = "This enrolment token is used up: it has enrolled as many agents as it may."  # noqa: S105 - a sentence
ADDRESS_NOT_ALLOWED = "This enrolment token is not allowed from this address."
AGENT_REJECTED = "This agent was rejected."
AGENT_REVOKED = "This agent's access was revoked."


@dataclass(frozen=True, slots=True)
class Rules:
    """What a token does; the defaults are those of a token that only lets in."""

    max_uses: int = 0
    """0 = any number of agents."""

    cidrs: Sequence[str] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    """`group` included."""

    requires_approval: bool = False
    ephemeral_seconds: int = 0
    issues: str = "none"
    credential_lifetime_seconds: int = 0

    @property
    def needs_admission(self) -> bool:
        """Say whether each agent must be looked at by itself; labels alone are stamped by the gateway."""
        return bool(
            self.max_uses or self.cidrs or self.requires_approval or self.ephemeral_seconds or self.issues != "none"
        )


class Row(Protocol):
    """A record by column name: asyncpg's, or a dict."""

    def __getitem__(self, name: str, /) -> Any: ...


def rules_of(row: Row) -> Rules:
    """Read the rules from the columns of a token."""
    return Rules(
        row["max_uses"] or 0,
        tuple(row["cidrs"]),
        row["labels"],
        row["requires_approval"],
        row["ephemeral_seconds"],
        row["issues"],
        row["credential_lifetime_seconds"],
    )


def is_allowed_from(cidrs: Sequence[str], address: str) -> bool:
    """
    Say whether *address* lies in one of the networks; no networks mean anywhere.

    An IPv4 address written as IPv6 (::ffff:10.0.0.1) counts as IPv4. What is no address lies nowhere.
    """
    if not cidrs:
        return True
    try:
        peer = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(peer, ipaddress.IPv6Address) and peer.ipv4_mapped is not None:
        peer = peer.ipv4_mapped
    return any(peer in network for network in map(ipaddress.ip_network, cidrs) if network.version == peer.version)


def read_network(text: str) -> str:
    """
    Write a network the one way it is stored; a lone address is a network of one.

    Raises:
        ValueError: It is no network, or has bits below its prefix.
    """
    return str(ipaddress.ip_network(text.strip()))


def barred_sentence(approval: str) -> str:
    """Tell an agent why it is not let in; empty when it may come in."""
    return {REJECTED: AGENT_REJECTED, REVOKED: AGENT_REVOKED}.get(approval, "")


def decide(before: str, decision: str) -> str | None:
    """
    Tell the approval that follows *decision*, approve or reject; None when the state does not allow it.

    An agent that is in is not rejected but revoked: that ends its credentials as well.
    """
    if decision == "approve":
        return None if before == APPROVED else APPROVED
    return REJECTED if before == PENDING else None
