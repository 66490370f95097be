"""
What a batch of facts means for the connection history. Pure.

An epoch above the stored one is a row to insert; the stored epoch is a row whose key is known; anything older is
late and has to be looked up. A Disconnected fact is the last word about its connection; a close we inferred
(replaced, gateway lost, heartbeat timeout) gives way to it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import pairwise, zip_longest
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from agent_state.folding import AgentDelta, ConnectionDelta

REPLACED = "replaced"

OPEN = 0
INFERRED = 1
FINAL = 2


@dataclass(frozen=True, slots=True)
class Connection:
    """One row of the history."""

    tenant_id: str
    uid: bytes
    connected_at: datetime
    epoch: int
    disconnected_at: datetime | None
    reason: str
    closed_by: int
    gateway_id: str
    remote_address: str
    transport: int
    implied: bool


@dataclass(frozen=True, slots=True)
class Stored:
    """The newest connection of an agent before the batch."""

    epoch: int
    connected_at: datetime
    connected_sequence: int
    is_open: bool


@dataclass(frozen=True, slots=True)
class Closing:
    """A known row that ends."""

    tenant_id: str
    uid: bytes
    connected_at: datetime
    epoch: int
    disconnected_at: datetime
    reason: str
    closed_by: int


@dataclass(slots=True)
class Plan:
    """What to do to the history."""

    openings: list[Connection] = field(default_factory=list)
    closings: list[Closing] = field(default_factory=list)
    late: list[Connection] = field(default_factory=list)
    """To be merged with what is stored under their epoch, if anything."""


def plan(delta: AgentDelta, stored: Stored | None, into: Plan) -> None:
    """Add to *into* what *delta* means for an agent whose newest connection was *stored*."""
    known = stored.epoch if stored is not None else 0
    fresh = sorted(epoch for epoch in delta.connections if epoch > known)
    for epoch, following in zip_longest(fresh, fresh[1:]):
        next_at = delta.connections[following].opened_at if following is not None else None
        into.openings.append(_row(delta, epoch, delta.connections[epoch], next_at))
    if stored is None:
        return
    current = delta.connections.get(known)
    if current is not None and _moves(current, stored):
        into.late.append(_row(delta, known, current, None))
    elif current is not None and current.closed_at is not None:
        into.closings.append(
            Closing(
                delta.tenant_id,
                delta.uid,
                stored.connected_at,
                known,
                current.closed_at,
                current.reason,
                FINAL,
            )
        )
    if fresh and stored.is_open and (current is None or current.closed_at is None):
        replaced_at = delta.connections[fresh[0]].opened_at
        into.closings.append(
            Closing(delta.tenant_id, delta.uid, stored.connected_at, known, replaced_at, REPLACED, INFERRED)
        )
    add_late(delta, known, into)


def add_late(delta: AgentDelta, below: int, into: Plan) -> None:
    """Add what *delta* says of connections older than *below*; facts that only imply one do not count."""
    into.late.extend(
        _row(delta, epoch, said, None)
        for epoch, said in delta.connections.items()
        if epoch < below and (said.connected_sequence or said.closed_at is not None)
    )


def merge_late(late: Connection, stored: Connection | None) -> Connection:
    """
    Put together what is stored of a connection and what a late fact says.

    Nothing stored and not closed by a fact: it must have been replaced, by whom settle() finds out.
    """
    if stored is None:
        if late.closed_by == OPEN:
            return replace(late, closed_by=INFERRED, reason=REPLACED, disconnected_at=late.connected_at)
        return late
    merged = stored
    if not late.implied:
        earliest = late.connected_at if stored.implied else min(late.connected_at, stored.connected_at)
        merged = replace(merged, connected_at=earliest, implied=False)
        if stored.implied:
            merged = replace(
                merged,
                gateway_id=late.gateway_id,
                remote_address=late.remote_address,
                transport=late.transport,
            )
    if late.closed_by > stored.closed_by:
        merged = replace(merged, closed_by=late.closed_by, disconnected_at=late.disconnected_at, reason=late.reason)
    return merged


def settle(history: Iterable[Connection]) -> list[tuple[Connection, Connection]]:
    """
    Let every connection without an end of its own end where the next one began.

    Args:
        history: All connections of one agent.

    Returns:
        (as it was, as it should be) for those that differ.
    """
    rows: Sequence[Connection] = sorted(history, key=lambda row: row.epoch)
    changed = []
    for row, following in pairwise(rows):
        if row.closed_by == FINAL or (row.closed_by == INFERRED and row.reason != REPLACED):
            continue
        right = replace(row, disconnected_at=following.connected_at, reason=REPLACED, closed_by=INFERRED)
        if right != row:
            changed.append((row, right))
    return changed


def _moves(current: ConnectionDelta, stored: Stored) -> bool:
    """Say whether a Connected fact tells another beginning than the one stored."""
    if not current.connected_sequence:
        return False
    return stored.connected_sequence == 0 or current.opened_at < stored.connected_at


def _row(delta: AgentDelta, epoch: int, said: ConnectionDelta, next_at: datetime | None) -> Connection:
    ended_at, reason, closed_by = said.closed_at, said.reason, FINAL
    if ended_at is None and next_at is not None:
        ended_at, reason, closed_by = next_at, REPLACED, INFERRED
    elif ended_at is None:
        reason, closed_by = "", OPEN
    return Connection(
        delta.tenant_id,
        delta.uid,
        said.opened_at,
        epoch,
        ended_at,
        reason,
        closed_by,
        said.gateway_id,
        said.remote_address,
        said.transport,
        implied=not said.connected_sequence,
    )
