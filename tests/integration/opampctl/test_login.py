"""Logging in, staying logged in, logging out."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from rest_double import PASSWORD, RestDouble, Run


def test_login_is_remembered_privately(opampctl: Run, api: RestDouble, tmp_path: Path) -> None:
    """After a login whoami works, and the file with the session is for its owner only."""
    result = opampctl("whoami")

    assert result.exit_code == 0
    assert "admin" in result.stdout
    assert api.url in result.stdout
    file = tmp_path / "home" / "config.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert PASSWORD not in file.read_text()


def test_wrong_password_is_exit_3(anonymous: Run, api: RestDouble, tmp_path: Path) -> None:
    """A refused login says so, ends with 3 and leaves no file."""
    result = anonymous("login", "--url", api.url, "--username", "admin", "--password-stdin", stdin="wrong\n")

    assert result.exit_code == 3
    assert "wrong username or password" in result.stderr
    assert not (tmp_path / "home" / "config.json").exists()


def test_password_may_come_from_the_environment(
    anonymous: Run, api: RestDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OPAMPCTL_PASSWORD stands in for the prompt."""
    monkeypatch.setenv("OPAMPCTL_PASSWORD", PASSWORD)

    assert anonymous("login", "--url", api.url, "--username", "admin").exit_code == 0


def test_login_without_terminal_or_password_is_told(anonymous: Run, api: RestDouble) -> None:
    """Without a terminal nothing is asked; the message says what to give."""
    result = anonymous("login", "--url", api.url, "--username", "admin")

    assert result.exit_code == 2
    assert "--password-stdin" in result.stderr


def test_not_logged_in_is_exit_3_with_the_command_to_run(anonymous: Run) -> None:
    """A command that needs a login says how to get one."""
    result = anonymous("agents", "list")

    assert result.exit_code == 3
    assert "opampctl login --url" in result.stderr


def test_ended_access_token_is_refreshed_once(opampctl: Run, api: RestDouble) -> None:
    """When the server refuses the access token, the session is refreshed and the call repeated."""
    api.access.clear()

    assert opampctl("whoami").exit_code == 0
    assert api.paths("POST").count("/api/v1/auth/refresh") == 1
    assert opampctl("whoami").exit_code == 0
    assert api.paths("POST").count("/api/v1/auth/refresh") == 1


def test_token_about_to_end_is_refreshed_before_the_call(anonymous: Run, api: RestDouble) -> None:
    """A token that ends within seconds is renewed first, so that no call is refused."""
    api.expires_in = 5
    anonymous("login", "--url", api.url, "--username", "admin", "--password-stdin", stdin=PASSWORD + "\n")

    assert anonymous("whoami").exit_code == 0
    assert [call.path for call in api.calls][1:] == ["/api/v1/auth/refresh", "/api/v1/me"]


def test_ended_session_says_to_log_in_again(opampctl: Run, api: RestDouble) -> None:
    """When the refresh token is refused, too, the message names the login command."""
    api.access.clear()
    api.refresh.clear()

    result = opampctl("whoami")

    assert result.exit_code == 3
    assert f"opampctl login --url {api.url}" in result.stderr


def test_token_from_the_environment_is_never_refreshed(
    anonymous: Run, api: RestDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OPAMPCTL_URL and OPAMPCTL_TOKEN work without any login, and a refusal is just told."""
    monkeypatch.setenv("OPAMPCTL_URL", api.url)
    monkeypatch.setenv("OPAMPCTL_TOKEN", "ci-token")
    api.access.add("ci-token")
    assert anonymous("whoami").exit_code == 0
    api.access.clear()

    assert anonymous("whoami").exit_code == 3
    assert not api.paths("POST")


def test_login_is_not_shown_to_another_server(opampctl: Run, api: RestDouble) -> None:
    """With another --url the stored token stays at home."""
    before = len(api.calls)

    result = opampctl("--url", api.url.replace("127.0.0.1", "localhost"), "whoami")

    assert result.exit_code == 3
    assert len(api.calls) == before


def test_contexts_keep_several_logins(opampctl: Run, api: RestDouble) -> None:
    """A second context is used when named, and becomes current by --use."""
    words = ("--context", "second", "login", "--url", api.url, "--username", "admin", "--password-stdin")
    assert opampctl(*words, stdin=PASSWORD + "\n").exit_code == 0

    assert opampctl("contexts", "--use", "default").exit_code == 0

    found = json.loads(opampctl("contexts", "-o", "json").stdout)["contexts"]
    assert [(item["name"], item["current"]) for item in found] == [("default", True), ("second", False)]
    assert opampctl("contexts", "--use", "third").exit_code == 5


def test_logout_ends_the_session_on_both_sides(opampctl: Run, api: RestDouble) -> None:
    """After a logout neither the server nor the file knows the session."""
    assert opampctl("logout").exit_code == 0

    assert not api.access
    assert opampctl("whoami").exit_code == 3
    assert "not logged in" in opampctl("logout").stderr


def test_unreachable_server_is_exit_7(anonymous: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server nobody runs is told in a sentence, not in a traceback."""
    monkeypatch.setenv("OPAMPCTL_TOKEN", "t")

    result = anonymous("--url", "http://127.0.0.1:9", "agents", "list")

    assert result.exit_code == 7
    assert "cannot reach http://127.0.0.1:9" in result.stderr
