"""What the client does before and after the wire; the wire itself is in tests/integration/opampctl."""

from __future__ import annotations

import pytest

from opampctl.client import TIMEOUT_SECONDS, ApiError, Client, _query, check_url, quoted, remember
from opampctl.contexts import Context
from opampctl.exits import CommandError, Exit


@pytest.mark.parametrize("url", ["http://h:8080", "http://h:8080/", "http://h:8080/api/v1", "http://h:8080/api/v1/"])
def test_addresses_are_brought_to_one_form(url: str) -> None:
    """The API's own path and a last slash may be given or not."""
    assert check_url(url) == "http://h:8080"


@pytest.mark.parametrize("url", ["", "h:8080", "ftp://h", "http://"])
def test_other_addresses_are_refused(url: str) -> None:
    """What is no http or https URL is refused before anything is sent."""
    with pytest.raises(CommandError) as caught:
        check_url(url)
    assert caught.value.code is Exit.USAGE


def test_parameters_are_repeated_and_absent_ones_dropped() -> None:
    """Lists become repeated parameters, booleans are written as the API reads them."""
    params = {"status": ["a", "b"], "search": "", "body": False, "limit": 5, "sort": None}
    assert _query(params) == [("status", "a"), ("status", "b"), ("body", "false"), ("limit", "5")]


def test_problem_becomes_sentence_details_and_code() -> None:
    """The API's sentence, the place of each fault and an exit code are kept."""
    problem = {
        "error": "the configuration is not valid",
        "details": [{"field": "raw_config", "message": "tab", "line": 3, "column": 2}, {"message": "empty"}, "odd"],
    }
    error = ApiError(412, problem, "Cannot update edge")

    assert error.sentence == "Cannot update edge: the configuration is not valid"
    assert error.details == ("raw_config line 3, column 2: tab", "empty")
    assert error.code is Exit.CONFLICT
    assert "look at it again" in error.hint


def test_session_is_remembered() -> None:
    """Token, refresh token and user of a session land in the context."""
    context = Context("http://h")

    remember(context, {"token": "t", "refresh_token": "r", "expires_in": 900, "user": {"username": "alice"}})

    assert (context.token, context.refresh_token, context.username) == ("t", "r", "alice")
    assert context.expires_at > 0


def test_session_of_a_server_without_refresh() -> None:
    """A session without refresh token or lifetime is used until it is refused."""
    context = Context("http://h", username="bob")

    remember(context, {"token": "t"})

    assert (context.refresh_token, context.expires_at, context.username) == ("", 0.0, "bob")


async def test_closed_port_is_a_sentence() -> None:
    """Not the words of the library: what happened, and what to do."""
    async with Client("http://127.0.0.1:1", token="t") as client:
        with pytest.raises(CommandError) as caught:
            await client.get("/agents", "Cannot list agents")

    assert caught.value.sentence == (
        "Cannot list agents: cannot reach http://127.0.0.1:1 (connection refused: nobody listens there)."
    )
    assert "Is the platform running" in caught.value.hint
    assert caught.value.code is Exit.UNAVAILABLE


async def test_unknown_host_is_a_sentence() -> None:
    """The system's words for it are kept."""
    async with Client("http://no-such-host.invalid", token="t") as client:
        with pytest.raises(CommandError, match=r"cannot reach http://no-such-host\.invalid \([A-Z][a-z ]+\)\.$"):
            await client.get("/agents", "Cannot list agents")


def test_client_waits_longer_than_the_api_takes() -> None:
    """The API answers within 45 s, so its sentence arrives."""
    assert TIMEOUT_SECONDS > 45


def test_names_are_quoted_for_paths() -> None:
    """A slash in a name stays in the name."""
    assert quoted("a/b c") == "a%2Fb%20c"
