"""Nobody dials an unlisted number: subjects are built by contracts.subjects alone."""

from __future__ import annotations

import ast

from deployment.tree import modules

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


def test_every_method_is_served() -> None:
    """Each question in the book is answered: the service it names hears it."""
    for method in METHODS:
        package = method.service.replace("-", "_")
        constant = method.name.upper()
        assert any(f"subjects.{constant}" in module.path.read_text() for module in modules(package)), method.subject
