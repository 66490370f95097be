from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

from devstack.supervisor import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, STEADY_SECONDS, Supervisor

if TYPE_CHECKING:
    from devstack.processes import Process


class Child:
    """A process on paper."""

    def __init__(self) -> None:
        self.name, self.log_path, self.exit_code = "child", Path("child.log"), -9
        self.alive, self.starts, self.bounded = True, 0, 0

    def start(self) -> None:
        """Live."""
        self.alive, self.starts = True, self.starts + 1

    def bound_log(self) -> None:
        """Count the call."""
        self.bounded += 1


class Story:
    """A supervisor whose clock the test turns."""

    def __init__(self) -> None:
        self.time, self.said, self.child, self.told = 100.0, list[str](), Child(), 0
        self.supervisor = Supervisor(self.said.append, self.restarted, now=lambda: self.time)
        self.supervisor.watch([cast("Process", self.child)])

    def restarted(self) -> None:
        """Count the news."""
        self.told += 1

    def later(self, seconds: float) -> None:
        """Let time pass and the supervisor look."""
        self.time += seconds
        self.supervisor.tick()


def test_living_child_is_left_alone() -> None:
    """Only its log is kept within bounds."""
    story = Story()
    story.later(1)

    assert (story.child.starts, story.child.bounded, story.said) == (0, 1, [])


def test_dead_child_comes_back_after_a_pause() -> None:
    """The death is told once, and the child starts when the pause is over."""
    story = Story()
    story.child.alive = False
    story.later(0)
    assert story.child.starts == 0

    story.later(FIRST_PAUSE_SECONDS)

    assert story.child.starts == 1
    assert story.told == 1
    assert len(story.said) == 1
    assert "child ended with code -9" in story.said[0]


def test_pause_grows_while_it_keeps_dying() -> None:
    """A child that cannot live is not started in a busy loop."""
    story = Story()
    pauses = []
    for _ in range(10):
        story.child.alive = False
        story.later(0)
        died, before = story.time, story.child.starts
        while story.child.starts == before:
            story.later(0.05)
        pauses.append(story.time - died)

    assert pauses == sorted(pauses)
    assert pauses[0] < 0.5
    assert LONGEST_PAUSE_SECONDS <= pauses[-1] < LONGEST_PAUSE_SECONDS + 0.1


def test_steady_life_makes_the_pause_short_again() -> None:
    """An old failure is not held against a child that has run for long."""
    story = Story()
    for _ in range(6):
        story.child.alive = False
        story.later(0)
        story.later(LONGEST_PAUSE_SECONDS)
    story.later(STEADY_SECONDS)

    story.child.alive = False
    story.later(0)
    before = story.child.starts
    story.later(FIRST_PAUSE_SECONDS)

    assert story.child.starts == before + 1
