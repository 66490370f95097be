"""Verdicts and what they add up to."""

from __future__ import annotations

import pytest

from opampctl.conformance.register import server_rows
from opampctl.conformance.verdict import Counts, Failed, Result, Verdict, require


def test_only_a_binding_row_breaks_a_run() -> None:
    """A failed MUST makes the run fail, a MAY does not."""
    assert Result(server_rows()["S-002"], Verdict.FAIL, "c").broken
    assert not Result(server_rows()["S-003"], Verdict.FAIL, "c").broken
    assert not Result(server_rows()["S-002"], Verdict.NOT_APPLICABLE, "c").broken


def test_counts_tell_judged_from_all() -> None:
    """Rows that were not judged count in the total only."""
    counts = Counts()
    for verdict in (Verdict.PASS, Verdict.FAIL, Verdict.NOT_TESTABLE):
        counts.add(verdict)

    assert (counts.judged, counts.total) == (2, 3)


def test_require_raises_its_sentence() -> None:
    """A condition that does not hold is told in words."""
    require(condition=True, sentence="never said")

    with pytest.raises(Failed, match="the sky is green"):
        require(condition=False, sentence="the sky is green")
