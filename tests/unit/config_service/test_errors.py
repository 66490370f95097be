from __future__ import annotations

from config_service.errors import (
    AgentNotFound,
    ConfigurationExists,
    InvalidConfiguration,
    SelectorConflict,
    VersionChanged,
)
from servicekit.errors import Kind, Problem


def test_first_problem_makes_the_sentence() -> None:
    """A person reads the place without opening the details."""
    error = InvalidConfiguration([Problem("raw_config", "is wrong", 3, 7), Problem("name", "is wrong too")])

    assert error.public == "raw_config at line 3, column 7: is wrong"
    assert len(error.details) == 2


def test_conflict_names_the_rivals() -> None:
    """And says how to go on."""
    error = SelectorConflict(5, ["a", "b"])

    assert error.kind is Kind.CONFLICT
    assert "'a', 'b'" in error.public
    assert "priority 5" in error.public


def test_current_version_is_told() -> None:
    """So that a client can read it again and merge."""
    error = VersionChanged("a", 1, 4)

    assert (error.kind, error.current, error.details[0].message) == (Kind.PRECONDITION_FAILED, 4, "4")


def test_ids_are_written_for_people() -> None:
    """UUID text, never raw bytes."""
    assert "00000000-0000-0000-0000-000000000001" in AgentNotFound((1).to_bytes(16, "big")).public
    assert "'x'" in ConfigurationExists("x").public
