"""What must hold of every message of an agent, whatever scenario heard it."""

from __future__ import annotations

import re
import time
import uuid
from typing import TYPE_CHECKING

from opamp.v1 import opamp_pb2 as opamp
from opampctl.conformance.as_server.catalogue import rule
from opampctl.conformance.as_server.door import GZIP
from opampctl.conformance.as_server.manners import MEDIA_TYPE
from opampctl.conformance.heard import Transport
from opampctl.conformance.wire import DELIMITED, WireError, fields, values

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opampctl.conformance.as_server.said import Said

UID_BYTES = 16
_VERSION = 7
_KNOWN_BITS = 0xFFFF
_KNOWN_FLAGS = 1
_LAST_FIELD = 15
_NANO = 10**9
_YEAR_2000 = 946_684_800 * _NANO
_KEY = re.compile(r"[a-z][a-z0-9_]*([.][a-zA-Z0-9_-]+)*")
_MIME = re.compile(r"[\w.+-]+/[\w.+-]+ *(;.*)?")
_NAME = re.compile(r"[a-z0-9-]+(\.[A-Za-z0-9_-]+)+(/.+)?")
_NO_HTTP = "the agent does not poll"
_NO_WEBSOCKET = "the agent does not speak WebSocket"
_NO_HEALTH = "no health was reported"
_NO_CUSTOM = "no custom message was sent"
_EFFECTIVE, _MAP, _ENTRY = 6, 1, 1


@rule("C-006", broken="a text message", unseen=_NO_WEBSOCKET)
def messages_are_binary(said: Said) -> bool | None:
    """WebSocket messages are binary."""
    return not said.text if said.transport is Transport.WEBSOCKET else None


@rule("C-007", broken="what follows the header is no AgentToServer", unseen=_NO_WEBSOCKET)
def header_then_protobuf(said: Said) -> bool | None:
    """After a zero header stands one AgentToServer."""
    if said.transport is not Transport.WEBSOCKET or said.header != 0 or said.text:
        return None
    return said.readable


@rule("C-008", broken="the message does not begin with 00", unseen=_NO_WEBSOCKET)
def header_is_one_zero_byte(said: Said) -> bool | None:
    """The first byte is zero."""
    return said.raw[:1] == b"\x00" if said.transport is Transport.WEBSOCKET and not said.text else None


@rule("C-014", broken="the request body is no AgentToServer", unseen=_NO_HTTP)
def polls_are_bare_protobuf(said: Said) -> bool | None:
    """A request body is an AgentToServer and nothing else."""
    return said.readable if said.transport is Transport.HTTP else None


@rule("C-015", broken="the Content-Type is another", unseen=_NO_HTTP)
def polls_are_marked(said: Said) -> bool | None:
    """Requests have the Content-Type."""
    if said.transport is not Transport.HTTP:
        return None
    return said.headers.get("content-type", "").partition(";")[0].strip().lower() == MEDIA_TYPE


@rule("C-020", broken="a request began while another was unanswered", unseen=_NO_HTTP)
def one_request_at_a_time(said: Said) -> bool | None:
    """No two requests are under way together."""
    return not said.overlapped if said.transport is Transport.HTTP else None


@rule("C-022", broken="OpAMP-Instance-UID is missing or another than in the body", unseen=_NO_HTTP)
def header_names_the_uid(said: Said) -> bool | None:
    """The header is the text of the uid in the body."""
    if said.transport is not Transport.HTTP or len(said.message.instance_uid) != UID_BYTES:
        return None
    text = str(uuid.UUID(bytes=said.message.instance_uid))
    return said.headers.get("opamp-instance-uid", "").lower() == text


@rule("C-024", broken="", unseen="the agent sends no gzipped bodies")
def bodies_may_be_gzipped(said: Said) -> bool | None:
    """Gzipped bodies were seen."""
    return True if said.packed[:2] == GZIP else None


@rule("C-025", broken="a gzipped body without Content-Encoding", unseen="the agent sends no gzipped bodies")
def gzipped_bodies_are_marked(said: Said) -> bool | None:
    """A gzipped body has the Content-Encoding."""
    return said.headers.get("content-encoding") == "gzip" if said.packed[:2] == GZIP else None


@rule("C-054", broken="instance_uid is not set")
def messages_have_a_uid(said: Said) -> bool | None:
    """instance_uid is there."""
    return bool(said.message.instance_uid) if said.readable else None


@rule("C-058", broken="the uid is not 16 bytes")
def uids_are_16_bytes(said: Said) -> bool | None:
    """instance_uid is 16 bytes."""
    return len(said.message.instance_uid) == UID_BYTES if said.message.instance_uid else None


@rule("C-059", broken="the uid is no UUID of version 7", unseen="no uid of 16 bytes was said")
def uids_are_version_7(said: Said) -> bool | None:
    """The agent's own uid has version and variant of a UUIDv7."""
    uid = said.message.instance_uid
    wishes = said.message.flags & opamp.AgentToServerFlags_RequestInstanceUid
    if len(uid) != UID_BYTES or uid == said.given_uid or wishes:
        return None
    return uuid.UUID(bytes=uid).version == _VERSION


@rule("C-077", broken="a bit beyond the sixteen is set", unseen="no capabilities were stated")
def capabilities_are_known_bits(said: Said) -> bool | None:
    """Only defined capability bits are set."""
    return not said.message.capabilities & ~_KNOWN_BITS if said.message.capabilities else None


@rule("C-078", broken="capabilities are not stated")
def capabilities_are_always_stated(said: Said) -> bool | None:
    """Capabilities are in every message."""
    return bool(said.message.capabilities) if said.readable else None


@rule("C-079", broken="ReportsStatus is not set", unseen="no capabilities were stated")
def status_is_always_reported(said: Said) -> bool | None:
    """ReportsStatus is among the capabilities."""
    stated = said.message.capabilities
    return bool(stated & opamp.AgentCapabilities_ReportsStatus) if stated else None


@rule("C-085", broken="a reserved bit is set")
def reserved_bits_are_zero(said: Said) -> bool | None:
    """Neither capabilities nor flags have bits without a meaning."""
    if not said.readable:
        return None
    return not said.message.capabilities & ~_KNOWN_BITS and not said.message.flags & ~_KNOWN_FLAGS


@rule("C-284", broken="a field the schema does not have, or of another wire type")
def fields_are_those_of_the_schema(said: Said) -> bool | None:
    """Field numbers and wire types are those of the .proto."""
    if not said.readable:
        return None
    numbers = {2, 4, 10}
    try:
        found = fields(said.data)
    except WireError:
        return False
    return all(
        each.number <= _LAST_FIELD and (each.kind == DELIMITED) == (each.number not in numbers) for each in found
    )


@rule("C-087", broken="an attribute is not named by the conventions", unseen="no description came")
def attributes_are_named_by_convention(said: Said) -> bool | None:
    """Keys of identifying attributes are dotted names in small letters, service.name among them."""
    if "agent_description" not in said.parts:
        return None
    keys = [each.key for each in said.message.agent_description.identifying_attributes]
    return "service.name" in keys and all(_KEY.fullmatch(key) for key in keys)


@rule("C-092", broken="effective_config without ReportsEffectiveConfig", unseen="no effective config was reported")
def effective_config_needs_its_bit(said: Said) -> bool | None:
    """Whoever reports effective configuration states it."""
    return _with_bit(said, "effective_config", opamp.AgentCapabilities_ReportsEffectiveConfig)


@rule("C-096", broken="a file name stands twice", unseen="no effective config was reported")
def file_names_are_unique(said: Said) -> bool | None:
    """No key of the map stands in the bytes twice."""
    if "effective_config" not in said.parts:
        return None
    entries = values(said.data, _EFFECTIVE, _MAP, _ENTRY)
    names = [next((each.value for each in fields(entry) if each.number == 1), b"") for entry in entries]
    return len(set(names)) == len(names)


@rule("C-098", broken="", unseen="files are named")
def lone_file_may_be_nameless(said: Said) -> bool | None:
    """An empty file name was seen."""
    return True if list(said.message.effective_config.config_map.config_map) == [""] else None


@rule("C-099", broken="the map is empty", unseen="the agent reports several files, or none")
def single_file_is_one_entry(said: Said) -> bool | None:
    """A map with one entry was seen."""
    return True if len(said.message.effective_config.config_map.config_map) == 1 else None


@rule("C-100", broken="", unseen="files are named")
def key_of_a_lone_file_may_be_empty(said: Said) -> bool | None:
    """An empty key was seen."""
    return lone_file_may_be_nameless(said)


@rule("C-101", broken="the content type is no MIME type", unseen="no effective config was reported")
def content_types_are_mime_types(said: Said) -> bool | None:
    """Where content_type is set, it is a MIME type."""
    files = said.message.effective_config.config_map.config_map.values()
    return all(not each.content_type or bool(_MIME.fullmatch(each.content_type)) for each in files) if files else None


@rule("C-103", broken="health without ReportsHealth", unseen="the agent does not report health")
def health_needs_its_bit(said: Said) -> bool | None:
    """Health and its bit come together: the bit wherever health is, health in the first report of a process."""
    if "health" in said.parts:
        return bool(said.message.capabilities & opamp.AgentCapabilities_ReportsHealth)
    return None


@rule("C-104", broken="healthy, and yet there is an error or it never started", unseen=_NO_HEALTH)
def healthy_means_up(said: Said) -> bool | None:
    """Who is healthy has no error."""
    nodes = list(_health(said))
    return all(not node.healthy or not node.last_error for node in nodes) if nodes else None


@rule("C-105", broken="the start time is no time in nanoseconds since 1970", unseen=_NO_HEALTH)
def start_times_are_nanoseconds(said: Said) -> bool | None:
    """The start time is plausible, or 0."""
    times = [node.start_time_unix_nano for node in _health(said)]
    return all(each == 0 or _plausible(each) for each in times) if times else None


@rule("C-106", broken="not healthy, and no word why", unseen="nothing was ever unhealthy")
def unhealthy_says_why(said: Said) -> bool | None:
    """Who is not healthy has an error text."""
    ill = [node for node in _health(said) if not node.healthy]
    return all(node.last_error for node in ill) if ill else None


@rule("C-107", broken="the status time is no time in nanoseconds since 1970", unseen=_NO_HEALTH)
def status_times_are_nanoseconds(said: Said) -> bool | None:
    """The status time is plausible, or left out."""
    times = [node.status_time_unix_nano for node in _health(said)]
    return all(each == 0 or _plausible(each) for each in times) if times else None


@rule("C-108", broken="", unseen="health has no parts")
def health_may_have_parts(said: Said) -> bool | None:
    """Health of components was seen."""
    return True if said.message.health.component_health_map else None


@rule("C-109", broken="", unseen="health has no attributes")
def health_may_have_attributes(said: Said) -> bool | None:
    """Attributes of health were seen."""
    return True if any(node.attributes for node in _health(said)) else None


@rule("C-115", broken="an error message with a status other than FAILED", unseen="nothing failed")
def error_message_needs_a_failure(said: Said) -> bool | None:
    """A configuration status has an error message only if it failed."""
    status = said.message.remote_config_status
    return status.status == opamp.RemoteConfigStatuses_FAILED if status.error_message else None


@rule("C-167", broken="an error message with a status other than FAILED", unseen="nothing failed")
def settings_error_needs_a_failure(said: Said) -> bool | None:
    """A connection settings status has an error message only if it failed."""
    status = said.message.connection_settings_status
    return status.status == opamp.ConnectionSettingsStatuses_FAILED if status.error_message else None


@rule("C-220", broken="a heartbeat without instance_uid", unseen="no heartbeat came")
def heartbeats_have_a_uid(said: Said) -> bool | None:
    """A message that says nothing else says who sends it."""
    return bool(said.message.instance_uid) if said.readable and said.bare else None


@rule("C-016", broken="a poll without instance_uid", unseen="no poll without news came")
def idle_polls_come(said: Said) -> bool | None:
    """A poll with nothing to report carries the uid."""
    return bool(said.message.instance_uid) if said.transport is Transport.HTTP and said.bare else None


@rule("C-229", broken="", unseen="the agent has no custom capabilities")
def custom_capabilities_are_announced(said: Said) -> bool | None:
    """An announcement was seen."""
    return True if said.message.custom_capabilities.capabilities else None


@rule("C-232", broken="a custom message to a server that announced no custom capability", unseen=_NO_CUSTOM)
def custom_messages_need_an_announcement(said: Said) -> bool | None:
    """Without an announcement of the server no custom message is sent."""
    return bool(said.announced) if "custom_message" in said.parts else None


@rule("C-233", broken="a name that is no reverse domain", unseen="the agent has no custom capabilities")
def custom_capabilities_are_reverse_domains(said: Said) -> bool | None:
    """Each name is a reverse FQDN, with a version at most."""
    names = said.message.custom_capabilities.capabilities
    return all(_NAME.fullmatch(name) for name in names) if names else None


@rule("C-235", broken="a custom message of a capability the server did not announce", unseen=_NO_CUSTOM)
def custom_messages_are_of_announced_capabilities(said: Said) -> bool | None:
    """Custom messages name a capability of the server."""
    if "custom_message" not in said.parts or not said.announced:
        return None
    return said.message.custom_message.capability in said.announced


@rule("C-239", broken="available_components without ReportsAvailableComponents", unseen="no components were reported")
def components_need_their_bit(said: Said) -> bool | None:
    """Whoever reports components states it."""
    return _with_bit(said, "available_components", opamp.AgentCapabilities_ReportsAvailableComponents)


@rule("C-240", broken="components without their hash", unseen="no components were reported")
def components_have_their_hash(said: Said) -> bool | None:
    """The hash is always there."""
    return bool(said.message.available_components.hash) if "available_components" in said.parts else None


@rule("C-242", broken="the first message has more of the components than their hash", unseen="no components at first")
def first_message_has_the_hash_only(said: Said) -> bool | None:
    """The components themselves wait until asked for."""
    if not said.first or "available_components" not in said.parts:
        return None
    return not said.message.available_components.components


@rule("C-243", broken="", unseen="no components were reported")
def components_may_be_left_out(said: Said) -> bool | None:
    """A hash without components was seen."""
    part = said.message.available_components
    return True if part.hash and not part.components else None


@rule("C-246", broken="a key is not named by the conventions", unseen="no metadata came")
def metadata_is_named_by_convention(said: Said) -> bool | None:
    """Keys of metadata are dotted names in small letters."""
    keys = [each.key for part in _components(said) for each in part.metadata]
    return all(_KEY.fullmatch(key) for key in keys) if keys else None


@rule("C-247", broken="", unseen="components are not nested")
def components_may_be_nested(said: Said) -> bool | None:
    """Components of components were seen."""
    return True if any(part.sub_component_map for part in _components(said)) else None


def _with_bit(said: Said, part: str, bit: int) -> bool | None:
    return bool(said.message.capabilities & bit) if part in said.parts else None


def _health(said: Said) -> Iterator[opamp.ComponentHealth]:
    """Give the health of the whole and of every part."""
    waiting = [said.message.health] if "health" in said.parts else []
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(node.component_health_map.values())


def _components(said: Said) -> Iterator[opamp.ComponentDetails]:
    waiting = list(said.message.available_components.components.values())
    while waiting:
        part = waiting.pop()
        yield part
        waiting.extend(part.sub_component_map.values())


def _plausible(nanoseconds: int) -> bool:
    return _YEAR_2000 < nanoseconds < (time.time() + 86_400) * _NANO
