"""What is seen only over the whole run: numbering, identity, repetition, one connection at a time."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from opamp.v1 import opamp_pb2 as opamp
from opampctl.conformance.as_server.catalogue import review
from opampctl.conformance.evidence import clip
from opampctl.conformance.heard import Transport

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from opampctl.conformance.as_server.log import Log
    from opampctl.conformance.as_server.said import Said

    Looked = Iterable[tuple[bool, str, tuple[str, ...]]]

_VISIBLE = {
    "ReportsHealth": "health",
    "ReportsEffectiveConfig": "effective_config",
    "ReportsRemoteConfig": "remote_config_status",
    "ReportsPackageStatuses": "package_statuses",
    "ReportsAvailableComponents": "available_components",
}


@review("C-063", unseen="the agent does not speak WebSocket")
def one_connection_at_a_time(log: Log) -> Looked:
    """No WebSocket begins beside another of the same process."""
    for meeting in log.meetings:
        others = [
            other
            for other in log.meetings
            if other is not meeting and other.life == meeting.life and other.began <= meeting.began < other.ended
        ]
        yield not others, "a second WebSocket was opened beside the first", (f"# WebSocket {meeting.number}",)


@review("C-065", unseen="too few messages came")
def numbers_have_no_gaps(log: Log) -> Looked:
    """Every message has the number after the one before it, over connections too."""
    for before, after in _pairs(log):
        one, two = before.message.sequence_num, after.message.sequence_num
        if after.raw == before.raw and after.excused:
            continue  # what did not arrive may come again as it was
        yield two == one + 1, f"message {two} comes after message {one}", _both(before, after)


@review("C-057", unseen="too few messages came")
def uid_stays(log: Log) -> Looked:
    """The uid of a process changes only when the server says so."""
    for before, after in _pairs(log):
        one, two = before.message.instance_uid, after.message.instance_uid
        yield two in {one, after.given_uid}, "the uid changed by itself", _both(before, after)


@review("C-080", unseen="no capabilities were stated")
def capabilities_are_kept_up_to(log: Log) -> Looked:
    """What is stated is seen, and what is seen is stated, in every process that had the chance."""
    stated = 0
    for said in log.said:
        stated |= said.message.capabilities
    if not stated:
        return
    seen = {part for said in log.said for part in said.parts}
    told = {part for said in log.said for part in said.parts if getattr(said.message, part).ByteSize()}
    for name, part in _VISIBLE.items():
        has = bool(stated & opamp.AgentCapabilities.Value(f"AgentCapabilities_{name}"))
        yield not has or part in seen, f"{name} is stated, and {part} never came", ()
        yield has or part not in told, f"{part} came, and {name} is not stated", ()


@review("C-068", unseen="too few messages came")
def parts_may_be_left_out(log: Log) -> Looked:
    """Messages without parts that were told before were seen."""
    if any("agent_description" not in each.parts for each in log.said):
        yield True, "", ()


@review("C-081", unseen="the agent's capabilities stayed")
def capabilities_may_change(log: Log) -> Looked:
    """Capabilities that changed on the way were seen."""
    if any(
        one.message.capabilities and two.message.capabilities and one.message.capabilities != two.message.capabilities
        for one, two in _pairs(log)
    ):
        yield True, "", ()


@review("C-070", unseen="too few messages came")
def unchanged_description_is_left_out(log: Log) -> Looked:
    """A description is repeated only when there is a reason."""
    return _repetition(log, "agent_description")


@review("C-071", unseen="the agent reports no health")
def unchanged_health_may_be_left_out(log: Log) -> Looked:
    """Messages without health were seen from an agent that reports it."""
    return _left_out(log, "health")


@review("C-072", unseen="the agent reports no effective config")
def unchanged_effective_config_is_left_out(log: Log) -> Looked:
    """An effective configuration is repeated only when there is a reason."""
    return _repetition(log, "effective_config")


@review("C-073", unseen="the agent reports no configuration status")
def unchanged_config_status_is_left_out(log: Log) -> Looked:
    """A configuration status is repeated only when there is a reason."""
    return _repetition(log, "remote_config_status")


@review("C-074", unseen="the agent reports no package statuses")
def unchanged_package_statuses_are_left_out(log: Log) -> Looked:
    """Package statuses are repeated only when there is a reason."""
    return _repetition(log, "package_statuses")


@review("C-075", unseen="the agent reports no connection settings status")
def unchanged_settings_status_is_left_out(log: Log) -> Looked:
    """A connection settings status is repeated only when there is a reason."""
    return _repetition(log, "connection_settings_status")


@review("C-230", unseen="the agent has no custom capabilities")
def unchanged_custom_capabilities_are_left_out(log: Log) -> Looked:
    """Custom capabilities are repeated only when there is a reason."""
    return _repetition(log, "custom_capabilities")


@review("C-245", unseen="the agent reports no components")
def unchanged_components_may_be_left_out(log: Log) -> Looked:
    """Messages without components were seen from an agent that reports them."""
    return _left_out(log, "available_components")


@review("C-241", unseen="components were reported once at most")
def same_components_have_the_same_hash(log: Log) -> Looked:
    """In every process the hash is the same."""
    told = [each for each in log.said if each.message.available_components.hash]
    for one, two in pairwise(told):
        same = one.message.available_components.hash == two.message.available_components.hash
        yield same, "another hash although nothing changed", _both(one, two)


@review("C-053", unseen="the agent spoke only when spoken to")
def agent_speaks_when_it_likes(log: Log) -> Looked:
    """Messages after the first were seen."""
    if any(not each.first for each in log.said):
        yield True, "", ()


@review("C-023", unseen="the agent does not poll, or only once")
def polls_may_keep_the_connection(log: Log) -> Looked:
    """Requests that do not ask for the end of the connection were seen."""
    polls = [each for each in log.said if each.transport is Transport.HTTP]
    if any(each.headers.get("connection", "").lower() != "close" for each in polls):
        yield True, "", ()


@review("C-021", unseen="no poll followed another at once")
def news_need_not_wait(log: Log) -> Looked:
    """A poll with news close behind another was seen."""
    polls = [each for each in log.said if each.transport is Transport.HTTP]
    gaps = [two.at - one.at for one, two in pairwise(polls) if one.life == two.life]
    idle = max((gap for gap in gaps), default=0.0)
    if any(not two.bare and gap < idle / 2 for two, gap in zip(polls[1:], gaps, strict=False)):
        yield True, "", ()


@review("C-001", unseen="nothing was said")
def transports_are_a_choice(log: Log) -> Looked:
    """The agent came over one of the transports."""
    if log.said:
        yield True, "", ()


@review("C-083", unseen="the server took everything")
def nothing_unwanted_is_sent(log: Log) -> Looked:
    """What the server does not take stays away once it has said so."""
    wants = {
        "effective_config": opamp.ServerCapabilities_AcceptsEffectiveConfig,
        "package_statuses": opamp.ServerCapabilities_AcceptsPackagesStatus,
        "connection_settings_request": opamp.ServerCapabilities_AcceptsConnectionSettingsRequest,
    }
    for said in log.said:
        if said.taken < 0:
            continue
        for part, bit in wants.items():
            if not said.taken & bit:
                yield part not in said.parts, f"{part} came although the server does not take it", _both(said)


def _pairs(log: Log) -> Iterator[tuple[Said, Said]]:
    """Give every two messages that follow each other in one process."""
    readable = [each for each in log.said if each.readable]
    for before, after in pairwise(readable):
        if before.life == after.life:
            yield before, after


def _repetition(log: Log, part: str) -> Looked:
    told: dict[int, tuple[Said, bytes]] = {}
    for said in log.said:
        before = told.get(said.life)
        if part not in said.parts:
            if before is not None:
                yield True, "", ()
            continue
        value = getattr(said.message, part).SerializeToString(deterministic=True)
        if before is not None and not said.first and not said.excused:
            yield before[1] != value, f"{part} was repeated though nothing changed", _both(before[0], said)
        told[said.life] = (said, value)


def _left_out(log: Log, part: str) -> Looked:
    told = [each for each in log.said if part in each.parts]
    if told and any(part not in each.parts for each in log.said):
        yield True, "", ()


def _both(*messages: Said) -> tuple[str, ...]:
    return tuple(f"< message {each.index}, {each.transport}: {clip(each.raw)}" for each in messages)
