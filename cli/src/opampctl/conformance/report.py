"""Results as a table, Markdown, JSON and JUnit."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import orjson

from opampctl.conformance.register import BINDING
from opampctl.conformance.verdict import Counts, Result, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

LEVELS = ("MUST", "MUST NOT", "SHOULD", "SHOULD NOT", "MAY")


class Shape(StrEnum):
    """What `--report` understands."""

    TABLE = "table"
    MARKDOWN = "md"
    JSON = "json"
    JUNIT = "junit"


def write_report(results: Sequence[Result], shape: Shape, target: str, seconds: float) -> str:
    """Write results in one shape."""
    match shape:
        case Shape.TABLE:
            return as_table(results, target, seconds)
        case Shape.MARKDOWN:
            return as_markdown(results, target)
        case Shape.JSON:
            return as_json(results, target, seconds)
        case Shape.JUNIT:
            return as_junit(results, target, seconds)


def count(results: Sequence[Result]) -> dict[str, Counts]:
    """Count verdicts by level, in the order of LEVELS."""
    found = {level: Counts() for level in LEVELS}
    for result in results:
        found[result.row.level].add(result.verdict)
    return found


def score(results: Sequence[Result]) -> tuple[int, int]:
    """Return how many MUST and SHOULD rows passed, and how many were judged."""
    binding = [result for result in results if result.row.level in BINDING]
    passed = sum(result.verdict is Verdict.PASS for result in binding)
    failed = sum(result.verdict is Verdict.FAIL for result in binding)
    return passed, passed + failed


def as_table(results: Sequence[Result], target: str, seconds: float) -> str:
    """Write what a person wants first: the counts, and every failed row with its evidence."""
    lines = [f"{target}: {len(results)} rows in {seconds:.1f} s", ""]
    head = f"{'LEVEL':<12}" + "".join(f"{verdict.value.upper():>16}" for verdict in Verdict)
    lines.append(head)
    for level, counts in count(results).items():
        if counts.total:
            lines.append(f"{level:<12}" + "".join(f"{counts.by_verdict[verdict]:>16}" for verdict in Verdict))
    for result in results:
        if result.verdict is Verdict.FAIL:
            lines += ["", f"FAIL {result.row.id} {result.row.level}: {result.row.requirement}"]
            lines += [f"     {result.said}", *(f"     {line}" for line in result.evidence[-6:])]
    passed, judged = score(results)
    lines += ["", f"{passed} of {judged} applicable MUST and SHOULD rows pass."]
    return "\n".join(lines) + "\n"


def as_markdown(results: Sequence[Result], target: str) -> str:
    """Write every row as a line of a table."""
    passed, judged = score(results)
    lines = [
        f"# Conformance of {target}",
        "",
        f"{passed} of {judged} applicable MUST and SHOULD rows pass.",
        "",
        "| Row | Level | Requirement | Verdict | Remark | Evidence |",
        "|---|---|---|---|---|---|",
    ]
    for result in results:
        evidence = f"`{result.evidence[-1]}`" if result.evidence else ""
        cells = (result.row.id, result.row.level, result.row.requirement, result.verdict.value, result.said, evidence)
        lines.append("| " + " | ".join(_cell(text) for text in cells) + " |")
    return "\n".join(lines) + "\n"


def as_json(results: Sequence[Result], target: str, seconds: float) -> str:
    """Write everything."""
    passed, judged = score(results)
    document = {
        "target": target,
        "seconds": round(seconds, 1),
        "score": {"passed": passed, "judged": judged},
        "counts": {
            level: {str(v): n for v, n in counts.by_verdict.items()} for level, counts in count(results).items()
        },
        "rows": [_row(result) for result in results],
    }
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode()


def as_junit(results: Sequence[Result], target: str, seconds: float) -> str:
    """Write one test case for each row; failed MAY rows and those not judged are skipped."""
    suite = ET.Element(
        "testsuite",
        name=f"OpAMP conformance of {target}",
        tests=str(len(results)),
        failures=str(sum(result.broken for result in results)),
        skipped=str(sum(result.verdict is not Verdict.PASS and not result.broken for result in results)),
        time=f"{seconds:.3f}",
    )
    for result in results:
        name = f"{result.row.id} {result.row.requirement}"
        case = ET.SubElement(
            suite, "testcase", classname=result.check or "none", name=name, time=f"{result.seconds:.3f}"
        )
        if result.broken:
            failure = ET.SubElement(case, "failure", message=result.said, type=result.row.level)
            failure.text = "\n".join(result.evidence)
        elif result.verdict is not Verdict.PASS:
            ET.SubElement(case, "skipped", message=f"{result.verdict}: {result.said}")
    ET.indent(suite)
    return ET.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _row(result: Result) -> dict[str, Any]:
    row = result.row
    return {
        "id": row.id,
        "level": row.level,
        "basis": row.basis,
        "maturity": row.maturity,
        "section": row.section,
        "requirement": row.requirement,
        "verdict": result.verdict.value,
        "check": result.check,
        "said": result.said,
        "seconds": round(result.seconds, 3),
        "evidence": list(result.evidence),
    }


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
