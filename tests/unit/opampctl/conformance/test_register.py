"""The register has every row of the specification's checklist, and only well-formed ones."""

from __future__ import annotations

from collections import Counter

from opampctl.conformance.register import server_rows

COUNTS = {"MUST": 110, "MUST NOT": 13, "SHOULD": 45, "SHOULD NOT": 6, "MAY": 51}


def test_register_has_all_server_rows_in_order() -> None:
    """S-001 to S-225 are there, in order, each once."""
    assert list(server_rows()) == [f"S-{number:03}" for number in range(1, 226)]


def test_levels_are_those_of_the_checklist() -> None:
    """So many rows of each level were counted in the specification."""
    assert Counter(row.level for row in server_rows().values()) == COUNTS


def test_every_row_says_where_it_comes_from() -> None:
    """Basis, maturity, section and words are filled in everywhere."""
    for row in server_rows().values():
        assert row.basis.rstrip("+") in {"K", "L", "P"}
        assert row.maturity in {"S", "B", "D"}
        assert row.section
        assert row.requirement.endswith(".")


def test_may_binds_nobody() -> None:
    """Only MUST and SHOULD rows, positive or negative, can make a run fail."""
    assert {row.level for row in server_rows().values() if not row.binding} == {"MAY"}
