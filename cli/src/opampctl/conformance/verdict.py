"""What a check can come to, and how it says so: it returns, or raises one of these."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opampctl.conformance.register import Row


class Verdict(StrEnum):
    """One word for a row."""

    PASS = "pass"  # noqa: S105 - a verdict
    FAIL = "fail"
    NOT_APPLICABLE = "not applicable"
    NOT_TESTABLE = "not testable"


class Failed(Exception):
    """The server did something else than required; the text says what."""


class NotApplicable(Exception):
    """The row cannot be judged of this server, or in this run; the text says why."""


@dataclass(frozen=True)
class Result:
    """One row, judged."""

    row: Row
    verdict: Verdict
    check: str
    """Name of the check: module and function; empty for rows without one."""

    said: str = ""
    """What failed, or why it was not judged."""

    evidence: tuple[str, ...] = ()
    """What was sent and received, clipped."""

    seconds: float = 0.0

    @property
    def broken(self) -> bool:
        """Whether it makes the run fail."""
        return self.verdict is Verdict.FAIL and self.row.binding


@dataclass
class Counts:
    """How many rows came to what, of one set of rows."""

    by_verdict: dict[Verdict, int] = field(default_factory=lambda: dict.fromkeys(Verdict, 0))

    def add(self, verdict: Verdict) -> None:
        """Count one more."""
        self.by_verdict[verdict] += 1

    @property
    def judged(self) -> int:
        """Rows that passed or failed."""
        return self.by_verdict[Verdict.PASS] + self.by_verdict[Verdict.FAIL]

    @property
    def total(self) -> int:
        """All rows."""
        return sum(self.by_verdict.values())


def require(condition: object, sentence: str) -> None:
    """
    Go on if *condition* holds.

    Raises:
        Failed: It does not.
    """
    if not condition:
        raise Failed(sentence)
