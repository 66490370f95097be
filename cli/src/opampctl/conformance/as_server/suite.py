"""Plays the scenarios one after the other, and writes one verdict for each row of the register."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from opampctl.conformance.as_server import catalogue
from opampctl.conformance.as_server.agents import Agent, AgentAtLarge, Urls
from opampctl.conformance.as_server.door import Door
from opampctl.conformance.as_server.log import Log
from opampctl.conformance.as_server.scene import BAD_CONFIG, GOOD_CONFIG, LIMIT_BYTES, Halt, Patience, Scene, Setting
from opampctl.conformance.as_server.sheet import Finding, Sheet
from opampctl.conformance.evidence import Secrets, clip
from opampctl.conformance.heard import Transport
from opampctl.conformance.register import Row, read_rows
from opampctl.conformance.verdict import Result, Verdict

if TYPE_CHECKING:
    from opampctl.conformance.as_server.authority import Authority
    from opampctl.conformance.as_server.catalogue import Review, Rule, Scenario

CLIENT_ROWS = "as_server/client_rows.psv"
PATH = "/v1/opamp"
SCENARIO_SECONDS = 300.0
NO_CHECK = "no scenario was written for it"
NOT_REACHED = "the scenario took another course"
_SHOWN = 3
_FIRST = "arrival.first_report"

Progress = Callable[[str, Transport | None, float], None]


class Absent(Exception):
    """No agent came, or it could not be started; nothing can be judged."""


@cache
def client_rows() -> dict[str, Row]:
    """Return the requirements for agents, by id."""
    return read_rows(CLIENT_ROWS)


@dataclass(frozen=True)
class Options:
    """Where to listen, whom to examine, and how."""

    agent: Agent = field(default_factory=AgentAtLarge)
    host: str = "127.0.0.1"
    port: int = 0
    tls: ssl.SSLContext | None = None
    authority: Authority | None = None
    """Whose certificates that context takes."""

    name: str = ""
    """Host name written in addresses, where it differs from the one listened on."""

    only: frozenset[str] = frozenset()
    """Ids of rows; empty = all."""

    scenarios: frozenset[str] = frozenset()
    """Names of scenarios, or of modules of them, to play; empty = all that are of use."""

    patience: Patience = field(default_factory=Patience)
    good_config: str = GOOD_CONFIG
    bad_config: str = BAD_CONFIG
    limit_bytes: int = LIMIT_BYTES
    scenario_seconds: float = SCENARIO_SECONDS


class AgentSuite:
    """One run over an agent."""

    def __init__(
        self, options: Options, *, progress: Progress | None = None, listening: Callable[[Urls], None] | None = None
    ) -> None:
        self._options = options
        self._progress = progress
        self._listening = listening
        self._secrets = Secrets()
        self.log = Log()
        self.sheet = Sheet()
        self._door = Door(self.log, self._secrets)

    async def run(self) -> list[Result]:
        """
        Judge every row; results are in the order of the register.

        Raises:
            Absent: No agent came.

            OSError: The address cannot be listened on.
        """
        options = self._options
        await self._door.open(options.host, options.port, options.tls)
        try:
            where = f"{options.name or options.host}:{self._door.port}{PATH}"
            secure = "s" if options.tls else ""
            urls = Urls(f"ws{secure}://{where}", f"http{secure}://{where}")
            if self._listening is not None:
                self._listening(urls)
            setting = Setting(
                self._door,
                options.agent,
                urls,
                self.sheet,
                options.patience,
                options.good_config,
                options.bad_config,
                options.limit_bytes,
                options.authority,
            )
            for transport in options.agent.transports or (None,):
                for each in self._chosen():
                    await self._play(each, setting, transport)
        finally:
            await options.agent.kill()
            await self._door.close()
        return self._conclude()

    def _chosen(self) -> list[Scenario]:
        """Scenarios that judge a wanted row; rows about every message want the first and the last."""
        known = catalogue.scenarios()
        only = self._options.only
        named = self._options.scenarios
        chosen = [each for each in known.values() if not only or only & set(each.rows)]
        if named:
            chosen = [each for each in chosen if named & {each.name, each.name.partition(".")[0]}]
            return sorted(chosen, key=lambda each: each.name != _FIRST)
        if only & (set(catalogue.rules()) | set(catalogue.reviews())) and known[_FIRST] not in chosen:
            chosen.append(known[_FIRST])
        return sorted(chosen, key=lambda each: each.name != _FIRST)

    async def _play(self, each: Scenario, setting: Setting, transport: Transport | None) -> None:
        """Play one scenario; however it ends, its rows have a verdict and the agent is stopped."""
        if transport is not None and transport not in each.transports:
            return
        scene = Scene(each.name, each.rows, setting, transport)
        if transport is None and self.log.said and scene.transport not in each.transports:
            scene.leave(f"the agent does not speak {each.transports[0]}")
            return
        if each.restarts and not setting.agent.restarts:
            scene.leave("it needs an agent that can be restarted: --agent-command")
            return
        begun = time.monotonic()
        reason = NOT_REACHED
        try:
            async with asyncio.timeout(self._options.scenario_seconds):
                await each.run(scene)
        except Halt as error:
            reason = str(error)
        except TimeoutError:
            reason = f"the scenario did not end within {self._options.scenario_seconds:g} s"
        except OSError as error:
            raise Absent(f"the agent cannot be started: {error}") from error
        finally:
            scene.admit()
            await setting.agent.stop()
        scene.leave(reason)
        if not self.log.said:
            raise Absent(f"no agent said anything within {setting.patience.arrival:g} s")
        if self._progress is not None:
            self._progress(each.name, transport, time.monotonic() - begun)

    def _conclude(self) -> list[Result]:
        for rule in catalogue.rules().values():
            self._every_message(rule)
        for review in catalogue.reviews().values():
            self._whole(review)
        reasons = catalogue.reasons_untestable()
        results = []
        for row in client_rows().values():
            if self._options.only and row.id not in self._options.only:
                continue
            found = self.sheet.get(row.id)
            if found is None:
                found = Finding(Verdict.NOT_TESTABLE, "", reasons.get(row.id, NO_CHECK))
            verdict, said = found.verdict, found.said
            if verdict is Verdict.FAIL and not row.binding:
                verdict, said = Verdict.NOT_APPLICABLE, f"not made use of: {said}"
            results.append(Result(row, verdict, found.check, said, found.evidence, found.seconds))
        return results

    def _every_message(self, rule: Rule) -> None:
        about = [(each, rule.holds(each)) for each in self.log.said]
        judged = [(each, good) for each, good in about if good is not None]
        if not judged:
            self.sheet.enter(rule.row, Finding(Verdict.NOT_APPLICABLE, rule.name, rule.unseen))
            return
        bad = [each for each, good in judged if not good]
        shown = tuple(
            f"< message {each.index}, {each.transport}: {clip(self._secrets.masked(each.raw))}"
            for each in (bad or [judged[-1][0]])[:_SHOWN]
        )
        if bad:
            said = f"{rule.broken} ({len(bad)} of {len(judged)} messages)"
            self.sheet.enter(rule.row, Finding(Verdict.FAIL, rule.name, said, shown))
        else:
            self.sheet.enter(rule.row, Finding(Verdict.PASS, rule.name, f"held of {len(judged)} messages", shown))

    def _whole(self, review: Review) -> None:
        looked = list(review.look(self.log))
        if not looked:
            self.sheet.enter(review.row, Finding(Verdict.NOT_APPLICABLE, review.name, review.unseen))
        for good, said, evidence in looked:
            verdict = Verdict.PASS if good else Verdict.FAIL
            shown = tuple(self._secrets.masked(line.encode()).decode() for line in evidence)
            self.sheet.enter(review.row, Finding(verdict, review.name, "" if good else said, shown))
