"""The suite as a server: sins of a small agent fail their rows and no others; the simulator fails no MUST."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from agentlab.agent import LIMIT_BYTES, TinyAgent
from agentlab.judging import CALM, examine, failed_rows, fails_by_silence
from opampctl.conformance import Verdict
from opampctl.conformance.as_server import AgentSuite, Options, Urls
from opampctl.conformance.heard import Transport
from opampctl.simulate import Fleet, FleetOptions
from opampctl.simulate import Transport as Speech

if TYPE_CHECKING:
    from opampctl.conformance import Result

WS, HTTP = Transport.WEBSOCKET, Transport.HTTP
PLAIN = "arrival.first_report state.full_state"

SINS = [
    ("text", PLAIN, "C-006"),
    ("junk at the end", "state.components", "C-007 C-080"),
    ("long header", PLAIN, "C-008"),
    ("any header", "answers.other_headers", "C-009"),
    ("drops on empty", "answers.header_alone", "C-012"),
    ("old WebSocket", PLAIN, "C-005"),
    ("incomplete", PLAIN, "C-045"),
    ("custom message first", PLAIN, "C-044 C-232"),
    ("text uid", "arrival.first_report", "C-058"),
    ("random uid", PLAIN, "C-059"),
    ("reserved bit", PLAIN, "C-077 C-085"),
    ("no ReportsStatus", PLAIN, "C-079"),
    ("skips numbers", PLAIN, "C-065"),
    ("counts per connection", "connecting.connection_breaks", "C-065"),
    ("nameless heartbeats", "beating.heartbeats_come", "C-054 C-220"),
    ("heartbeats without capabilities", "beating.heartbeats_come", "C-078"),
    ("odd attributes", PLAIN, "C-087"),
    ("seconds", PLAIN, "C-105 C-107"),
    ("healthy with an error", PLAIN, "C-104"),
    ("talkative components", PLAIN, "C-242"),
    ("moody components", "arrival", "C-241"),
    ("hashless components", "arrival", "C-240"),
    ("bad names", PLAIN, "C-233"),
    ("answers everything", "answers.acknowledgements", "C-051 C-052"),
    ("drops on errors", "answers.strange_messages", "C-285"),
    ("heeds others", "answers.another_agent", "C-286"),
    ("unwanted", "answers.modest_server", "C-083"),
    ("repeats config status", "configuration.configuration_comes_twice", "C-052 C-073 C-094"),
    ("repeats description", "configuration.configuration_is_applied", "C-070"),
    ("hashless failures", "configuration.configuration_is_refused", "C-112"),
    ("forgets", "configuration.configuration_is_remembered", "C-113"),
    ("sends bad things again", "errors.bad_request errors.unknown_error", "C-260 C-261"),
    ("hurries", "errors.overload", "C-265"),
    ("hurries", "connecting.server_asks_for_patience", "C-225 C-252 C-267"),
    ("no goodbye", "connecting.agent_leaves settings.trial_goes_well", "C-064 C-170 C-248"),
    ("no close frame", "connecting.agent_leaves", "C-249"),
    ("silent trials", "settings.trial_goes_well", "C-169"),
    ("no offered headers", "settings.trial_goes_well", "C-202"),
    ("calls failures applied", "settings.trial_goes_badly", "C-171 C-175"),
    ("forgets", "settings.settings_are_remembered", "C-172"),
    ("beats on", "beating.offered_interval", "C-219"),
    ("fetches again", "packages.packages_are_synced", "C-121 C-129"),
    ("always fetches", "packages.packages_are_synced", "C-123 C-126 C-134"),
    ("no file headers", "packages.packages_are_synced", "C-128"),
    ("posts for files", "packages.packages_are_synced", "C-127"),
    ("own hash of all", "packages", "C-159"),
    ("keeps what is dropped", "packages.packages_are_synced", "C-124"),
    ("nameless packages", "packages.packages_are_synced", "C-142"),
    ("errors of what works", "packages.packages_are_synced", "C-151"),
    ("forgets the offer", "packages.packages_are_synced", "C-147"),
    ("claims what it lacks", "packages.package_cannot_be_fetched", "C-144 C-146"),
    ("newest package only", "packages.packages_are_synced", "C-140"),
    ("talks to anyone", "extensions.custom_messages", "C-231 C-232 C-235"),
    ("acts beside commands", "extensions.restart", "C-226"),
]

SINS_OVER_HTTP = [
    ("no content type", PLAIN, "C-015"),
    ("no uid header", PLAIN, "C-022"),
    ("unmarked gzip", PLAIN, "C-025"),
    ("insists", "errors.too_large", "C-042"),
    ("no goodbye", "connecting.agent_leaves", "C-250"),
]

SILENT_SINS = [
    (WS, "one-byte headers", "answers.long_headers", "C-010"),
    (WS, "no full state", "state.full_state", "C-066"),
    (WS, "keeps its uid", "state.new_uid_is_used", "C-062"),
    (WS, "no components", "state.components", "C-244"),
    (WS, "unfinished", "configuration.configuration_is_applied", "C-114"),
    (WS, "ignores overload", "errors.overload", "C-262 C-264"),
    (WS, "stays when overloaded", "errors.overload", "C-264"),
    (WS, "calls it applied", "settings.trial_goes_badly", "C-171"),
    (WS, "ignores commands", "extensions.restart", "C-226 C-228"),
    (WS, "no limit", "sizes", "C-027 C-028 C-029"),
    (HTTP, "no limit", "sizes", "C-035 C-036 C-037"),
    (HTTP, "loses news", "configuration.news_get_lost", "C-076"),
]


@pytest.mark.parametrize(("sin", "scenarios", "rows"), SINS, ids=lambda value: str(value).replace(" ", "-")[:40])
async def test_sin_fails_exactly_its_rows(sin: str, scenarios: str, rows: str) -> None:
    """Of all rows these scenarios and the rules for every message judge, exactly these fail."""
    assert await failed_rows(sin, scenarios) == set(rows.split())


@pytest.mark.parametrize(
    ("sin", "scenarios", "rows"), SINS_OVER_HTTP, ids=lambda value: str(value).replace(" ", "-")[:40]
)
async def test_sin_over_http_fails_exactly_its_rows(sin: str, scenarios: str, rows: str) -> None:
    """The same for an agent that polls."""
    assert await failed_rows(sin, scenarios, HTTP) == set(rows.split())


@pytest.mark.parametrize(
    ("transport", "sin", "scenarios", "rows"), SILENT_SINS, ids=lambda value: str(value).replace(" ", "-")[:40]
)
async def test_silence_fails_its_rows(transport: Transport, sin: str, scenarios: str, rows: str) -> None:
    """What has to come and does not fails its rows when patience ends."""
    assert await fails_by_silence(sin, scenarios, rows, transport)


QUICK = (
    "answers arrival configuration.configuration_is_applied configuration.news_get_lost connecting.agent_leaves "
    "errors.too_large packages.packages_are_synced settings.trial_goes_well state"
)
"""A poll is a wait: over HTTP the scenarios are played that judge what is different there."""


@pytest.mark.parametrize("transport", [WS, HTTP])
async def test_honest_agent_fails_nothing(transport: Transport) -> None:
    """An agent that does everything right passes all that can be judged of it, and most can."""
    results = await examine(TinyAgent(transport), scenarios=QUICK if transport is HTTP else "")

    assert [(each.row.id, each.said) for each in results if each.verdict is Verdict.FAIL] == []
    assert sum(each.verdict is Verdict.PASS for each in results) > (140 if transport is WS else 90)
    assert all(each.evidence for each in results if each.verdict is Verdict.PASS and "messages" in each.check)


class SimulatedOne:
    """The simulator's agent, with all it can do, in this process."""

    restarts = True

    def __init__(self, transport: Transport) -> None:
        self.transports = (transport,)
        self._fleet: Fleet | None = None

    async def start(self, urls: Urls, transport: Transport | None) -> None:
        """Begin a fleet of one."""
        options = FleetOptions(
            endpoint=urls.of(transport or WS),
            agents=1,
            transport=Speech.HTTP if transport is HTTP else Speech.WEBSOCKET,
            heartbeat_seconds=0.3,
            apply_delay_seconds=0.01,
            accept_settings=True,
            components=True,
            custom_capabilities=("com.example.echo",),
        )
        self._fleet = await Fleet(options).__aenter__()

    async def stop(self) -> None:
        """End it in order."""
        fleet, self._fleet = self._fleet, None
        if fleet is not None:
            await fleet.__aexit__(None, None, None)

    kill = stop




async def examine_simulator(transport: Transport) -> list[Result]:
    """Run what is quick over the simulator."""
    modules = "answers arrival configuration settings extensions state connecting.agent_leaves errors.bad_request"
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
    assert sum(each.verdict is Verdict.PASS for each in results) > 80
