"""S-080 to S-092: remote configuration."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from opamp.v1 import opamp_pb2 as opamp
from opampctl.conformance.catalogue import check, invariant, untestable
from opampctl.conformance.checks.acting import (
    configure,
    hear_field,
    nothing_with,
    offered,
    poll_for_field,
    settle,
    status,
    unused,
)
from opampctl.conformance.persona import ACCEPTS_CONFIG
from opampctl.conformance.verdict import require
from opampctl.conformance.wire import values

if TYPE_CHECKING:
    from opampctl.conformance.ledger import Record
    from opampctl.conformance.probe import Probe

_APPLIED = opamp.RemoteConfigStatuses_APPLIED
_FAILED = opamp.RemoteConfigStatuses_FAILED
_NONE_OFFERED = "no config was offered in this run"
_HASH_BYTES = 32

untestable({"S-088": "switching the feature off is configuration, which does not show on the wire"})


@check("S-080")
async def no_config_without_the_capability(probe: Probe) -> None:
    """A config set for an agent that does not accept one stays unsent."""
    agent = probe.persona()
    line = await probe.websocket()
    await line.ask(agent.full())
    await configure(probe, agent, "unwanted: 1\n")
    await settle(probe)
    await nothing_with(probe, agent, line, lambda said: said.HasField("remote_config"), "a config it does not accept")


@check("S-081")
async def reported_hash_is_compared(probe: Probe) -> None:
    """An agent that reports another hash is sent the config, sooner or later."""
    agent = probe.persona(ACCEPTS_CONFIG)
    line = await probe.websocket()
    await line.ask(agent.full())
    wanted = await offered(probe, agent, line, "compared: 1\n")
    await line.ask(agent.message(remote_config_status=status(wanted, _APPLIED)))
    line.say(agent.message(remote_config_status=status(os.urandom(_HASH_BYTES), _APPLIED)))
    heard = await hear_field(probe, line, "remote_config")
    require(heard.message.remote_config.config_hash == wanted, "what came is another config")


@check("S-082")
async def other_hash_is_answered_with_the_config(probe: Probe) -> None:
    """The answer to the very report with another hash has the config, over both transports."""
    agent = probe.persona(ACCEPTS_CONFIG)
    line = await probe.websocket()
    await line.ask(agent.full())
    wanted = await offered(probe, agent, line, "answered: 1\n")
    await line.ask(agent.message(remote_config_status=status(wanted, _APPLIED)))
    other = status(os.urandom(_HASH_BYTES), _APPLIED)
    answer = await line.ask(agent.message(remote_config_status=other))
    require(answer.message.remote_config.config_hash == wanted, "WebSocket: the answer does not have the config")
    poller = probe.persona(ACCEPTS_CONFIG)
    polling = probe.polling()
    await polling.ask(poller.full())
    await configure(probe, poller, "polled: 1\n")
    wanted = (await poll_for_field(probe, polling, poller, "remote_config")).message.remote_config.config_hash
    await polling.ask(poller.message(remote_config_status=status(wanted, _APPLIED)))
    answer = await polling.ask(poller.message(remote_config_status=other))
    require(answer.message.remote_config.config_hash == wanted, "HTTP: the answer does not have the config")


@invariant("S-083", broken="a config without hash", unseen=_NONE_OFFERED)
def every_config_has_a_hash(record: Record) -> bool | None:
    """config_hash is never empty."""
    message = record.heard.message
    return bool(message.remote_config.config_hash) if message.HasField("remote_config") else None


@check("S-084")
async def different_configs_have_different_hashes(probe: Probe) -> None:
    """Configs that differ in one byte, in length or in white space have hashes of their own."""
    agent = probe.persona(ACCEPTS_CONFIG)
    line = await probe.websocket()
    await line.ask(agent.full())
    found = []
    for body in ("a: 1\n", "a: 2\n", "a: 22\n", "a:  2\n"):
        found.append(await offered(probe, agent, line, body))
        await line.ask(agent.message(remote_config_status=status(found[-1], _APPLIED)))
    require(len(set(found)) == len(found), "two different configs have one hash")


@check("S-085")
async def reported_config_is_not_sent_again(probe: Probe) -> None:
    """After APPLIED, and after FAILED, the same config does not come again."""
    for word in (_APPLIED, _FAILED):
        agent = probe.persona(ACCEPTS_CONFIG)
        line = await probe.websocket()
        await line.ask(agent.full())
        known = status(await offered(probe, agent, line, f"once: {word}\n"), word, "as it is")
        await line.ask(agent.message(remote_config_status=known))
        await line.ask(agent.full(remote_config_status=known))
        await settle(probe)
        await nothing_with(
            probe, agent, line, lambda said: said.HasField("remote_config"), "a config the agent had reported"
        )


@check("S-086")
async def config_is_offered(probe: Probe) -> None:
    """A config set for an agent comes to it."""
    agent = probe.persona(ACCEPTS_CONFIG)
    line = await probe.websocket()
    await line.ask(agent.full())
    await offered(probe, agent, line, "offered: 1\n")


@check("S-087")
async def changed_config_is_pushed(probe: Probe) -> None:
    """A config that changes comes without a report."""
    agent = probe.persona(ACCEPTS_CONFIG)
    line = await probe.websocket()
    await line.ask(agent.full())
    first = await offered(probe, agent, line, "pushed: 1\n")
    await line.ask(agent.message(remote_config_status=status(first, _APPLIED)))
    require(await offered(probe, agent, line, "pushed: 2\n") != first, "the first config came again")


@invariant("S-089", broken="two files of one name", unseen=_NONE_OFFERED)
def file_names_are_unique(record: Record) -> bool | None:
    """No name is twice among the entries as they stand in the bytes."""
    entries = values(record.heard.data, 3, 1, 1)
    names = [values(entry, 1) for entry in entries]
    return None if not entries else len({tuple(name) for name in names}) == len(names)


@check("S-090")
async def only_file_may_be_nameless(probe: Probe) -> None:
    """The only file of an offer has an empty name."""
    if await _names(probe) != [""]:
        raise unused("leave the name of the only file empty")


@check("S-091")
async def one_file_is_one_entry(probe: Probe) -> None:
    """A config of one document has one entry."""
    names = await _names(probe)
    require(len(names) == 1, f"a config of one document has the entries {names}")


@check("S-092")
async def key_of_one_file_may_be_empty(probe: Probe) -> None:
    """The key of the only entry is empty."""
    if await _names(probe) != [""]:
        raise unused("leave the key of the only entry empty")


async def _names(probe: Probe) -> list[str]:
    agent = probe.persona(ACCEPTS_CONFIG)
    line = await probe.websocket()
    await line.ask(agent.full())
    await configure(probe, agent, "named: 1\n")
    heard = await hear_field(probe, line, "remote_config")
    return sorted(heard.message.remote_config.config.config_map)
