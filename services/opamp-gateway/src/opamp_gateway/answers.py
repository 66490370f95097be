"""
ServerToAgent as bytes: every answer begins with the agent's own uid field, the rest is spliced behind it.

Protobuf concatenation is merge, so a part serialised once serves every agent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from contracts.ids import UID_LENGTH
from opamp.v1 import opamp_pb2 as opamp
from opamp_gateway.varint import delimited, number

if TYPE_CHECKING:
    from collections.abc import Iterable

SERVER_CAPABILITIES: Final = (
    opamp.ServerCapabilities_AcceptsStatus
    | opamp.ServerCapabilities_OffersRemoteConfig
    | opamp.ServerCapabilities_AcceptsEffectiveConfig
    | opamp.ServerCapabilities_OffersPackages
    | opamp.ServerCapabilities_AcceptsPackagesStatus
    | opamp.ServerCapabilities_OffersConnectionSettings
)
"""What this platform always serves; a bit is set exactly when the feature is there."""

_CERTIFIES: Final = opamp.ServerCapabilities_AcceptsConnectionSettingsRequest

REPORT_FULL_STATE: Final = number(6, opamp.ServerToAgentFlags_ReportFullState)

BAD_REQUEST: Final[int] = int(opamp.ServerErrorResponseType_BadRequest)
UNAVAILABLE: Final[int] = int(opamp.ServerErrorResponseType_Unavailable)

REPORT_COMPONENTS: Final[int] = int(opamp.ServerToAgentFlags_ReportAvailableComponents)
FULL_STATE: Final[int] = int(opamp.ServerToAgentFlags_ReportFullState)

_UID_FIELD: Final = b"\x0a\x10"
_MAX_ECHO = 64
"""A uid of the wrong length is echoed as it came, unless it is absurd."""


class Greeting:
    """
    What the first answer of a session says of this server.

    Args:
        custom_capabilities: Names of the custom capabilities this server announces.
    """

    __slots__ = ("capabilities", "custom_capabilities", "part")

    def __init__(self, custom_capabilities: tuple[str, ...] = ()) -> None:
        self.custom_capabilities = custom_capabilities
        self.capabilities = b""
        """The field `capabilities`."""

        self.part = b""
        """The fields `capabilities` and, if there are any, `custom_capabilities`."""

        self.certify(certificates=False)

    def certify(self, *, certificates: bool) -> None:
        """Say from now on whether agents may ask for certificates."""
        names = self.custom_capabilities
        self.capabilities = number(7, SERVER_CAPABILITIES | (_CERTIFIES if certificates else 0))
        self.part = self.capabilities + (custom_capabilities(names) if names else b"")


def custom_capabilities(names: Iterable[str]) -> bytes:
    """Write the field `custom_capabilities`."""
    return delimited(10, b"".join(delimited(1, name.encode()) for name in names))


def acknowledge(uid: bytes) -> bytes:
    """Write the answer that says nothing but whom it is for."""
    if len(uid) == UID_LENGTH:
        return _UID_FIELD + uid
    return delimited(1, uid[:_MAX_ECHO])


def error(uid: bytes, kind: int, message: str, retry_after_seconds: float = 0.0) -> bytes:
    """
    Write an error answer; it carries nothing else, as the specification asks.

    Args:
        uid: As received, of whatever length.

        kind: BAD_REQUEST or UNAVAILABLE.

        message: Said to the agent.

        retry_after_seconds: Only with UNAVAILABLE; 0 = say nothing.
    """
    body = number(1, kind) + delimited(2, message.encode())
    if retry_after_seconds:
        body += delimited(3, number(1, int(retry_after_seconds * 1_000_000_000)))
    return acknowledge(uid) + delimited(2, body)


def identify(new_uid: bytes) -> bytes:
    """Write the part that gives an agent a new instance_uid."""
    return delimited(8, delimited(1, new_uid))
