"""Which scenario judges which rows: scenarios enter themselves here when their module is imported."""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opampctl.conformance.heard import Transport

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from opampctl.conformance.as_server.log import Log
    from opampctl.conformance.as_server.said import Said
    from opampctl.conformance.as_server.scene import Scene

    Run = Callable[[Scene], Awaitable[None]]
    Holds = Callable[[Said], bool | None]
    Look = Callable[[Log], Iterable[tuple[bool, str, tuple[str, ...]]]]

BOTH = (Transport.WEBSOCKET, Transport.HTTP)
_PACKAGE = "opampctl.conformance.as_server.scenarios"


@dataclass(frozen=True)
class Scenario:
    """A course of events that shows something of several rows."""

    name: str
    rows: tuple[str, ...]
    transports: tuple[Transport, ...]
    restarts: bool
    """It cannot be played with an agent nobody can restart."""

    run: Run


@dataclass(frozen=True)
class Rule:
    """Something that holds of every message of the agent."""

    row: str
    name: str
    holds: Holds
    """True or False for a message the row is about, None for any other."""

    broken: str
    unseen: str


@dataclass(frozen=True)
class Review:
    """Something that is seen only when everything is looked at together; gives (good, what was wrong, evidence)."""

    row: str
    name: str
    look: Look
    unseen: str


_scenarios: dict[str, Scenario] = {}
_rules: dict[str, Rule] = {}
_reviews: dict[str, Review] = {}
_untestable: dict[str, str] = {}


def scenario(rows: str, *, transports: tuple[Transport, ...] = BOTH, restarts: bool = False) -> Callable[[Run], Run]:
    """Enter a scenario for rows parted by blanks; those it does not judge in the end are not applicable."""

    def enter(run: Run) -> Run:
        name = _name_of(run)
        _scenarios[name] = Scenario(name, tuple(rows.split()), transports, restarts, run)
        return run

    return enter


def rule(row: str, *, broken: str, unseen: str = "no message was about it") -> Callable[[Holds], Holds]:
    """Enter a condition on every message of the run."""

    def enter(holds: Holds) -> Holds:
        _rules[row] = Rule(row, _name_of(holds), holds, broken, unseen)
        return holds

    return enter


def review(row: str, *, unseen: str) -> Callable[[Look], Look]:
    """Enter a look at the whole log."""

    def enter(look: Look) -> Look:
        _reviews[row] = Review(row, _name_of(look), look, unseen)
        return look

    return enter


def untestable(reasons: Mapping[str, str]) -> None:
    """Enter rows that nobody outside can judge, with the reason."""
    _untestable.update(reasons)


def scenarios() -> dict[str, Scenario]:
    """Return every scenario by name, in the order of the modules' names."""
    _load()
    return _scenarios


def rules() -> dict[str, Rule]:
    """Return every rule by row."""
    _load()
    return _rules


def reviews() -> dict[str, Review]:
    """Return every review by row."""
    _load()
    return _reviews


def reasons_untestable() -> dict[str, str]:
    """Return why a row cannot be judged, by row."""
    _load()
    return _untestable


def _load() -> None:
    package = importlib.import_module(_PACKAGE)
    for found in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{_PACKAGE}.{found.name}")


def _name_of(function: Run | Holds | Look) -> str:
    return f"{function.__module__.rpartition('.')[2]}.{function.__name__}"
