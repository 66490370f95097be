"""
What config-service refuses, and how it says so.

    ServiceError
    ├── Invalid
    │   └── InvalidConfiguration     a field or the content cannot be used; details say where
    ├── NotFound
    │   ├── ConfigurationNotFound
    │   ├── VersionNotFound
    │   └── AgentNotFound
    ├── Conflict
    │   ├── ConfigurationExists
    │   └── SelectorConflict         another selector of equal priority could meet this one
    └── PreconditionFailed
        └── VersionChanged           it is not the version the caller looked at
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from contracts.ids import format_uid
from servicekit.errors import Conflict, Invalid, NotFound, PreconditionFailed, Problem

if TYPE_CHECKING:
    from collections.abc import Sequence


class InvalidConfiguration(Invalid):
    """A field or the content cannot be used."""

    code = "invalid_configuration"

    def __init__(self, problems: Sequence[Problem]) -> None:
        first = problems[0]
        place = f" at line {first.line}, column {first.column}" if first.line is not None else ""
        super().__init__(f"{first.field}{place}: {first.message}", details=problems)


class ConfigurationNotFound(NotFound):
    """No configuration has that name."""

    code = "configuration_not_found"

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no configuration {name!r}")


class VersionNotFound(NotFound):
    """The configuration never had that version."""

    code = "version_not_found"

    def __init__(self, name: str, version: int) -> None:
        super().__init__(f"configuration {name!r} has no version {version}")


class AgentNotFound(NotFound):
    """No agent with that id was ever heard of."""

    code = "agent_not_found"

    def __init__(self, uid: bytes) -> None:
        super().__init__(f"there is no agent {format_uid(uid)}")


class ConfigurationExists(Conflict):
    """The name is taken."""

    code = "configuration_exists"

    def __init__(self, name: str) -> None:
        super().__init__(f"configuration {name!r} exists already")


class SelectorConflict(Conflict):
    """Another configuration of equal priority could match the same agent, and nobody could say which wins."""

    code = "selector_conflict"

    def __init__(self, priority: int, others: Sequence[str]) -> None:
        listed = ", ".join(repr(name) for name in others[:5])
        super().__init__(
            f"the selector can match the same agent as that of {listed} with equal priority {priority}; "
            "give one of them another priority, or labels that exclude each other",
            details=[Problem("selector", f"conflicts with configuration {name!r}") for name in others[:20]],
        )


class VersionChanged(PreconditionFailed):
    """Somebody changed it since the caller looked."""

    code = "version_changed"

    def __init__(self, name: str, expected: int, current: int) -> None:
        super().__init__(
            f"configuration {name!r} is at version {current}, not {expected}; read it again",
            details=[Problem("version", str(current))],
        )
        self.current = current
