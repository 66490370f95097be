"""Moves several checks have in common; judges nothing itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opampctl.conformance.verdict import Failed

if TYPE_CHECKING:
    from opampctl.conformance.heard import Heard
    from opampctl.conformance.persona import Persona
    from opampctl.conformance.probe import Line, Probe, SocketLine


async def known(probe: Probe, agent: Persona) -> None:
    """Wait until the server knows the agent."""
    view = await probe.look(agent, lambda view: view.get("known"))
    if not view.get("known"):
        raise Failed("the server does not know the agent after its first report")


async def configure(probe: Probe, agent: Persona, body: str) -> None:
    """Make *body* the agent's configuration; it has reported before."""
    await known(probe, agent)
    await probe.do("offer_config", instance_uid=agent.text, body=body, content_type="yaml")


async def hear_field(probe: Probe, line: SocketLine, name: str) -> Heard:
    """
    Wait for a message with a field, over others.

    Raises:
        Failed: None came.
    """
    while True:
        heard = await line.hear(probe.patience.effect)
        if heard.readable and heard.message.HasField(name):
            return heard


async def poll_for_field(probe: Probe, line: Line, agent: Persona, name: str) -> Heard:
    """
    Poll, as often as patience allows, until an answer has a field.

    Raises:
        Failed: None had.
    """
    found: list[Heard] = []

    async def poll() -> dict[str, bool]:
        found.append(await line.ask(agent.message()))
        return {"there": found[-1].message.HasField(name)}

    if not (await probe.until(poll, lambda answer: answer["there"]))["there"]:
        raise Failed(f"no answer had {name} within {probe.patience.effect:g} s")
    return found[-1]
