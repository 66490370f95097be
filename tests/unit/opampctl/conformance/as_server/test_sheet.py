"""What is found of a row by several scenarios becomes one verdict."""

from __future__ import annotations

from opampctl.conformance.as_server.sheet import Finding, Sheet
from opampctl.conformance.verdict import Verdict


def test_failure_outweighs_all_else() -> None:
    """A failure stays whatever comes after it, and a pass outweighs not having looked."""
    sheet = Sheet()
    for verdict, check in (
        (Verdict.NOT_APPLICABLE, "a"),
        (Verdict.PASS, "b"),
        (Verdict.FAIL, "c"),
        (Verdict.PASS, "d"),
    ):
        sheet.enter("C-001", Finding(verdict, check))
    sheet.enter("C-002", Finding(Verdict.PASS, "e"))
    sheet.enter("C-002", Finding(Verdict.NOT_APPLICABLE, "f"))

    assert [found.check for row in ("C-001", "C-002") if (found := sheet.get(row))] == ["c", "e"]
    assert sheet.get("C-003") is None
