"""The documents: what they point to exists, and what they say is tested is tested."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest
from deployment.rooms import ROOT

PAGES = tuple(
    sorted(
        [
            *ROOT.glob("*.md"),
            *(ROOT / "docs").rglob("*.md"),
            *ROOT.glob("deploy/**/*.md"),
            *ROOT.glob("services/*/*.md"),
        ]
    )
)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
CODE_PATH = re.compile(r"`((?:services|libs|cli|tests|tools|deploy|docs|proto|benchmarks)/[A-Za-z0-9_./-]+)`")
TEST = re.compile(r"`(tests/[a-z0-9_/]+\.py)(?:::(\w+))?`")
DECISION = re.compile(r"(\d{4})-[a-z0-9-]+\.md")
DECISION_PARTS = (
    "**Status**",
    "## Context",
    "## Decision",
    "## Consequences",
    "## Alternatives refused",
    "## Where it lives",
)


@cache
def functions(path: Path) -> frozenset[str]:
    """List the test functions of a file."""
    tree = ast.parse(path.read_text())
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link leads to a file that is there."""
    links = [link.partition("#")[0] for link in LINK.findall(page.read_text())]
    broken = [link for link in links if link and "://" not in link and not (page.parent / link).exists()]

    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_paths_in_code_style_exist(page: Path) -> None:
    """A path named in backticks is in the tree, so a moved file takes its mention along."""
    made_by_a_command = {"deploy/compose/secrets"}
    missing = [
        path
        for path in CODE_PATH.findall(page.read_text())
        if path.rstrip("/") not in made_by_a_command and not (ROOT / path).exists()
    ]

    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_named_tests_exist(page: Path) -> None:
    """Every `tests/….py::test_…` in a document is a test that is there."""
    missing = [
        f"{path}::{name}"
        for path, name in TEST.findall(page.read_text())
        if not (ROOT / path).is_file() or (name and name not in functions(ROOT / path))
    ]

    assert missing == []


def test_every_feature_names_its_test() -> None:
    """Each row of docs/features.md has a test that proves it."""
    rows = [line for line in (ROOT / "docs" / "features.md").read_text().splitlines() if re.match(r"\| [^-|]", line)]
    features = [row for row in rows if not row.startswith("| Feature")]

    assert len(features) > 40
    assert [row[:80] for row in features if not TEST.search(row)] == []


def test_decisions_are_numbered_and_complete() -> None:
    """One sequence without gaps, each with every part, each listed."""
    folder = ROOT / "docs" / "decisions"
    names = sorted(path.name for path in folder.glob("*.md") if path.name != "README.md")
    listed = (folder / "README.md").read_text()

    assert all(DECISION.fullmatch(name) for name in names), names
    assert [int(name[:4]) for name in names] == list(range(1, len(names) + 1))
    for name in names:
        text = (folder / name).read_text()
        assert [part for part in DECISION_PARTS if part not in text] == [], name
        assert f"({name})" in listed, name
