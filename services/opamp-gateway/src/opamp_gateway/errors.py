"""
What can go wrong in the gateway.

    ValueError
    ├── FrameViolation      the peer broke RFC 6455: close with its code
    ├── BadMessage          an AgentToServer we cannot take: answer BAD_REQUEST
    └── BadHead             an HTTP request head we cannot take: answer its status and close
    ServiceError
    ├── ConfigurationRefused   the settings would open the door to everybody: do not start
    └── BatchTooLarge       the bus will never take so many bytes: cut it, or drop it

A bad message never ends the process, at most the connection.
"""

from __future__ import annotations

from servicekit.errors import Invalid


class FrameViolation(ValueError):
    """The peer broke the WebSocket protocol; *code* is the close code it is told."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class BadMessage(ValueError):
    """An AgentToServer that cannot be taken; the text is said to the agent."""

    uid: bytes = b""
    """instance_uid as received, of whatever length, to echo."""


class BadHead(ValueError):
    """A request head that cannot be taken; *status* is the HTTP status it is answered with."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class ConfigurationRefused(Invalid):
    """The settings contradict each other in a way that would be unsafe."""

    code = "gateway_configuration_refused"


class BatchTooLarge(Invalid):
    """The bus will never take this batch, however often it is offered."""

    code = "gateway_batch_too_large"
