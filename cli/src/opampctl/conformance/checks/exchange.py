"""S-017 to S-025: plain HTTP and compression."""

from __future__ import annotations

import contextlib
import gzip
from typing import TYPE_CHECKING

from opamp.v1 import opamp_pb2 as opamp
from opampctl.conformance.catalogue import check
from opampctl.conformance.checks.acting import FULL_STATE, REQUEST_UID, configure, poll_for_field
from opampctl.conformance.heard import Transport
from opampctl.conformance.persona import ACCEPTS_CONFIG
from opampctl.conformance.probe import OK
from opampctl.conformance.verdict import NotApplicable, require

if TYPE_CHECKING:
    from opampctl.conformance.heard import Heard
    from opampctl.conformance.probe import Probe


@check("S-017")
async def post_is_bare_protobuf(probe: Probe) -> None:
    """Bare protobuf in and out; the answer names the agent in its first bytes or later, never behind a header."""
    agent = probe.persona()
    answer = await probe.polling().ask(agent.full())
    require(answer.raw[:1] != b"\x00", "the response body begins with a header")
    require(answer.message.instance_uid == agent.uid, "the answer names another agent")


@check("S-018")
async def post_brings_back_one_message(probe: Probe) -> None:
    """The body of each answer is one message."""
    agent = probe.persona()
    line = probe.polling()
    for message in (agent.full(), agent.message()):
        answer = await line.ask(message)
        require(answer.numbers.count(1) == 1, "the response body holds no message, or several")


@check("S-019")
async def messages_wait_for_the_next_poll(probe: Probe) -> None:
    """A config set between two polls comes with a later one."""
    agent = probe.persona(ACCEPTS_CONFIG)
    line = probe.polling()
    await line.ask(agent.full())
    await configure(probe, agent, "polled: 1\n")
    heard = await poll_for_field(probe, line, agent, "remote_config")
    require(heard.message.remote_config.config_hash, "the config has no hash")


@check("S-020")
async def polls_get_every_feature(probe: Probe) -> None:
    """What works over a WebSocket works over HTTP: flags, new uids, errors, and a config, if one can be set."""
    working = {transport: await _features(probe, transport) for transport in Transport}
    missing = sorted(working[Transport.WEBSOCKET] - working[Transport.HTTP])
    require(not missing, f"over HTTP there is no {', no '.join(missing)}, over a WebSocket there is")


@check("S-021")
async def state_is_not_the_connections(probe: Probe) -> None:
    """One agent over several connections, and several agents over one, are all followed."""
    agent, other = probe.persona(), probe.persona()
    shared = probe.polling()
    await shared.ask(agent.full())
    await shared.ask(other.full())
    for line, each in ((shared, agent), (probe.polling(), agent), (shared, other), (probe.polling(), other)):
        answer = (await line.ask(each.message())).message
        require(answer.instance_uid == each.uid, "an answer names the other agent of the connection")
        require(not answer.flags & FULL_STATE, "an agent in sequence was asked for its full state")


@check("S-022")
async def gzipped_request_is_unpacked(probe: Probe) -> None:
    """A gzipped body is read."""
    agent = probe.persona()
    body = gzip.compress(agent.full().SerializeToString())
    _spoke(await probe.polling(Content_Encoding="gzip").post(body), agent.uid)


@check("S-023")
async def plain_request_is_taken(probe: Probe) -> None:
    """A body without Content-Encoding is read."""
    agent = probe.persona()
    _spoke(await probe.polling().post(agent.full()), agent.uid)


@check("S-024")
async def answer_is_gzipped_on_request(probe: Probe) -> None:
    """Accept-Encoding with gzip brings a gzipped answer, however it is spelled."""
    for accept in ("gzip", "deflate, gzip;q=0.8, br"):
        agent = probe.persona()
        answer = await probe.polling(Accept_Encoding=accept).post(agent.full())
        _spoke(answer, agent.uid)
        coding = answer.headers.get("content-encoding", "")
        require(coding.lower() == "gzip", f"Accept-Encoding {accept}: Content-Encoding is {coding or 'absent'}")
        require(answer.packed[:2] == b"\x1f\x8b", "marked as gzip, and is not")


@check("S-025")
async def answer_is_plain_unless_asked(probe: Probe) -> None:
    """Without Accept-Encoding, or with gzip ruled out, the answer is not compressed."""
    for accept in ("", "gzip;q=0", "identity"):
        agent = probe.persona()
        answer = await probe.polling(Accept_Encoding=accept).post(agent.full())
        _spoke(answer, agent.uid)
        coding = answer.headers.get("content-encoding", "")
        require(not coding, f"Accept-Encoding {accept or '(none)'}: Content-Encoding is {coding}")


def _spoke(answer: Heard, uid: bytes) -> None:
    require(answer.status == OK, f"HTTP {answer.status}")
    require(answer.readable and not answer.refused, "the answer is no message, or an error")
    require(answer.message.instance_uid == uid, "the answer names another agent")


async def _features(probe: Probe, transport: Transport) -> set[str]:
    """Try what there is over one transport; returns what worked."""
    found = set()
    line = await probe.line(transport)
    agent, newcomer, taker = probe.persona(), probe.persona(), probe.persona(ACCEPTS_CONFIG)
    await line.ask(agent.full())
    agent.sequence += 7
    if (await line.ask(agent.message())).message.flags & FULL_STATE:
        found.add("ReportFullState after a gap")
    if (await line.ask(newcomer.message(flags=REQUEST_UID))).message.HasField("agent_identification"):
        found.add("new uid")
    bad = opamp.AgentToServer(instance_uid=b"short", sequence_num=1, capabilities=1)
    answer = await (probe.polling().post(bad) if transport is Transport.HTTP else line.ask(bad))
    if answer.refused:
        found.add("error response")
    with contextlib.suppress(NotApplicable):
        await (line := await probe.line(transport)).ask(taker.full())
        await configure(probe, taker, "every: feature\n")
        await poll_for_field(probe, line, taker, "remote_config")
        found.add("config")
    return found
