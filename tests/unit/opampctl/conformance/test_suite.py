"""The suite runs whatever checks do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from conformancelab.server import TOKEN, running

from opampctl.conformance import Options, Result, Suite, Target, Verdict, catalogue
from opampctl.conformance.catalogue import Check
from opampctl.conformance.verdict import Failed, NotApplicable

if TYPE_CHECKING:
    from opampctl.conformance.probe import Probe

ONLY = frozenset({"S-001", "S-003", "S-031"})


async def judge(monkeypatch: pytest.MonkeyPatch, error: Exception | None, row: str = "S-001") -> list[Result]:
    """Run the suite with a check of one row that ends in *error*."""

    async def run(probe: Probe) -> None:
        probe.trace.note("ran")
        if error is not None:
            raise error

    monkeypatch.setitem(catalogue.checks(), row, Check(row, "made.up", run, alone=False))
    async with running() as server:
        target = Target.parse(f"ws://127.0.0.1:{server.port}/v1/opamp", token=TOKEN)
        return await Suite(Options(target, ONLY)).run()


@pytest.mark.parametrize(
    ("error", "verdict", "said"),
    [
        (None, Verdict.PASS, ""),
        (Failed("wrong"), Verdict.FAIL, "wrong"),
        (NotApplicable("not here"), Verdict.NOT_APPLICABLE, "not here"),
        (ZeroDivisionError("by zero"), Verdict.FAIL, "the check broke: ZeroDivisionError('by zero')"),
        (ExceptionGroup("several", [Failed("inside")]), Verdict.FAIL, "inside"),
        (ExceptionGroup("several", [KeyError("x")]), Verdict.FAIL, "the check broke: KeyError('x')"),
    ],
    ids=["return", "failed", "not-applicable", "broken", "failed-in-group", "broken-in-group"],
)
async def test_however_a_check_ends_it_is_a_verdict(
    monkeypatch: pytest.MonkeyPatch, error: Exception | None, verdict: Verdict, said: str
) -> None:
    """Return, failure, inapplicability and an error nobody foresaw: each is one row's verdict, and the run goes on."""
    results = await judge(monkeypatch, error)

    assert [each.row.id for each in results] == ["S-001", "S-003", "S-031"]
    assert (results[0].verdict, results[0].said, results[0].check) == (verdict, said, "made.up")
    assert results[0].evidence == ("# ran",)
    assert results[2].verdict is Verdict.NOT_TESTABLE


async def test_permission_cannot_be_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A MAY row whose check fails is a permission not made use of."""
    results = await judge(monkeypatch, Failed("no path"), "S-003")

    assert (results[1].verdict, results[1].said) == (Verdict.NOT_APPLICABLE, "not made use of: no path")


async def test_progress_is_told_row_by_row() -> None:
    """Whoever waits hears of every row once, with how many there are."""
    told: list[tuple[int, int, str]] = []
    async with running() as server:
        target = Target.parse(f"ws://127.0.0.1:{server.port}/v1/opamp", token=TOKEN)
        suite = Suite(Options(target, ONLY), lambda done, total, result: told.append((done, total, result.row.id)))
        await suite.run()

    assert [(done, total) for done, total, _ in told] == [(1, 3), (2, 3), (3, 3)]
    assert {row for _, _, row in told} == ONLY


async def test_rows_about_every_message_can_be_run_alone() -> None:
    """Without any other check there are still messages to judge: answers, a new uid, an error."""
    async with running() as server:
        target = Target.parse(f"ws://127.0.0.1:{server.port}/v1/opamp", token=TOKEN)
        results = await Suite(Options(target, frozenset({"S-008", "S-050", "S-062", "S-208"}))).run()

    assert [each.verdict for each in results] == [Verdict.PASS] * 4
