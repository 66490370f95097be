"""Which check judges which row: checks enter themselves here when their module is imported."""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from opampctl.conformance.ledger import Record
    from opampctl.conformance.probe import Probe

    Run = Callable[[Probe], Awaitable[None]]
    Holds = Callable[[Record], bool | None]


@dataclass(frozen=True)
class Check:
    """A conversation that judges one row."""

    row: str
    name: str
    run: Run
    alone: bool
    """It puts a load on the server that would disturb others."""


@dataclass(frozen=True)
class Invariant:
    """Something that holds of every message of the server."""

    row: str
    name: str
    holds: Holds
    """True or False for a message the row is about, None for any other."""

    broken: str
    unseen: str
    """Why nothing was judged, when no message was about it."""


_checks: dict[str, Check] = {}
_invariants: dict[str, Invariant] = {}
_untestable: dict[str, str] = {}


def check(row: str, *, alone: bool = False) -> Callable[[Run], Run]:
    """Enter a check for a row: a coroutine that returns, or raises Failed or NotApplicable."""

    def enter(run: Run) -> Run:
        _checks[row] = Check(row, _name_of(run), run, alone)
        return run

    return enter


def invariant(row: str, *, broken: str, unseen: str = "no message was about it") -> Callable[[Holds], Holds]:
    """Enter a condition on every message of the run, judged at the end; with a check of the same row both count."""

    def enter(holds: Holds) -> Holds:
        _invariants[row] = Invariant(row, _name_of(holds), holds, broken, unseen)
        return holds

    return enter


def untestable(reasons: Mapping[str, str]) -> None:
    """Enter rows that nobody outside can judge, with the reason."""
    _untestable.update(reasons)


def checks() -> dict[str, Check]:
    """Return every check by row."""
    _load()
    return _checks


def invariants() -> dict[str, Invariant]:
    """Return every invariant by row."""
    _load()
    return _invariants


def reasons_untestable() -> dict[str, str]:
    """Return why a row cannot be judged, by row."""
    _load()
    return _untestable


def _load() -> None:
    package = importlib.import_module("opampctl.conformance.checks")
    for found in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{found.name}")


def _name_of(function: Run | Holds) -> str:
    return f"{function.__module__.rpartition('.')[2]}.{function.__name__}"
