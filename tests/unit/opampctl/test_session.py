"""Which server and login a run uses."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from opampctl.contexts import Context, Store
from opampctl.exits import CommandError, Exit
from opampctl.session import Session, open_session, session_of
from opampctl.settings import DEFAULT_URL, Settings


def settings(path: Path, **changes: str) -> Settings:
    """Make an environment that says nothing but *changes*."""
    nothing = {"url": None, "token": None, "context": None, "password": None, "enrolment_token": None, "endpoint": None}
    return Settings(**(nothing | changes), config_file=path)


def session(path: Path, url: str | None = None, **changes: str) -> Session:
    """Make a session of the default context."""
    return Session(settings(path, **changes), Store(path, None), url)


def test_address_comes_from_the_nearest(tmp_path: Path) -> None:
    """The option wins over the environment, that over the context, that over the default."""
    path = tmp_path / "config.json"
    assert session(path).url == DEFAULT_URL
    Store(path, None).write(Context("http://stored"))
    assert session(path).url == "http://stored"
    assert session(path, url="http://option").url == "http://option"
    assert session(path, None).client().url == "http://stored"


def test_stored_login_is_for_its_own_server(tmp_path: Path) -> None:
    """A login is never shown to another server."""
    path = tmp_path / "config.json"
    Store(path, None).write(Context("http://stored"))
    with pytest.raises(CommandError, match="is for http://stored") as caught:
        session(path, url="http://other").client()
    assert caught.value.code is Exit.UNAUTHENTICATED


def test_token_of_the_environment_needs_no_login(tmp_path: Path) -> None:
    """With OPAMPCTL_TOKEN any address will do."""
    client = session(tmp_path / "config.json", url="http://ci", token="t").client()
    assert client.url == "http://ci"


def test_session_is_carried_by_the_context() -> None:
    """A command finds what the callback put aside, and says so when there is nothing."""
    made = open_session("http://x", "name")
    assert session_of(SimpleNamespace(obj=made)) is made  # type: ignore[arg-type]  # has what is read
    with pytest.raises(TypeError, match="callback"):
        session_of(SimpleNamespace(obj=None))  # type: ignore[arg-type]  # has what is read
