"""Runs the checks: side by side where they do not disturb each other, and none stops another."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from opampctl.conformance import catalogue
from opampctl.conformance.connection import Gone, open_connection
from opampctl.conformance.evidence import clip
from opampctl.conformance.heard import Transport
from opampctl.conformance.probe import LIMIT_BYTES, Patience, Probe, Setting
from opampctl.conformance.register import server_rows
from opampctl.conformance.stimulus import NoStimulus, Stimulus
from opampctl.conformance.verdict import Failed, NotApplicable, Result, Verdict

if TYPE_CHECKING:
    from opampctl.conformance.catalogue import Check, Invariant
    from opampctl.conformance.register import Row
    from opampctl.conformance.target import Target

CHECK_SECONDS = 60.0
AT_ONCE = 12
UID_BYTES = 16
CHAT = "chat"
REQUEST_UID = 1
_SHOWN_OFFENDERS = 3
NO_CHECK = "no check was written for it"

Progress = Callable[[int, int, Result], None]


@dataclass(frozen=True)
class Options:
    """What to examine, and how."""

    target: Target
    only: frozenset[str] = frozenset()
    """Ids of rows; empty = all."""

    stimulus: Stimulus = field(default_factory=NoStimulus)
    patience: Patience = field(default_factory=Patience)
    limit_bytes: int = LIMIT_BYTES
    at_once: int = AT_ONCE
    check_seconds: float = CHECK_SECONDS


class Unreachable(Exception):
    """Nobody listens where the server was said to be; nothing can be judged."""


class Suite:
    """One run over a server."""

    def __init__(self, options: Options, progress: Progress | None = None) -> None:
        self._options = options
        self._progress = progress
        self._setting = Setting(options.target, options.patience, options.stimulus, limit_bytes=options.limit_bytes)
        self._setting.secrets.add(*(value for _, value in options.target.headers), options.target.token)
        self._done: dict[str, Result] = {}
        self._total = 0
        self._agents: set[str] = set()

    async def run(self) -> list[Result]:
        """
        Judge every row; results are in the order of the register.

        Raises:
            Unreachable: Not even a connection comes about.
        """
        try:
            (await open_connection(self._options.target, self._options.patience.answer)).abort()
        except Gone as error:
            raise Unreachable(str(error)) from error
        rows = [row for row in server_rows().values() if not self._options.only or row.id in self._options.only]
        self._total = len(rows)
        known = catalogue.checks()
        work = [(row, known[row.id]) for row in rows if row.id in known]
        if self._options.only and self._options.only & set(catalogue.invariants()):
            await self._chat()
        await self._side_by_side((row, check) for row, check in work if not check.alone)
        for row, check in work:
            if check.alone:
                self._enter(await self._judge(row, check))
        for row in rows:
            self._conclude(row)
        await self._forget_agents()
        return [self._done[row.id] for row in rows]

    async def _side_by_side(self, work: Iterable[tuple[Row, Check]]) -> None:
        places = asyncio.Semaphore(self._options.at_once)

        async def one(row: Row, check: Check) -> None:
            async with places:
                self._enter(await self._judge(row, check))

        async with asyncio.TaskGroup() as tasks:
            for row, check in work:
                tasks.create_task(one(row, check))

    async def _chat(self) -> None:
        """Say a few ordinary things, so that rows about every message have some to judge when few checks are run."""
        with Probe(CHAT, self._setting) as probe:
            agent = probe.persona()
            for transport in Transport:
                with contextlib.suppress(Failed):
                    line = await probe.line(transport)
                    for message in (agent.full(), agent.message(), agent.message(flags=REQUEST_UID), b"\xff"):
                        await line.ask(message)
            self._agents.add(agent.text)

    async def _judge(self, row: Row, check: Check) -> Result:
        begun = time.monotonic()
        verdict, said = Verdict.PASS, ""
        with Probe(row.id, self._setting) as probe:
            try:
                async with asyncio.timeout(self._options.check_seconds):
                    await _plainly(check, probe)
            except Failed as error:
                verdict, said = Verdict.FAIL, str(error)
            except NotApplicable as error:
                verdict, said = Verdict.NOT_APPLICABLE, str(error)
            except TimeoutError:
                verdict, said = (
                    Verdict.FAIL,
                    f"the check did not come to an end within {self._options.check_seconds:g} s",
                )
            if verdict is Verdict.FAIL and not row.binding:
                verdict, said = Verdict.NOT_APPLICABLE, f"not made use of: {said}"
            self._agents |= {persona.text for persona in probe.personas if len(persona.uid) == UID_BYTES}
            return Result(row, verdict, check.name, said, probe.trace.lines(), time.monotonic() - begun)

    def _enter(self, result: Result) -> None:
        self._done[result.row.id] = result
        if self._progress is not None:
            self._progress(len(self._done), self._total, result)

    def _conclude(self, row: Row) -> None:
        """Judge what holds of all messages; a row with a check fails if either does."""
        before = self._done.get(row.id)
        invariant = catalogue.invariants().get(row.id)
        if invariant is not None and (before is None or before.verdict is not Verdict.FAIL):
            found = self._all_messages(row, invariant)
            if before is None or found.verdict is Verdict.FAIL:
                self._enter(found)
        elif before is None:
            reason = catalogue.reasons_untestable().get(row.id, NO_CHECK)
            self._enter(Result(row, Verdict.NOT_TESTABLE, "", reason))

    def _all_messages(self, row: Row, invariant: Invariant) -> Result:
        about = [(each, invariant.holds(each)) for each in self._setting.ledger.readable()]
        judged = [(each, good) for each, good in about if good is not None]
        bad = [each for each, good in judged if not good]
        if not judged:
            return Result(row, Verdict.NOT_APPLICABLE, invariant.name, invariant.unseen)
        shown = tuple(
            f"< in {each.row}: {clip(self._setting.secrets.masked(each.heard.raw))}"
            for each in (bad or [judged[-1][0]])[:_SHOWN_OFFENDERS]
        )
        if bad:
            said = f"{invariant.broken} ({len(bad)} of {len(judged)} messages)"
            return Result(row, Verdict.FAIL, invariant.name, said, shown)
        return Result(row, Verdict.PASS, invariant.name, f"held of {len(judged)} messages", shown)

    async def _forget_agents(self) -> None:
        """Leave the server as it was, if it can be asked to; the first refusal ends it."""
        left = sorted(self._agents)

        async def forget() -> None:
            while left:
                try:
                    await self._options.stimulus.do("forget_agent", instance_uid=left.pop())
                except NotApplicable:
                    left.clear()

        async with asyncio.TaskGroup() as tasks:
            for _ in range(self._options.at_once):
                tasks.create_task(forget())


async def _plainly(check: Check, probe: Probe) -> None:
    """
    Run a check; what it did not foresee in an answer costs its row, and not the run.

    Raises:
        Failed: The server did something else than required, or something that broke the check.

        NotApplicable: The row cannot be judged.
    """
    try:
        await check.run(probe)
    except (Failed, NotApplicable, TimeoutError):
        raise
    except ExceptionGroup as group:
        for error in group.exceptions:
            if isinstance(error, Failed | NotApplicable):
                raise error from group
        raise Failed(f"the check broke: {group.exceptions[0]!r}") from group
    except Exception as error:  # an answer nobody foresaw: any error at all
        raise Failed(f"the check broke: {error!r}") from error
