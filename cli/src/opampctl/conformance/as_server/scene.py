"""What one scenario works with: the agent, the door it comes to, and the rows it writes verdicts on."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from opamp.v1 import opamp_pb2 as opamp
from opampctl.conformance.as_server.manners import Manners, Refusal
from opampctl.conformance.as_server.said import Said
from opampctl.conformance.as_server.sheet import Finding, Sheet
from opampctl.conformance.evidence import Trace
from opampctl.conformance.heard import Transport
from opampctl.conformance.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opampctl.conformance.as_server.agents import Agent, Urls
    from opampctl.conformance.as_server.authority import Authority
    from opampctl.conformance.as_server.door import Door
    from opampctl.conformance.as_server.said import Knock, Meeting

    Holds = Callable[[Said], object]

_EVIDENCE_LINES = 8
LIMIT_BYTES = 64 * 1024 * 1024
GOOD_CONFIG = """\
receivers: {nop: }
exporters: {nop: }
service: {pipelines: {traces: {receivers: [nop], exporters: [nop]}}}
"""
BAD_CONFIG = "{{{ this is neither YAML nor JSON nor any configuration: ]["


class Halt(Exception):
    """The scenario cannot go on; the text says what did not happen."""


@dataclass(frozen=True)
class Patience:
    """How long things may take, in seconds."""

    arrival: float = 30.0
    """From the start of the agent to its first message."""

    answer: float = 10.0
    """From a message on a WebSocket to what follows from it."""

    poll: float = 45.0
    """From one poll to the next."""

    quiet: float = 1.0
    """How long nothing must come, to say that nothing comes."""

    effect: float = 30.0
    """From an offer to its last consequence, a new connection included."""

    beat: float = 45.0
    """From one heartbeat to the next."""

    telemetry: float = 15.0
    """From an offer of a destination to the first telemetry there."""

    prompt: float = 5.0
    """What still counts as at once."""

    interval: float = 2.0
    """Heartbeat interval that is offered; whole seconds."""

    wait: float = 2.0
    """What the agent is asked to wait when there is to be no hurry; whole seconds."""


@dataclass(frozen=True)
class Setting:
    """What all scenarios of a run share."""

    door: Door
    agent: Agent
    urls: Urls
    sheet: Sheet
    patience: Patience = field(default_factory=Patience)
    good_config: str = GOOD_CONFIG
    bad_config: str = BAD_CONFIG
    limit_bytes: int = LIMIT_BYTES
    authority: Authority | None = None
    """Who signs certificates for the agent; None = it was not connected over TLS."""


class Scene:
    """One scenario with one agent over one transport."""

    def __init__(self, name: str, rows: tuple[str, ...], setting: Setting, transport: Transport | None) -> None:
        self.name = name
        self.setting = setting
        self.door = setting.door
        self.log = setting.door.log
        self.patience = setting.patience
        self.trace = setting.door.trace = Trace(setting.door.secrets)
        self.manners = setting.door.manners = Manners()
        self.wanted = transport
        self.rows = rows
        self.begun = time.monotonic()
        self._judged: set[str] = set()
        self._met: Said | None = None

    # The agent ----------------------------------------------------------------------------------------------------

    @property
    def transport(self) -> Transport:
        """The transport of what the agent said last."""
        said = self.log.since(0)
        return said[-1].transport if said else self.wanted or Transport.WEBSOCKET

    @property
    def over_http(self) -> bool:
        """Whether the agent polls."""
        return self.transport is Transport.HTTP

    @property
    def first(self) -> Said:
        """What the agent said first when it was met."""
        if self._met is None:
            raise Halt("the agent was not met")
        return self._met

    @property
    def capabilities(self) -> int:
        """Capabilities the agent stated last."""
        return next((each.message.capabilities for each in reversed(self.log.said) if each.message.capabilities), 0)

    def has(self, bit: int) -> bool:
        """Whether the agent states a capability."""
        return bool(self.capabilities & bit)

    def need(self, bit: int) -> None:
        """
        Go on only with an agent that has a capability.

        Raises:
            Halt: It lacks it.
        """
        if not self.has(bit):
            name = opamp.AgentCapabilities.Name(bit).removeprefix("AgentCapabilities_")
            raise Halt(f"the agent does not state {name}")

    async def start(self) -> None:
        """Start the agent, if that is in our hands."""
        if self.setting.agent.restarts:
            self.door.begin_life()
            await self.setting.agent.start(self.setting.urls, self.wanted)
        elif not self.log.life:
            self.door.begin_life()

    async def meet(self) -> Said:
        """
        Start the agent and wait for what it says first; one that runs already is asked for its full state.

        Raises:
            Halt: Nothing came.
        """
        mark = len(self.log.said)
        await self.start()
        if not self.setting.agent.restarts and self.log.said:
            self._met = await self.full_report()
            return self._met
        met = await self.log.until(lambda: next(iter(self.log.since(mark)), None), self.patience.arrival)
        if met is None:
            raise Halt(f"the agent said nothing within {self.patience.arrival:g} s")
        self._met = met
        return met

    async def stop(self) -> None:
        """End the agent, if that is in our hands."""
        await self.setting.agent.stop()

    # Saying -------------------------------------------------------------------------------------------------------

    async def tell(self, message: opamp.ServerToAgent | None = None, *, uid: bytes | None = None) -> int:
        """
        Say something; over HTTP with the answer to the next poll.

        Returns:
            The index of the first thing the agent can say knowing it.

        Raises:
            Halt: There is no connection, or no poll came.
        """
        message = message or opamp.ServerToAgent()
        message.instance_uid = self.door.uid if uid is None else uid
        self.door.note(message)
        return await self.tell_raw(message.SerializeToString())

    async def tell_raw(self, data: bytes, *, header: bytes = b"\x00") -> int:
        """Say any bytes; the header is for WebSockets only."""
        if self.over_http:
            self.manners.waiting.append(data)
            if not await self.log.until(lambda: not self.manners.waiting, self.patience.poll):
                self.manners.waiting.clear()
                raise Halt(f"no poll came within {self.patience.poll:g} s")
            return len(self.log.said)
        socket = await self.log.until(lambda: self.door.socket, self.patience.effect)
        if socket is None:
            raise Halt("the agent has no connection open")
        mark = len(self.log.said)
        self.trace.sent("binary message", header + data)
        socket.send(data, header=header)
        return mark

    # Hearing ------------------------------------------------------------------------------------------------------

    async def hear(self, holds: Holds, since: int, seconds: float | None = None) -> Said | None:
        """Wait for a message that fits; None when none came in time."""
        usual = self.patience.poll if self.over_http else self.patience.answer
        limit = max(usual, seconds or 0.0) if self.over_http else seconds or usual
        return await self.log.until(lambda: next((each for each in self.log.since(since) if holds(each)), None), limit)

    async def expect(self, rows: str, holds: Holds, sentence: str, *, since: int, seconds: float | None = None) -> Said:
        """
        Wait for a message that fits, and judge rows by whether it comes.

        Raises:
            Halt: It did not come.
        """
        found = await self.hear(holds, since, seconds)
        self.judge(rows, found is not None, sentence)
        if found is None:
            raise Halt(sentence)
        return found

    async def full_report(self) -> Said:
        """
        Ask for the full state and wait for it: whatever was said before has been heard by then.

        Raises:
            Halt: It did not come.
        """
        mark = await self.tell(opamp.ServerToAgent(flags=opamp.ServerToAgentFlags_ReportFullState))
        found = await self.hear(lambda each: "agent_description" in each.parts, mark, self.patience.answer)
        if found is None:
            raise Halt("the agent did not report its full state when asked")
        return found

    @property
    def meeting(self) -> Meeting | None:
        """The WebSocket that stands; None over HTTP, or when there is none."""
        return self.door.socket.meeting if self.door.socket is not None else None

    async def still_there(self, rows: str, meeting: Meeting | None, what: str) -> Said:
        """
        Judge rows by whether the agent is still on its connection and answers after *what*.

        Raises:
            Halt: It does not answer any more.
        """
        left = f"the agent left after {what}"
        try:
            mark = await self.tell(opamp.ServerToAgent(flags=opamp.ServerToAgentFlags_ReportFullState))
        except Halt as error:
            self.judge(rows, condition=False, sentence=f"after {what}: {error}")
            raise

        def look() -> Said | bool | None:
            if meeting is not None and not meeting.open:
                return True
            later = self.log.since(mark)
            return next((each for each in later if "agent_description" in each.parts), None)

        found = await self.log.until(look, self.patience.poll if self.over_http else self.patience.answer)
        if not isinstance(found, Said):
            sentence = left if found else f"after {what} the agent does not report its full state when asked"
            self.judge(rows, condition=False, sentence=sentence)
            raise Halt(sentence)
        self.judge(rows, condition=True, sentence="")
        return found

    async def quiet(self, since: int) -> list[Said]:
        """Let a moment pass; returns what was said that is no heartbeat."""
        await self.log.quiet(self.patience.quiet)
        return [each for each in self.log.since(since) if not each.bare]

    async def knocked(self, since: int, seconds: float) -> Knock | None:
        """Wait for the next attempt to connect or poll."""
        return await self.log.until(lambda: next(iter(self.log.knocks[since:]), None), seconds)

    async def connection(self, since: int, seconds: float | None = None) -> Meeting:
        """
        Wait for a WebSocket begun after so many others.

        Raises:
            Halt: None came.
        """
        found = await self.log.until(
            lambda: next(iter(self.log.meetings[since:]), None), seconds or self.patience.effect
        )
        if found is None:
            raise Halt("the agent did not connect again")
        return found

    def refuse_with(self, status: int, headers: Mapping[str, str] | None = None) -> None:
        """Refuse every attempt from now on."""
        self.manners.refuse = lambda _path, _headers: Refusal(status, headers or {})

    def admit(self) -> None:
        """Refuse nothing from now on."""
        self.manners.refuse = lambda _path, _headers: None

    # Judging ------------------------------------------------------------------------------------------------------

    def judge(self, rows: str, condition: object, sentence: str) -> None:
        """Write a verdict on rows parted by blanks: pass if the condition holds, else fail with the sentence."""
        self._enter(rows, Verdict.PASS if condition else Verdict.FAIL, "" if condition else sentence)

    def skip(self, rows: str, reason: str) -> None:
        """Write that rows could not be judged, and why."""
        self._enter(rows, Verdict.NOT_APPLICABLE, reason)

    def leave(self, reason: str) -> None:
        """Write that all rows without a verdict could not be judged."""
        for row in self.rows:
            if row not in self._judged:
                self.skip(row, reason)

    def _enter(self, rows: str, verdict: Verdict, said: str) -> None:
        if verdict is Verdict.FAIL and self.transport is Transport.HTTP:
            said = f"over HTTP: {said}"
        evidence = self.trace.lines()[-_EVIDENCE_LINES:]
        for row in rows.split():
            self._judged.add(row)
            finding = Finding(verdict, self.name, said, evidence, time.monotonic() - self.begun)
            self.setting.sheet.enter(row, finding)


def new_uid() -> bytes:
    """Make a UUID of version 7."""
    raw = bytearray(int(time.time() * 1000).to_bytes(6) + secrets.token_bytes(10))
    raw[6], raw[8] = raw[6] & 0x0F | 0x70, raw[8] & 0x3F | 0x80
    return bytes(raw)
