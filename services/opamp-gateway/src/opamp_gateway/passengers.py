"""
Further agents on one WebSocket, as behind a proxy that carries several: each has a session of its own.

The first agent of a socket hangs on the socket itself, so that the common case costs nothing. A passenger lives as
long as the socket, or until it says goodbye.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from opamp_gateway.offers import Mailbox
from opamp_gateway.session import WEBSOCKET

if TYPE_CHECKING:
    from opamp_gateway.connections import Holder
    from opamp_gateway.credentials import Credential
    from opamp_gateway.offers import Offering
    from opamp_gateway.session import Session, Step
    from opamp_gateway.websocket import WebSocket


class Passenger:
    """
    One further agent of a socket.

    Args:
        socket: What carries it.
    """

    __slots__ = ("_mailbox", "_socket", "heard", "last_heard", "session")

    companions = None
    """It carries nobody itself."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self._mailbox: Mailbox | None = None
        self.session: Session | None = None
        self.heard = False
        self.last_heard = socket.last_heard

    # What the gateway asks of a holder.

    def deliver(self, offering: Offering) -> bool:
        """Tell the agent at once, or as soon as its socket is read again."""
        session = self.session
        if session is None or self.gone:
            return False
        if self._socket.paused:
            self._mailbox = self._mailbox or Mailbox()
            return self._mailbox.put(offering)
        return self._socket.tell(session, offering)

    def flush(self) -> None:
        """Tell what waited while nobody read."""
        mailbox, self._mailbox = self._mailbox, None
        while mailbox is not None and len(mailbox):
            for offering in mailbox.take():
                self.deliver(offering)

    def inform(self, reply: bytes) -> None:
        """Send a ServerToAgent over the socket."""
        self._socket.inform(reply)

    def end(self, reason: str) -> None:
        """End this session only: the socket carries others."""
        self._socket.leave(self, reason)

    async def answers(self, seconds: float) -> bool:
        """Say whether the socket gives a sign of life."""
        return await self._socket.answers(seconds)

    # What reception asks of a newcomer.

    @property
    def gone(self) -> bool:
        """Whether the socket is closed or closing."""
        return self._socket.gone

    @property
    def holder(self) -> Holder:
        """The passenger itself."""
        return self

    @property
    def transport_kind(self) -> int:
        """It is a WebSocket."""
        return WEBSOCKET

    @property
    def remote_address(self) -> str:
        """The socket's peer."""
        return self._socket.remote_address

    @property
    def credential(self) -> Credential:
        """What let the socket in."""
        return self._socket.credential

    @property
    def as_of(self) -> int:
        """The newest change of anybody's rights when the socket was let in."""
        return self._socket.as_of

    def welcomed(self, session: Session, step: Step, parts: bytes) -> None:
        """Come aboard."""
        self._socket.board(self, session)
        self._socket.welcomed(session, step, parts)

    def renamed(self, answer: tuple[bytes, bytes]) -> None:
        """Be told another uid."""
        self._socket.renamed(answer)

    def put_off(self, reply: bytes) -> None:
        """Be told to come again."""
        self._socket.put_off(reply)

    def refused(self, uid: bytes, sentence: str) -> None:
        """Be told no; the others stay."""
        self._socket.refused(uid, sentence)
