"""Nobody dials an unlisted number: subjects are built by contracts.subjects alone."""

from __future__ import annotations

import ast
import re

from deployment.tree import modules

from contracts import subjects
from contracts.subjects import BOOK, METHODS, ROOT

KEEPER = "contracts"


def test_no_subject_is_spelled_outside_contracts() -> None:
    """No string literal anywhere else begins like a subject of ours."""
    found = [
        f"{module.path}:{node.lineno}"
        for module in modules()
        if module.package != KEEPER
        for node in ast.walk(module.tree())
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith(f"{ROOT}.")
    ]

    assert found == []


def test_no_stream_is_spelled_outside_contracts() -> None:
    """Stream and bucket names come from contracts as well."""
    names = {entry.carried_by for entry in BOOK if entry.carried_by.isupper()}
    found = [
        f"{module.path}:{node.lineno}"
        for module in modules()
        if module.package != KEEPER
        for node in ast.walk(module.tree())
        if isinstance(node, ast.Constant) and node.value in names
    ]

    assert found == []


def test_every_number_dialled_is_listed() -> None:
    """Whatever subject the functions and constants of the book can build has a line in it."""
    uid = bytes(16)
    built = {
        "facts": subjects.facts(0),
        "presence": subjects.presence("g"),
        "offer": subjects.offer("g"),
        "agent_event": subjects.agent_event("online", "t", uid),
        "config_event": subjects.config_event("changed", "t"),
        "package_event": subjects.package_event("published", "t"),
        "campaign_event": subjects.campaign_event("halted", "t"),
    }
    patterns = [re.compile(re.sub(r"<[a-z]+>", r"[^.*>]+", re.escape(entry.pattern))) for entry in BOOK]
    constants = {
        name: value
        for name, value in vars(subjects).items()
        if isinstance(value, str) and value.startswith(f"{ROOT}.") and name.isupper()
    }

    for name, subject in {**built, **constants}.items():
        assert any(pattern.fullmatch(subject) for pattern in patterns), name


def test_every_method_is_served() -> None:
    """Each question in the book is answered: the service it names hears it."""
    for method in METHODS:
        package = method.service.replace("-", "_")
        constant = method.name.upper()
        assert any(f"subjects.{constant}" in module.path.read_text() for module in modules(package)), method.subject
