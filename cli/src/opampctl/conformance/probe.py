"""What one check works with: connections, agents, evidence, and patience."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, Self

from opampctl.conformance.connection import Gone
from opampctl.conformance.evidence import Secrets, Trace
from opampctl.conformance.heard import Heard, Transport
from opampctl.conformance.ledger import UNKNOWN_CAPABILITIES, Ledger, Record
from opampctl.conformance.persona import REPORTS_STATUS, Persona
from opampctl.conformance.post import MEDIA_TYPE, Poster, open_poster
from opampctl.conformance.stimulus import NoStimulus, Stimulus
from opampctl.conformance.verdict import Failed, require
from opampctl.conformance.websocket import Handshake, NotUpgraded, WebSocket, open_websocket

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from opamp.v1 import opamp_pb2 as opamp
    from opampctl.conformance.target import Target

OK = 200
LIMIT_BYTES = 64 * 1024 * 1024
_LOOK_SECONDS = 0.1


@dataclass(frozen=True)
class Patience:
    """How long things may take, in seconds."""

    answer: float = 3.0
    """An answer."""

    quiet: float = 1.0
    """How long nothing must come, to say that nothing comes."""

    effect: float = 15.0
    """From a stimulus to what follows from it."""

    large: float = 20.0
    """A message of the largest size there is."""

    clone: float = 12.0
    """To find out that two agents use one uid."""


@dataclass(frozen=True)
class Setting:
    """What all checks of a run share."""

    target: Target
    patience: Patience = field(default_factory=Patience)
    stimulus: Stimulus = field(default_factory=NoStimulus)
    ledger: Ledger = field(default_factory=Ledger)
    limit_bytes: int = LIMIT_BYTES
    """The server's message size limit."""

    secrets: Secrets = field(default_factory=Secrets)


class Line(Protocol):
    """A way to say something and hear the answer."""

    async def ask(self, message: opamp.AgentToServer | bytes) -> Heard:
        """
        Say something; returns the next message of the server.

        Raises:
            Failed: There is no answer, or it is no message.
        """
        ...


class SocketLine:
    """An open WebSocket, as checks use it."""

    def __init__(self, socket: WebSocket, patience: Patience) -> None:
        self.socket = socket
        self._patience = patience

    def say(self, message: opamp.AgentToServer | bytes, *, header: bytes = b"\x00") -> None:
        """Say something without waiting."""
        try:
            self.socket.send(_bytes_of(message), header=header)
        except Gone as error:
            raise Failed("the server has ended the connection") from error

    async def hear(self, seconds: float | None = None) -> Heard:
        """
        Return the next message.

        Raises:
            Failed: None came in time, or the connection ended.
        """
        limit = self._patience.answer if seconds is None else seconds
        heard = await self.socket.next(limit)
        if heard is None:
            raise Failed(self.why_silent(limit))
        return heard

    async def ask(self, message: opamp.AgentToServer | bytes) -> Heard:
        """Say something; returns the next message, which reads as one."""
        self.say(message)
        heard = await self.hear()
        require(heard.readable, "the answer is no ServerToAgent behind a zero header")
        return heard

    async def silence(self, seconds: float | None = None) -> list[Heard]:
        """Listen for a while; returns what came."""
        found = []
        loop = asyncio.get_running_loop()
        deadline = loop.time() + (self._patience.quiet if seconds is None else seconds)
        while (left := deadline - loop.time()) > 0:
            heard = await self.socket.next(left)
            if heard is None:
                break
            found.append(heard)
        return found

    def why_silent(self, seconds: float) -> str:
        """Say why nothing came."""
        if self.socket.fault:
            return f"the server broke RFC 6455: {self.socket.fault}"
        if self.socket.closed_with is not None:
            return f"the server closed the WebSocket with code {self.socket.closed_with} instead of answering"
        return "the server dropped the connection" if self.socket.ended else f"no answer within {seconds:g} s"


class PostLine:
    """Polls on one keep-alive connection, as checks use them."""

    def __init__(self, probe: Probe, headers: Mapping[str, str]) -> None:
        self._probe = probe
        self._headers = headers
        self._poster: Poster | None = None

    async def post(self, body: bytes | opamp.AgentToServer, **headers: str) -> Heard:
        """Send one request; underscores in header names stand for dashes."""
        if self._poster is None or self._poster.ended:
            self._poster = await self._probe.poster()
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            heard = await self._poster.post(_bytes_of(body), {**self._headers, **more}, self._probe.patience.answer)
        except Gone as error:
            raise Failed(f"the request got no answer: {error}") from error
        self._probe.witness(heard)
        return heard

    async def ask(self, message: opamp.AgentToServer | bytes) -> Heard:
        """Poll; the answer is 200 and a message."""
        heard = await self.post(message)
        require(heard.status == OK, f"HTTP {heard.status} instead of an answer")
        require(heard.readable, "the response body is no ServerToAgent")
        return heard


class Probe:
    """One check's own world; everything it opens is dropped at its end."""

    def __init__(self, row: str, setting: Setting) -> None:
        self.row = row
        self.setting = setting
        self.target = setting.target
        self.patience = setting.patience
        self.trace = Trace(setting.secrets)
        self.personas: list[Persona] = []
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._stack.close()

    def persona(self, capabilities: int = REPORTS_STATUS, **details: Any) -> Persona:
        """Make an agent nobody else uses."""
        made = Persona(f"conformance-{self.row}", capabilities, **details)
        self.personas.append(made)
        return made

    async def websocket(
        self, *, headers: Mapping[str, str] | None = None, extensions: str = "", anonymous: bool = False
    ) -> SocketLine:
        """
        Open a WebSocket.

        Raises:
            Failed: It was not upgraded.
        """
        try:
            return await self.knock(headers=headers, extensions=extensions, anonymous=anonymous)
        except NotUpgraded as error:
            raise Failed(f"the upgrade was answered HTTP {error.head.status}") from error

    async def knock(
        self, *, headers: Mapping[str, str] | None = None, extensions: str = "", anonymous: bool = False
    ) -> SocketLine:
        """Open a WebSocket, or see NotUpgraded."""
        shown = {**({} if anonymous else self.target.credentials()), **(headers or {})}
        try:
            socket = await open_websocket(
                self.target, Handshake(shown, extensions), self.trace, self.witness, self.patience.answer
            )
        except Gone as error:
            raise Failed(str(error)) from error
        self._stack.callback(socket.drop)
        return SocketLine(socket, self.patience)

    async def poster(self) -> Poster:
        """Open a connection for requests."""
        try:
            poster = await open_poster(self.target, self.trace, self.patience.answer)
        except Gone as error:
            raise Failed(str(error)) from error
        self._stack.callback(poster.drop)
        return poster

    def polling(self, *, anonymous: bool = False, **headers: str) -> PostLine:
        """Give a line for polls; a header given as an empty text is left out."""
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        shown = {"Content-Type": MEDIA_TYPE, **({} if anonymous else self.target.credentials()), **more}
        return PostLine(self, {name: value for name, value in shown.items() if value})

    async def line(self, transport: Transport) -> Line:
        """Give a line of either transport."""
        return await self.websocket() if transport is Transport.WEBSOCKET else self.polling()

    async def do(self, action: str, **what: Any) -> dict[str, Any]:
        """Move the server; see Stimulus.do."""
        answer = await self.setting.stimulus.do(action, **what)
        self.trace.note(f"stimulus {action}")
        return answer

    async def look(self, persona: Persona, holds: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """
        Wait until what the server shows of an agent fits; returns the last view whether it fits or not.

        Raises:
            NotApplicable: Nobody can look.
        """
        return await self.until(lambda: self.do("show_agent", instance_uid=persona.text), holds)

    async def until(
        self,
        ask: Callable[[], Awaitable[dict[str, Any]]],
        holds: Callable[[dict[str, Any]], object],
        *,
        seconds: float | None = None,
    ) -> dict[str, Any]:
        """Ask again and again until the answer fits or patience ends; returns the last answer."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + (self.patience.effect if seconds is None else seconds)
        while True:
            answer = await ask()
            if holds(answer) or loop.time() > deadline:
                return answer
            await asyncio.sleep(_LOOK_SECONDS)

    def witness(self, heard: Heard) -> None:
        """Enter a message in the ledger; a bare HTTP status is none."""
        if heard.status != OK and not (heard.raw and MEDIA_TYPE in heard.headers.get("content-type", "")):
            return
        ever = UNKNOWN_CAPABILITIES
        uids = frozenset(persona.uid for persona in self.personas)
        if heard.readable:
            named = heard.message.instance_uid
            ever = next((each.ever for each in self.personas if each.uid == named), UNKNOWN_CAPABILITIES)
        self.setting.ledger.add(Record(heard, self.row, ever, uids))


def _bytes_of(message: opamp.AgentToServer | bytes) -> bytes:
    return message if isinstance(message, bytes) else message.SerializeToString()
