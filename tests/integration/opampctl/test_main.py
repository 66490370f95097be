"""Help everywhere, and every refusal with its exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from rest_double import RestDouble, Run


@pytest.mark.parametrize(("status", "code"), [(403, 4), (404, 5), (409, 6), (429, 7), (500, 1), (503, 7)])
def test_problems_become_exit_codes(opampctl: Run, api: RestDouble, status: int, code: int) -> None:
    """Each kind of refusal has its exit code, and the API's sentence is shown."""
    api.broken["/api/v1/agents"] = (status, "the reason")

    result = opampctl("agents", "list")

    assert result.exit_code == code
    assert "the reason" in result.stderr


@pytest.mark.parametrize(
    "words", [(), ("agents",), ("config",), ("tokens",), ("config", "apply"), ("simulate",), ("login",)]
)
def test_help_everywhere(anonymous: Run, words: tuple[str, ...]) -> None:
    """Every group and command explains itself."""
    result = anonymous(*words, "--help")

    assert result.exit_code == 0
    assert "Usage" in result.stdout
