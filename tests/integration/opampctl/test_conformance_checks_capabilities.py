"""The rows about capabilities fail for servers that sin against them, and for no others."""

from __future__ import annotations

from typing import Any

import pytest
from conformancelab.judging import CALM, fails
from conformancelab.server import LIMIT_BYTES, TOKEN, running
from conformancelab.stimulus import Puppeteer

from opampctl.conformance import Options, Suite, Target, Verdict

EXACTLY = [
    ("undefined capabilities", "S-062 S-069"),
    ("no AcceptsStatus", "S-065"),
    ("no capabilities", "S-063 S-066 S-137"),
    ("keeps old capabilities", "S-067"),
]


class Late(Puppeteer):
    """Shows, the first time it is asked, the effective config the agent came with."""

    looks = 0

    async def do(self, action: str, **what: Any) -> dict[str, Any]:
        """Do one action."""
        answer = await super().do(action, **what)
        if action == "show_agent" and not self.looks:
            self.looks += 1
            answer["effective_config"] = {"config.yaml": "YTogMQo="}
        return answer


@pytest.mark.parametrize(("sin", "rows"), EXACTLY, ids=lambda value: str(value).replace(" ", "-"))
async def test_sin_fails_exactly_its_rows(sin: str, rows: str) -> None:
    """Of all rows exactly these fail."""
    assert await fails(sin, rows=rows)


async def test_a_server_may_show_a_report_late() -> None:
    """An effective config that is shown a moment after it was reported counts as shown."""
    async with running() as server:
        target = Target.parse(f"ws://127.0.0.1:{server.port}/v1/opamp", token=TOKEN)
        late = Late(server.mind)
        (result,) = await Suite(Options(target, frozenset({"S-066"}), late, CALM, LIMIT_BYTES)).run()
    assert late.looks
    assert result.verdict is Verdict.PASS, result
