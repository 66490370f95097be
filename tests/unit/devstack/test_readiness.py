from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from devstack import readiness
from devstack.errors import StackError
from devstack.readiness import require_alive, wait_all_ready

if TYPE_CHECKING:
    from devstack.processes import Process


class _Part:
    """A process that is ready at its n-th question, if ever."""

    def __init__(self, name: str, ready_at: int = 0, *, alive: bool = True) -> None:
        self.name, self.ready_at, self.alive = name, ready_at, alive
        self.exit_code = None if alive else 1
        self.asked = 0

    def ready(self) -> bool:
        self.asked += 1
        return bool(self.ready_at) and self.asked >= self.ready_at

    def complaint(self) -> str:
        return f"{self.name} complains (log)"


class _Clock:
    """Goes a second with every look."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        self.seconds += 1
        return self.seconds


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "POLL_SECONDS", 0)


def _wait(wanted: list[_Part], said: list[str], needed: list[_Part] | None = None) -> None:
    wait_all_ready(
        cast("list[Process]", wanted), 20, said.append, needed=cast("list[Process]", needed or []), now=_Clock()
    )


def test_each_is_told_once_it_is_ready() -> None:
    """In the order they get ready, not in that of the start."""
    said: list[str] = []

    _wait([_Part("slow", 3), _Part("quick", 1)], said)

    assert said == ["quick is ready", "slow is ready"]


def test_who_ended_is_told_at_once_though_another_is_slow() -> None:
    """The one that failed is named with its complaint; nobody waits for the others."""
    slow = _Part("slow")

    with pytest.raises(StackError, match=r"^broken ended with code 1 before it was ready: broken complains \(log\)$"):
        _wait([slow, _Part("broken", alive=False)], [])

    assert slow.asked == 1


def test_needed_process_that_ends_is_told() -> None:
    """A server that dies while services wait for it is the cause, so it is named."""
    with pytest.raises(StackError, match=r"^nats ended with code 1: nats complains"):
        _wait([_Part("slow")], [], [_Part("nats", alive=False)])


def test_waiting_is_not_silent_and_ends() -> None:
    """Every few seconds it says for whom it waits and why, and at the end the same."""
    said: list[str] = []

    with pytest.raises(StackError, match=r"^not ready after 20 s: slow: slow complains"):
        _wait([_Part("slow"), _Part("quick", 1)], said)

    assert "still waiting for slow: slow complains (log)" in said
    assert len(said) < 6


def test_all_alive_is_no_news() -> None:
    """Nothing happens as long as all run."""
    require_alive(cast("list[Process]", [_Part("one"), _Part("other")]))
