"""
Who is connected here: one owner per agent, and everybody who holds a socket.

Whether a second socket with a uid already in use is a clone or the same agent coming back is decided in
reception.py; here is only who owns what.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from opamp_gateway.credentials import Credential
    from opamp_gateway.offers import Offering
    from opamp_gateway.session import Session


class Holder(Protocol):
    """A WebSocket or a polling agent: whatever a session hangs on."""

    session: Session | None
    heard: bool
    """Heard from since the last beat of presence."""

    last_heard: float
    """Monotonic seconds; up to date once a beat has passed."""

    @property
    def companions(self) -> Mapping[bytes, Holder] | None:
        """Further agents that are as alive as this one, because they share its socket."""
        ...

    def deliver(self, offering: Offering) -> bool:
        """Tell the agent, now or with its next poll; False when it will not be told."""
        ...

    def inform(self, reply: bytes) -> None:
        """Send a ServerToAgent at once, where that can be done."""
        ...

    def end(self, reason: str) -> None:
        """End the session and whatever carries it; *reason* as in Disconnected."""
        ...

    async def answers(self, seconds: float) -> bool:
        """Say whether the peer gives a sign of life within *seconds*; one that cannot be asked does not."""
        ...


class Socket(Holder, Protocol):
    """A holder with a connection of its own."""

    credential: Credential
    """What let it in."""

    pinged_at: float
    """When it was asked for a sign of life; 0 = not since it gave one."""

    @property
    def gone(self) -> bool:
        """Whether it is closed or closing."""
        ...

    def ping(self) -> None:
        """Ask for a sign of life."""
        ...

    def close(self, code: int, reason: str) -> None:
        """Say goodbye."""
        ...

    def abort(self, reason: str) -> None:
        """Drop it."""
        ...


class Caller(Protocol):
    """Somebody at the door who has not said what it wants."""

    def expire(self) -> None:
        """Send it off."""
        ...


class Connections:
    """The agents whose sessions live in this process."""

    def __init__(self) -> None:
        self._tenants: dict[str, dict[bytes, Holder]] = {}

    def get(self, tenant_id: str, uid: bytes) -> Holder | None:
        """Tell who owns an agent."""
        tenant = self._tenants.get(tenant_id)
        return tenant.get(uid) if tenant else None

    def put(self, holder: Holder) -> None:
        """Make *holder* the owner of its session's agent."""
        session = holder.session
        if session is not None:
            self._tenants.setdefault(session.tenant_id, {})[session.uid] = holder

    def remove(self, holder: Holder) -> None:
        """Forget *holder*'s agent, unless somebody else owns it by now."""
        session = holder.session
        if session is None:
            return
        tenant = self._tenants.get(session.tenant_id)
        if tenant is not None and tenant.get(session.uid) is holder:
            del tenant[session.uid]

    def __len__(self) -> int:
        return sum(len(tenant) for tenant in self._tenants.values())

    def __iter__(self) -> Iterator[Holder]:
        """Go over a snapshot; holders may come and go meanwhile."""
        for tenant in list(self._tenants.values()):
            yield from list(tenant.values())
