"""Without a way to move the server, rows are not applicable."""

from __future__ import annotations

import pytest

from opampctl.conformance.stimulus import ACTIONS, NEEDED, NoStimulus, Refused
from opampctl.conformance.verdict import NotApplicable


async def test_nobody_moves_the_server() -> None:
    """Every action is refused with the way to make it possible."""
    stimulus = NoStimulus()
    for action in ACTIONS:
        with pytest.raises(NotApplicable, match="--stimulus-command"):
            await stimulus.do(action)
    await stimulus.close()
    assert "--api-url" in NEEDED


def test_refusal_is_a_kind_of_not_applicable() -> None:
    """Where nothing must be sent, a refusal is right; everywhere else the row cannot be judged."""
    assert issubclass(Refused, NotApplicable)
