"""The agent under test as something to start and stop: a program of the user's, or one that is simply there."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import signal
from dataclasses import dataclass
from typing import IO, Protocol

from opampctl.conformance.heard import Transport

STOP_SECONDS = 15.0


@dataclass(frozen=True)
class Urls:
    """Where the server under which the agent is examined listens."""

    websocket: str
    http: str

    def of(self, transport: Transport) -> str:
        """Return the address for one transport."""
        return self.websocket if transport is Transport.WEBSOCKET else self.http


class Agent(Protocol):
    """What the suite can do with an agent."""

    restarts: bool
    """Whether start and stop really do so."""

    transports: tuple[Transport, ...]
    """Transports it can be made to use; empty = whichever it comes with."""

    async def start(self, urls: Urls, transport: Transport | None) -> None:
        """Start it towards these addresses."""

    async def stop(self) -> None:
        """Ask it to end, and wait for the end."""

    async def kill(self) -> None:
        """End it without asking."""


class AgentAtLarge:
    """An agent that somebody else runs and has pointed here."""

    restarts = False
    transports: tuple[Transport, ...] = ()

    async def start(self, urls: Urls, transport: Transport | None) -> None:
        """Do nothing: it comes by itself."""

    async def stop(self) -> None:
        """Do nothing."""

    async def kill(self) -> None:
        """Do nothing."""


class CommandAgent:
    """
    An agent as a program: started for each scenario and ended by SIGTERM.

    Args:
        command: Command line; {ws_url}, {http_url} and {url} are replaced. With {url} both transports are examined.

        output: Where its output goes; None = nowhere.
    """

    restarts = True

    def __init__(self, command: str, output: IO[bytes] | None = None) -> None:
        self._command = command
        self._output = output
        self._process: asyncio.subprocess.Process | None = None
        named = {
            Transport.WEBSOCKET: "{ws_url}" in command or "{url}" in command,
            Transport.HTTP: "{http_url}" in command or "{url}" in command,
        }
        self.transports = tuple(transport for transport, is_named in named.items() if is_named)

    def words(self, urls: Urls, transport: Transport | None) -> list[str]:
        """Write the command line for these addresses."""
        text = self._command.replace("{ws_url}", urls.websocket).replace("{http_url}", urls.http)
        return shlex.split(text.replace("{url}", urls.of(transport or Transport.WEBSOCKET)))

    async def start(self, urls: Urls, transport: Transport | None) -> None:
        """
        Start the program, in a process group of its own.

        Raises:
            OSError: There is no such program.
        """
        output = self._output or asyncio.subprocess.DEVNULL
        self._process = await asyncio.create_subprocess_exec(
            *self.words(urls, transport),
            stdin=asyncio.subprocess.PIPE,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )

    async def stop(self) -> None:
        """Send SIGTERM; SIGKILL when that does not help in time."""
        await self._end(signal.SIGTERM)

    async def kill(self) -> None:
        """Send SIGKILL."""
        await self._end(signal.SIGKILL)

    async def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(how)
            try:
                async with asyncio.timeout(STOP_SECONDS):
                    await process.wait()
            except TimeoutError:
                pass
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)  # and whatever it started
        await process.wait()
