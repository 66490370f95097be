"""What was found of each row, by however many scenarios looked at it."""

from __future__ import annotations

from dataclasses import dataclass

from opampctl.conformance.verdict import Verdict

_WEIGHT = {Verdict.FAIL: 3, Verdict.PASS: 2, Verdict.NOT_APPLICABLE: 1, Verdict.NOT_TESTABLE: 0}


@dataclass(frozen=True)
class Finding:
    """One look at one row."""

    verdict: Verdict
    check: str
    said: str = ""
    evidence: tuple[str, ...] = ()
    seconds: float = 0.0


class Sheet:
    """A failure outweighs a pass, and a pass outweighs not having been able to look."""

    def __init__(self) -> None:
        self._found: dict[str, Finding] = {}

    def enter(self, row: str, finding: Finding) -> None:
        """Add a finding; of equal ones the first stays."""
        before = self._found.get(row)
        if before is None or _WEIGHT[finding.verdict] > _WEIGHT[before.verdict]:
            self._found[row] = finding

    def get(self, row: str) -> Finding | None:
        """Return what outweighs the rest."""
        return self._found.get(row)
