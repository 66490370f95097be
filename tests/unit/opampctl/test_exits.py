"""Exit codes are a promise to scripts."""

from __future__ import annotations

from opampctl.exits import CommandError, Exit


def test_codes_never_change() -> None:
    """The numbers are as documented."""
    assert {code.name: code.value for code in Exit} == {
        "OK": 0,
        "FAILED": 1,
        "USAGE": 2,
        "UNAUTHENTICATED": 3,
        "FORBIDDEN": 4,
        "NOT_FOUND": 5,
        "CONFLICT": 6,
        "UNAVAILABLE": 7,
        "PARTIAL": 8,
    }


def test_an_error_without_more_is_a_plain_failure() -> None:
    """Code, hint and details have quiet defaults."""
    error = CommandError("It broke.")
    assert (error.code, error.hint, error.details, str(error)) == (Exit.FAILED, "", (), "It broke.")
