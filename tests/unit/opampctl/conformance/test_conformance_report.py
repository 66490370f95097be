"""Reports in four shapes."""

from __future__ import annotations

import json
from xml.etree import ElementTree as ET

import pytest

from opampctl.conformance.register import server_rows
from opampctl.conformance.report import Shape, score, write_report
from opampctl.conformance.verdict import Result, Verdict

ROWS = server_rows()
RESULTS = [
    Result(ROWS["S-001"], Verdict.PASS, "transports.a", "", ("> 00",), 0.5),
    Result(ROWS["S-002"], Verdict.FAIL, "transports.b", "it | broke", ("> 00", "< ff"), 0.25),
    Result(ROWS["S-003"], Verdict.NOT_APPLICABLE, "transports.c", "not used"),
    Result(ROWS["S-031"], Verdict.NOT_TESTABLE, "", "not seen"),
]


def write(shape: Shape) -> str:
    """Write the results."""
    return write_report(RESULTS, shape, "ws://h/", 1.5)


def test_score_counts_binding_rows_that_were_judged() -> None:
    """One of two passed."""
    assert score(RESULTS) == (1, 2)


def test_table_is_short_and_shows_failures() -> None:
    """Counts, the failed row with its evidence, and the score; no row that passed."""
    text = write(Shape.TABLE)

    assert "FAIL S-002 MUST" in text
    assert "< ff" in text
    assert "1 of 2 applicable" in text
    assert "S-001" not in text


def test_json_has_everything() -> None:
    """Each row is there with verdict, evidence and time."""
    document = json.loads(write(Shape.JSON))

    assert document["score"] == {"passed": 1, "judged": 2}
    assert [row["verdict"] for row in document["rows"]] == ["pass", "fail", "not applicable", "not testable"]
    assert document["rows"][1]["evidence"] == ["> 00", "< ff"]
    assert document["counts"]["MUST"]["fail"] == 1


def test_markdown_is_a_table_of_all_rows() -> None:
    """A bar inside a text does not end its cell."""
    lines = write(Shape.MARKDOWN).splitlines()

    assert sum(line.startswith("| S-") for line in lines) == len(RESULTS)
    assert any("it \\| broke" in line for line in lines)


def test_junit_counts_failures_and_skips() -> None:
    """A failed MUST is a failure with its evidence; what was not judged is skipped."""
    suite = ET.fromstring(write(Shape.JUNIT))  # noqa: S314 - written by ourselves

    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("4", "1", "2")
    failure = suite.find("testcase/failure")
    assert failure is not None
    assert failure.text == "> 00\n< ff"


@pytest.mark.parametrize("shape", list(Shape))
def test_every_shape_can_be_written_without_rows(shape: Shape) -> None:
    """No row at all is no failure."""
    assert write_report([], shape, "ws://h/", 0.0)
