"""
Moves any server by a program: one JSON action on its standard input, one JSON object back.

The program is started anew for each action. It ends with 0 when it has done it, with 3 when it cannot do such
a thing, with 4 when the server refused it; anything else makes the row not applicable, with what the program
said on standard error.
"""

from __future__ import annotations

import asyncio
import shlex
from typing import Any

import orjson

from opampctl.conformance.stimulus import Refused
from opampctl.conformance.verdict import NotApplicable

SECONDS = 30.0
CANNOT = 3
REFUSED = 4
_SHOWN = 200


class CommandStimulus:
    """
    Acts through a program.

    Args:
        command: As a shell would split it; no shell is used.

        seconds: How long one action may take.
    """

    def __init__(self, command: str, seconds: float = SECONDS) -> None:
        self._words = shlex.split(command)
        self._seconds = seconds

    async def do(self, action: str, **what: Any) -> dict[str, Any]:
        """
        Do one action.

        Raises:
            Refused: The program said that the server refused.

            NotApplicable: The program cannot, does not end, or cannot be started.
        """
        told = orjson.dumps({"action": action, **what})
        try:
            process = await asyncio.create_subprocess_exec(
                *self._words,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
        except OSError as error:
            raise NotApplicable(f"{self._words[0]} cannot be started: {error.strerror}") from error
        try:
            async with asyncio.timeout(self._seconds):
                said, complained = await process.communicate(told)
        except TimeoutError as error:
            process.kill()
            await process.wait()
            raise NotApplicable(f"{action} did not end within {self._seconds:g} s") from error
        if process.returncode == CANNOT:
            raise NotApplicable(f"the stimulus command cannot {action.replace('_', ' ')}")
        if process.returncode == REFUSED:
            raise Refused(f"the server refused to {action.replace('_', ' ')}")
        if process.returncode:
            words = complained.decode(errors="replace").strip()[-_SHOWN:]
            raise NotApplicable(f"{action} failed with {process.returncode}: {words}")
        return _answer(said)

    async def close(self) -> None:
        """Nothing is kept between actions."""


def _answer(said: bytes) -> dict[str, Any]:
    if not said.strip():
        return {}
    try:
        answer = orjson.loads(said)
    except orjson.JSONDecodeError as error:
        raise NotApplicable("the stimulus command did not answer with JSON") from error
    if not isinstance(answer, dict):
        raise NotApplicable("the stimulus command did not answer with a JSON object")
    return answer
