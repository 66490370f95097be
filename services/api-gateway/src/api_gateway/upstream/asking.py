"""One way to ask: with a deadline, and with the request id so that every log line of a request can be found."""

from __future__ import annotations

from typing import Protocol, TypeVar

import structlog
from google.protobuf.message import Message

from contracts.subjects import Method
from servicekit.bus import REQUEST_ID_HEADER

Q = TypeVar("Q", bound=Message)
R = TypeVar("R", bound=Message)


class Caller(Protocol):
    """The part of servicekit.bus.Bus needed here."""

    async def call(
        self, method: Method[Q, R], request: Q, *, timeout_seconds: float = 5.0, headers: dict[str, str] | None = None
    ) -> R:
        """Ask another service; raises the ServiceError it raised, or Unavailable."""
        ...


class Asking:
    """Asks one service."""

    def __init__(self, bus: Caller, timeout_seconds: float) -> None:
        self._bus = bus
        self._timeout_seconds = timeout_seconds

    async def ask(self, method: Method[Q, R], request: Q, *, timeout_seconds: float | None = None) -> R:
        """
        Ask and return the answer.

        Raises:
            ServiceError: What the service raised: same kind, code, sentence and details.

            Unavailable: It did not answer in time, or the bus is away.
        """
        request_id = str(structlog.contextvars.get_contextvars().get("request_id", ""))
        return await self._bus.call(
            method,
            request,
            timeout_seconds=timeout_seconds or self._timeout_seconds,
            headers={REQUEST_ID_HEADER: request_id} if request_id else None,
        )
