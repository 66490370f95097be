"""AgentToServer as it comes: read, measured, digested. Pure; the rules of the conversation are in session.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

from google.protobuf.message import DecodeError
from xxhash import xxh3_64_digest

from contracts.ids import UID_LENGTH
from opamp.v1 import opamp_pb2 as opamp
from opamp_gateway.errors import BadMessage

if TYPE_CHECKING:
    from collections.abc import Iterable

Slot = Literal[
    "agent_description",
    "health",
    "effective_config",
    "remote_config_status",
    "package_statuses",
    "connection_settings_status",
    "custom_capabilities",
    "available_components",
]

DIGEST: Final = 8
"""Bytes of one digest."""

SLOTS: Final[tuple[Slot, ...]] = (
    "agent_description",
    "health",
    "effective_config",
    "remote_config_status",
    "package_statuses",
    "connection_settings_status",
    "custom_capabilities",
    "available_components",
)
"""AgentToServer fields a session keeps a digest of, by their place in the combined digest."""

CUSTOM: Final = SLOTS.index("custom_capabilities")
STATUS: Final = SLOTS.index("remote_config_status")

NOTHING: Final = bytes(DIGEST * len(SLOTS))
"""The combined digest of an agent of which nothing is known."""

_REQUEST_UID: Final = int(opamp.AgentToServerFlags_RequestInstanceUid)
_SHARED_LISTS: Final = 1_000
_LEAST_ENTRY: Final = 2
"""Bytes of the smallest entry of a map: its tag and its length."""


_shared: dict[tuple[str, ...], tuple[str, ...]] = {}


class Bounds(Protocol):
    """How many there may be in one message."""

    @property
    def max_attributes(self) -> int:
        """Attributes of a description."""
        ...

    @property
    def max_config_files(self) -> int:
        """Files of an effective config."""
        ...

    @property
    def max_entries(self) -> int:
        """Package statuses, and components of whatever depth, in health and in what is available."""
        ...

    @property
    def max_capabilities(self) -> int:
        """Custom capabilities."""
        ...


def parse(data: bytes) -> opamp.AgentToServer:
    """
    Read an AgentToServer whose uid has the right length.

    Raises:
        BadMessage: Not protobuf, or instance_uid is not 16 bytes; `uid` on it says what was received.
    """
    try:
        message = opamp.AgentToServer.FromString(data)
    except DecodeError as error:
        text = "the message is not a readable AgentToServer"
        raise BadMessage(text) from error
    if len(message.instance_uid) != UID_LENGTH:
        refused = BadMessage(f"instance_uid must be {UID_LENGTH} bytes, got {len(message.instance_uid)}")
        refused.uid = message.instance_uid
        raise refused
    return message


def wants_uid(message: opamp.AgentToServer) -> bool:
    """Say whether the agent asks to be given an instance_uid."""
    return bool(message.flags & _REQUEST_UID)


def fault_of(name: str, part: Any, bounds: Bounds) -> str | None:
    """Say what there is absurdly much of in one part, before anything walks it; None = nothing."""
    match name:
        case "remote_config_status" | "connection_settings_status":
            return None
        case "agent_description":
            what, limit = "attributes", bounds.max_attributes
            count = len(part.identifying_attributes) + len(part.non_identifying_attributes)
        case "effective_config":
            what, limit = "config files", bounds.max_config_files
            count = len(part.config_map.config_map)
        case "health":
            what, limit = "health components", bounds.max_entries
            count = _nodes(part, "component_health_map", limit) if _may_hold(part, limit) else 0
        case "package_statuses":
            what, limit, count = "package statuses", bounds.max_entries, len(part.packages)
        case "available_components":
            what, limit = "components", bounds.max_entries
            count = len(part.components)
            for component in part.components.values() if _may_hold(part, limit) else ():
                if count > limit:
                    break
                count += _nodes(component, "sub_component_map", limit)
        case "custom_capabilities":
            what, limit, count = "custom capabilities", bounds.max_capabilities, len(part.capabilities)
        case _:
            return None
    return f"too many {what}: {min(count, limit + 1)} or more, at most {limit} are taken" if count > limit else None


def digest_of(body: bytes) -> bytes:
    """Digest one part: only tells whether an agent's own words are news, so not cryptographic (ADR 0016)."""
    return xxh3_64_digest(body)


def shared(names: Iterable[str]) -> tuple[str, ...]:
    """Make a list of names that all sessions with the same list share: a fleet has few different ones."""
    if len(_shared) > _SHARED_LISTS:
        _shared.clear()
    wanted = tuple(names)
    return _shared.setdefault(wanted, wanted)


def _may_hold(part: Any, entries: int) -> bool:
    """Say whether *part* is large enough to hold more than so many entries: to count them one by one is dear."""
    return bool(part.ByteSize() > _LEAST_ENTRY * entries)


def _nodes(root: Any, children: str, enough: int) -> int:
    """Count the nodes below *root*, at whatever depth; stop when it is *enough*."""
    if not getattr(root, children):
        return 0
    count = 0
    waiting = [root]
    while waiting and count <= enough:
        below = getattr(waiting.pop(), children)
        count += len(below)
        if count <= enough:
            waiting.extend(below.values())
    return count
