"""S-176 to S-178: commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opamp.v1 import opamp_pb2 as opamp
from opampctl.conformance.catalogue import check, invariant
from opampctl.conformance.checks.acting import attempt, configure, hear_field, known, nothing_with, poll_for_field
from opampctl.conformance.persona import ACCEPTS_CONFIG, REPORTS_STATUS
from opampctl.conformance.verdict import require

if TYPE_CHECKING:
    from opampctl.conformance.ledger import Record
    from opampctl.conformance.probe import Probe

_RESTARTS = int(opamp.AgentCapabilities_AcceptsRestartCommand)
_ALONE = frozenset({1, 7, 9})
_COMMAND = 9


@invariant("S-176", broken="a command with other fields", unseen="no command was sent in this run")
def command_travels_alone(record: Record) -> bool | None:
    """A message with command has uid and capabilities beside it, and nothing else."""
    numbers = set(record.heard.numbers)
    return None if _COMMAND not in numbers else numbers <= _ALONE


@check("S-176")
async def command_and_config_come_apart(probe: Probe) -> None:
    """A restart and a config that wait for the same poll come in two answers."""
    agent = probe.persona(ACCEPTS_CONFIG | _RESTARTS)
    line = probe.polling()
    await line.ask(agent.full())
    await known(probe, agent)
    await probe.do("restart_agent", instance_uid=agent.text)
    await configure(probe, agent, "apart: 1\n")
    seen = {"command": False, "remote_config": False}

    async def poll() -> dict[str, bool]:
        message = (await line.ask(agent.message())).message
        both = message.HasField("command") and message.HasField("remote_config")
        require(not both, "one answer has the command and the config")
        for name, before in seen.items():
            seen[name] = before or message.HasField(name)
        return {"over": all(seen.values())}

    await probe.until(poll, lambda answer: answer["over"])
    require(seen["command"], "the command did not come")
    require(seen["remote_config"], "the config did not come")


@check("S-177")
async def no_command_without_the_capability(probe: Probe) -> None:
    """A restart meant for an agent that does not accept it stays unsent."""
    agent = probe.persona(REPORTS_STATUS)
    line = await probe.websocket()
    await line.ask(agent.full())
    await known(probe, agent)
    await attempt(probe, "restart_agent", agent)
    await nothing_with(probe, agent, line, lambda said: said.HasField("command"), "a command")


@check("S-178")
async def restart_is_present_though_empty(probe: Probe) -> None:
    """Restart comes as a command of type 0, on both transports."""
    agent = probe.persona(REPORTS_STATUS | _RESTARTS)
    line = await probe.websocket()
    await line.ask(agent.full())
    await known(probe, agent)
    await probe.do("restart_agent", instance_uid=agent.text)
    heard = await hear_field(probe, line, "command")
    require(heard.message.command.type == opamp.CommandType_Restart, "the command is not Restart")
    poller = probe.persona(REPORTS_STATUS | _RESTARTS)
    polling = probe.polling()
    await polling.ask(poller.full())
    await known(probe, poller)
    await probe.do("restart_agent", instance_uid=poller.text)
    await poll_for_field(probe, polling, poller, "command")
