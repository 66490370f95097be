"""S-047 to S-055: uids the server hands out, and agents that share one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opampctl.conformance.catalogue import check, invariant
from opampctl.conformance.checks.acting import REQUEST_UID, clones, known, unused
from opampctl.conformance.heard import Transport
from opampctl.conformance.persona import Persona
from opampctl.conformance.verdict import require

if TYPE_CHECKING:
    from opampctl.conformance.ledger import Record
    from opampctl.conformance.probe import Probe

_UID_BYTES = 16
_VERSION_7 = 7
_VARIANT = 0b10
_NONE_GIVEN = "the server gave no agent a uid"


@check("S-047")
async def uid_is_given_on_request(probe: Probe) -> None:
    """RequestInstanceUid brings a new uid, in a message to the temporary one, on both transports."""
    for transport in Transport:
        for whole in (True, False):
            agent = probe.persona()
            line = await probe.line(transport)
            message = agent.full(flags=REQUEST_UID) if whole else agent.message(flags=REQUEST_UID)
            answer = (await line.ask(message)).message
            require(answer.HasField("agent_identification"), f"{transport}: no uid was given")
            require(answer.instance_uid == agent.uid, f"{transport}: the envelope bears another uid than the request")
            given = answer.agent_identification.new_instance_uid
            require(given != agent.uid, f"{transport}: the temporary uid was given back")


@check("S-048")
async def server_renames_an_agent(probe: Probe) -> None:
    """An agent that did not ask is renamed: the second of two with one uid."""
    found = await clones(probe)
    if found.renamed is None:
        raise unused("rename agents that do not ask")


@invariant("S-049", broken="a new uid that is not 16 bytes", unseen=_NONE_GIVEN)
def given_uid_has_16_bytes(record: Record) -> bool | None:
    """Each new_instance_uid has 16 bytes."""
    given = _given(record)
    return None if given is None else len(given) == _UID_BYTES


@invariant("S-050", broken="a new uid that is no UUID version 7", unseen=_NONE_GIVEN)
def given_uid_is_version_7(record: Record) -> bool | None:
    """Each new_instance_uid is a UUID version 7."""
    given = _given(record)
    if given is None:
        return None
    return len(given) == _UID_BYTES and given[6] >> 4 == _VERSION_7 and given[8] >> 6 == _VARIANT


@check("S-051")
async def renamed_agent_stays_one(probe: Probe) -> None:
    """Under its new uid the agent is followed on the same connection; the old uid is not shown as live."""
    agent = probe.persona()
    line = await probe.websocket()
    await line.ask(agent.full())
    await known(probe, agent)
    answer = (await line.ask(agent.message(flags=REQUEST_UID))).message
    require(answer.HasField("agent_identification"), "no uid was given")
    renamed = probe.persona(uid=answer.agent_identification.new_instance_uid)
    renamed.sequence = agent.sequence
    answer = (await line.ask(renamed.full())).message
    require(answer.instance_uid == renamed.uid, "the answer after the change bears the old uid")
    view = await probe.look(renamed, lambda view: view.get("connected"))
    require(view.get("connected"), "the agent is not shown as connected under its new uid")
    view = await probe.look(agent, lambda view: not view.get("connected"))
    require(not view.get("connected"), "the old uid is still shown as connected")


@check("S-052")
async def duplicates_are_noticed(probe: Probe) -> None:
    """Of two live agents with one uid, one is renamed or closed."""
    found = await clones(probe)
    require(found.renamed is not None or found.closed, "two live agents with one uid were both served")


@check("S-053")
async def duplicate_is_given_a_fresh_uid(probe: Probe) -> None:
    """One of the two is given a uid of its own, and goes on with it on its connection."""
    found = await clones(probe)
    require(found.renamed is not None, "closed, not renamed" if found.closed else "neither renamed nor closed")
    if found.renamed is None:
        return
    message = found.renamed.message
    fresh = message.agent_identification.new_instance_uid
    require(message.instance_uid == found.agent.uid, "the envelope bears another uid than the two had")
    require(fresh != found.agent.uid, "the fresh uid is the old one")
    renamed = Persona(found.agent.name, uid=fresh)
    probe.personas.append(renamed)
    answer = await found.second.ask(renamed.full())
    while answer.message.instance_uid != fresh:
        answer = await found.second.hear()
    require(not answer.refused, "the agent was refused under its fresh uid")


@check("S-054")
async def second_connection_is_refused(probe: Probe) -> None:
    """One of two connections with one uid is ended."""
    if not (await clones(probe)).closed:
        raise unused("refuse agents that share a uid")


@check("S-055")
async def duplicate_is_refused(probe: Probe) -> None:
    """One of two agents with one uid is sent away."""
    if not (await clones(probe)).closed:
        raise unused("refuse agents that share a uid")


def _given(record: Record) -> bytes | None:
    message = record.heard.message
    return message.agent_identification.new_instance_uid if message.HasField("agent_identification") else None
