"""The conformance page says what the kept results say, and notices when they are of another suite."""

from __future__ import annotations

import importlib.util
import json
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
from deployment.rooms import ROOT

from opampctl.conformance import server_rows

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def tool() -> ModuleType:
    """Give the tool as a module."""
    spec = importlib.util.spec_from_file_location("gen_conformance", ROOT / "tools" / "gen_conformance.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def found(row: str, verdict: str = "pass", check: str = "a.b", said: str = "") -> dict[str, Any]:
    """Make one kept row."""
    return {"id": row, "verdict": verdict, "check": check, "said": said, "evidence": []}


def test_scores_stand_side_by_side(tool: ModuleType) -> None:
    """Rows that were not judged are no part of the score."""
    ours = {"rows": [found("S-001"), found("S-002"), found("S-003"), found("S-004", "not applicable")]}
    theirs = {"rows": [found("S-001"), found("S-002", "fail"), found("S-003", "not applicable")]}

    text = tool.scores(ours, theirs)

    assert "**2 of 2 (100 %)** | **1 of 2 (50 %)**" in text
    assert "| MUST: fail | 0 | 1 |" in text


def test_row_that_cannot_be_judged_names_the_test_that_proves_it(tool: ModuleType) -> None:
    """A proof is shown where the suite has none, a remark of our own before the suite's words, with its decision."""
    ours = {"rows": [found("S-031", "not testable", "", "unseen"), found("S-032", "fail", said="too small")]}
    remarks = {"S-032": {"remark": "on purpose", "decision": "0013-x.md"}}

    text = tool.page(ours, {"rows": []}, {"S-031": ["tests/x.py::test_y"]}, remarks)

    assert "`tests/x.py::test_y`" in text
    assert "| unseen |" in text
    assert "on purpose ([why](decisions/0013-x.md))" in text


def test_kept_result_is_cut_down(tool: ModuleType, tmp_path: Path) -> None:
    """Evidence is kept of failures only, clipped, and what the register says is not kept twice."""
    more = {"requirement": "long", "seconds": 1.0, "evidence": ["a", "b", "c" * 1000]}
    tool.keep({"rows": [{**found("S-001"), **more}, {**found("S-002", "fail"), **more}]}, tmp_path / "kept.json")

    passed, failed = json.loads((tmp_path / "kept.json").read_text())["rows"]
    assert set(passed) == {"id", "verdict", "check", "said", "evidence"}
    assert passed["evidence"] == []
    assert failed["evidence"] == ["b", "c" * tool.KEPT_CHARACTERS]


def test_results_of_another_suite_are_noticed(tool: ModuleType) -> None:
    """A row that is missing, and one whose check has another name now, are told."""
    kept = json.loads((ROOT / "docs" / "conformance" / "latest.json").read_text())
    assert tool.outdated(kept) == []

    kept["rows"][0]["check"] = "transports.another_name"
    del kept["rows"][-1]

    assert tool.outdated(kept) == ["S-001", list(server_rows())[-1]]


def test_every_remark_and_proof_is_of_a_row(tool: ModuleType) -> None:
    """Nothing is said of rows that do not exist, and every failed row has a remark with its decision."""
    remarks, proofs = tool.load("remarks"), tool.load("proofs")
    failed = [row["id"] for row in tool.load("latest")["rows"] if row["verdict"] == "fail"]

    assert {*remarks, *proofs} <= set(server_rows())
    assert [row for row in failed if "decision" not in remarks.get(row, {})] == []
