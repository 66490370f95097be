"""
Agents that were turned away a moment ago: told so again without anybody being asked. Pure.

Some clients come back at once, again and again, after a closed socket; each round would cost a question.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

_SECONDS: Final = 10.0
_REMEMBERED: Final = 10_000


class Refusals:
    """Sentences by credential and agent, for a few seconds; forgotten whenever anybody's right changes."""

    def __init__(self) -> None:
        self._until: OrderedDict[tuple[str, bytes], tuple[float, str]] = OrderedDict()

    def note(self, credential_id: str, uid: bytes, sentence: str, now: float) -> None:
        """Remember that *uid* was turned away."""
        self._until[credential_id, uid] = (now + _SECONDS, sentence)
        self._until.move_to_end((credential_id, uid))
        if len(self._until) > _REMEMBERED:
            self._until.popitem(last=False)

    def of(self, credential_id: str, uid: bytes, now: float) -> str:
        """Tell why *uid* was turned away just now; empty = it was not."""
        until, sentence = self._until.get((credential_id, uid), (0.0, ""))
        return sentence if until > now else ""

    def clear(self) -> None:
        """Forget all."""
        self._until.clear()
