"""The suite as a server: an honest agent fails nothing, the simulator no MUST, and every end of a run has its code."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import agentlab
import pytest
from agentlab.agent import LIMIT_BYTES, TinyAgent
from agentlab.judging import CALM, examine

from opampctl.conformance import Verdict
from opampctl.conformance.as_server import AgentSuite, Options, Urls
from opampctl.conformance.heard import Transport
from opampctl.simulate import Fleet, FleetOptions, PackageOptions
from opampctl.simulate import Transport as Speech

if TYPE_CHECKING:
    from rest_double import Run
    from typer.testing import Result

    from opampctl.conformance import Result as Judged

FIXTURES = Path(agentlab.__file__).parents[1]
WS, HTTP = Transport.WEBSOCKET, Transport.HTTP
QUICK = (
    "answers arrival configuration.configuration_is_applied configuration.news_get_lost connecting.agent_leaves "
    "errors.too_large packages.packages_are_synced settings.trial_goes_well state"
)
"""A poll is a wait: over HTTP the scenarios are played that judge what is different there."""

MORE = (
    "answers arrival beating.heartbeats_come certificates configuration connecting.agent_leaves "
    "connecting.connection_breaks errors extensions packages settings sizes state"
)
"""Those left out wait for seconds; agents that sin against them play them, too."""


@pytest.mark.parametrize("transport", [WS, HTTP])
async def test_honest_agent_fails_nothing(transport: Transport) -> None:
    """An agent that does everything right passes all that can be judged of it, and most can."""
    results = await examine(TinyAgent(transport), scenarios=QUICK if transport is HTTP else MORE)

    assert [(each.row.id, each.said) for each in results if each.verdict is Verdict.FAIL] == []
    assert sum(each.verdict is Verdict.PASS for each in results) > (140 if transport is WS else 90)
    assert all(each.evidence for each in results if each.verdict is Verdict.PASS and "messages" in each.check)


PACKAGE_ROWS = {f"C-{number}" for number in (118, 121, 122, 123, 126, 127, 128, 137, 139, 140, 142, 143, 147, 156, 159)}
"""Rows on packages that judge what the simulator does with them."""


class SimulatedOne:
    """The simulator's agent, with all it can do, in this process."""

    restarts = True

    def __init__(self, transport: Transport) -> None:
        self.transports: tuple[Transport, ...] = (transport,)
        self._fleet: Fleet | None = None

    async def start(self, urls: Urls, transport: Transport | None) -> None:
        """Begin a fleet of one."""
        options = FleetOptions(
            endpoint=urls.of(transport or WS),
            agents=1,
            transport=Speech.HTTP if transport is HTTP else Speech.WEBSOCKET,
            heartbeat_seconds=0.1,
            apply_delay_seconds=0.01,
            accept_settings=True,
            components=True,
            custom_capabilities=("com.example.echo",),
            packages=PackageOptions(install_seconds=0.01),
        )
        self._fleet = await Fleet(options).__aenter__()

    async def stop(self) -> None:
        """End it in order."""
        fleet, self._fleet = self._fleet, None
        if fleet is not None:
            await fleet.__aexit__(None, None, None)

    kill = stop


async def examine_simulator(transport: Transport) -> list[Judged]:
    """Run what is quick over the simulator."""
    modules = (
        "answers arrival configuration settings extensions packages state connecting.agent_leaves errors.bad_request"
    )
    modules = QUICK if transport is HTTP else modules
    options = Options(
        SimulatedOne(transport), patience=CALM, limit_bytes=LIMIT_BYTES, scenarios=frozenset(modules.split())
    )
    return await AgentSuite(options).run()


@pytest.mark.parametrize("transport", [WS, HTTP])
async def test_simulator_fails_no_must(transport: Transport) -> None:
    """Our own simulated agent keeps to every MUST it is examined for."""
    results = await examine_simulator(transport)

    musts = [(each.row.id, each.said) for each in results if each.broken and each.row.level.startswith("MUST")]
    assert musts == []
    passed = {each.row.id for each in results if each.verdict is Verdict.PASS}
    assert len(passed) > 80
    assert passed >= PACKAGE_ROWS


AGENT = f"""
import asyncio, signal, sys
sys.path.insert(0, {str(FIXTURES)!r})
from agentlab.agent import TinyAgent
from opampctl.conformance.as_server import Urls
from opampctl.conformance.heard import Transport

async def main():
    agent = TinyAgent(Transport(sys.argv[2]), *sys.argv[3:])
    over = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)
    await agent.start(Urls(sys.argv[1], sys.argv[1]), None)
    await over.wait()
    await agent.stop()

asyncio.run(main())
"""


def conformance(run: Run, *words: str, agent: str = "{ws_url} websocket", listen: str = "127.0.0.1:0") -> Result:
    """Run the command with the small agent as a program."""
    command = f"{shlex.join([sys.executable, '-c', AGENT])} {agent}"
    return run("conformance", "--as-server", "--listen", listen, "--agent-command", command, *words)


def test_honest_program_ends_with_zero(anonymous: Run) -> None:
    """No row failed: 0, the counts on stdout, progress on stderr; the program is started and ended."""
    result = conformance(anonymous, "--only", "C-058,C-066,C-248,C-249")

    assert result.exit_code == 0, result.output
    assert "4 of 4 applicable MUST and SHOULD rows pass." in result.stdout
    assert "connecting.agent_leaves websocket" in result.stderr


def test_program_that_sins_ends_with_one(anonymous: Run, tmp_path: Path) -> None:
    """A row failed: 1, and the JSON report has the bytes."""
    file = tmp_path / "report.json"
    words = ("--only", "C-079", "-q", "--report", "json", "-o", str(file))
    result = conformance(anonymous, *words, agent="{http_url} http 'no ReportsStatus'")

    row = json.loads(file.read_text())["rows"][0]
    assert (result.exit_code, row["verdict"]) == (1, "fail")
    assert "< message 0, http: 0a10" in row["evidence"][0]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--only", "S-001"), "There is no row S-001."),
        (("--listen", "nowhere"), "is no address to listen on"),
        (("--agent-command", "agent without address"), "names none of"),
        (("--agent-command", "/no/such/agent {ws_url}"), "cannot be started"),
    ],
    ids=["row", "address", "placeholder", "program"],
)
def test_what_cannot_run_ends_with_two(anonymous: Run, options: tuple[str, ...], said: str) -> None:
    """A run that cannot be made: 2, with the reason."""
    result = anonymous("conformance", "--as-server", "--listen", "127.0.0.1:0", "-q", *options)

    assert result.exit_code == 2
    assert said in " ".join(result.stderr.split())
