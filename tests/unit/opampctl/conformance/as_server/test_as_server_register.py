"""The register of client rows is whole, and every row has a judge or a reason."""

from __future__ import annotations

from collections import Counter

from opampctl.conformance.as_server import client_rows

COUNTS = {"MUST": 121, "MUST NOT": 8, "SHOULD": 110, "SHOULD NOT": 9, "MAY": 45}


def test_register_has_all_client_rows_in_order() -> None:
    """C-001 to C-293 are there, in order, each once, with the levels of the specification."""
    assert list(client_rows()) == [f"C-{number:03}" for number in range(1, 294)]
    assert Counter(row.level for row in client_rows().values()) == COUNTS


def test_every_row_says_where_it_comes_from() -> None:
    """Basis, maturity, section and words are filled in everywhere."""
    for row in client_rows().values():
        assert row.basis.rstrip("+") in {"K", "L", "P", "G"}
        assert row.maturity in {"S", "B", "D"}
        assert row.section
        assert row.requirement.endswith(".")
