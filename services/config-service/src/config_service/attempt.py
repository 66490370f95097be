"""
The attempt ledger's rules: which status may follow which.

Pure. One attempt is one try to make one agent run one content. The agent's word always wins over our
clock: an attempt that timed out may still be applied when the agent says so later. Only `superseded` is final.
"""

from __future__ import annotations

from enum import StrEnum


class AttemptStatus(StrEnum):
    """Where one attempt stands."""

    NONE = ""
    """No attempt is under way."""

    PENDING = "pending"
    """Decided and recorded; no gateway has delivered it yet."""

    OFFERED = "offered"
    """Delivered to the agent, which has not answered."""

    APPLYING = "applying"
    APPLIED = "applied"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    ROLLED_BACK_BY_AGENT = "rolled_back_by_agent"
    SUPERSEDED = "superseded"


class Cause(StrEnum):
    """Why an attempt was made."""

    CONNECT = "connect"
    CHANGE = "change"
    PUSH = "push"
    ASSIGNMENT = "assignment"
    SWEEP = "sweep"


_ANSWERS = frozenset(
    {
        AttemptStatus.APPLYING,
        AttemptStatus.APPLIED,
        AttemptStatus.FAILED,
        AttemptStatus.ROLLED_BACK_BY_AGENT,
    }
)

OPEN = frozenset({AttemptStatus.PENDING, AttemptStatus.OFFERED, AttemptStatus.APPLYING})
"""Statuses that still expect something to happen."""

_NEXT: dict[AttemptStatus, frozenset[AttemptStatus]] = {
    AttemptStatus.NONE: frozenset(),
    AttemptStatus.PENDING: _ANSWERS | {AttemptStatus.OFFERED, AttemptStatus.TIMED_OUT, AttemptStatus.SUPERSEDED},
    AttemptStatus.OFFERED: _ANSWERS | {AttemptStatus.TIMED_OUT, AttemptStatus.SUPERSEDED},
    AttemptStatus.APPLYING: _ANSWERS | {AttemptStatus.TIMED_OUT, AttemptStatus.SUPERSEDED},
    AttemptStatus.APPLIED: _ANSWERS,
    AttemptStatus.FAILED: _ANSWERS,
    AttemptStatus.TIMED_OUT: _ANSWERS,
    AttemptStatus.ROLLED_BACK_BY_AGENT: _ANSWERS,
    AttemptStatus.SUPERSEDED: frozenset(),
}


def moved(current: AttemptStatus, to: AttemptStatus) -> AttemptStatus:
    """Return the status after asking to move; a move that is not allowed, or to itself, changes nothing."""
    return to if to in _NEXT[current] else current
