"""The file that remembers logins."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from opampctl import contexts
from opampctl.contexts import Context, Contexts, Store
from opampctl.exits import CommandError, Exit


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    """A round trip changes nothing, and the file is for its owner only."""
    path = tmp_path / "new" / "config.json"
    known = Contexts("a", {"a": Context("http://a", "me", "t", "r", 12.5), "b": Context("http://b")})

    contexts.save(path, known)

    assert contexts.load(path) == known
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [item.name for item in path.parent.iterdir()] == ["config.json"]


def test_missing_file_is_empty(tmp_path: Path) -> None:
    """Before the first login there is nothing."""
    assert contexts.load(tmp_path / "none.json") == Contexts()


@pytest.mark.parametrize("text", ["{", "[]", '{"current": "a"}', '{"current": "a", "contexts": {"a": {"x": 1}}}'])
def test_damaged_file_is_told(tmp_path: Path, text: str) -> None:
    """A file of another shape ends the command with what to do."""
    path = tmp_path / "config.json"
    path.write_text(text)
    with pytest.raises(CommandError, match="damaged"):
        contexts.load(path)


def test_store_keeps_other_contexts(tmp_path: Path) -> None:
    """Writing one context leaves the others and, unless asked, the current one alone."""
    path = tmp_path / "config.json"
    contexts.save(path, Contexts("a", {"a": Context("http://a")}))

    Store(path, "b").write(Context("http://b"))

    assert contexts.load(path) == Contexts("a", {"a": Context("http://a"), "b": Context("http://b")})
    assert Store(path, None).name == "a"


def test_missing_context_says_how_to_log_in(tmp_path: Path) -> None:
    """Whoever is not logged in is told the command."""
    with pytest.raises(CommandError, match="'other'") as caught:
        contexts.require(Store(tmp_path / "config.json", "other"))
    assert caught.value.code is Exit.UNAUTHENTICATED


def test_secrets_are_not_shown() -> None:
    """A context printed by accident hides its tokens."""
    shown = repr(Context("http://a", "me", "secret-access", "secret-refresh"))
    assert "secret" not in shown


def test_lock_is_released(tmp_path: Path) -> None:
    """The lock may be taken again and again."""
    for _ in range(2):
        with contexts.locked(tmp_path / "config.json"):
            pass
