"""Every client row is judged, or there is a reason why it cannot be."""

from __future__ import annotations

from opampctl.conformance.as_server import catalogue, client_rows


def judged() -> set[str]:
    """List every row a scenario, rule or review judges."""
    rows = {row for each in catalogue.scenarios().values() for row in each.rows}
    return rows | set(catalogue.rules()) | set(catalogue.reviews())


def test_every_row_has_a_judge_or_a_reason() -> None:
    """No row of the register is forgotten, and none is invented."""
    assert judged() | set(catalogue.reasons_untestable()) == set(client_rows())
    assert judged() & set(catalogue.reasons_untestable()) == set()


def test_scenarios_are_named_for_what_happens() -> None:
    """Names tell module and function."""
    assert all(name.count(".") == 1 for name in catalogue.scenarios())
