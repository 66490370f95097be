"""
The closed set of error kinds every service speaks.

    ServiceError
    ├── Invalid               the caller sent something that can never work
    ├── Unauthenticated       who are you?
    ├── Forbidden             you may not
    ├── NotFound              there is no such thing
    ├── Conflict              it exists already, or its state forbids this
    ├── PreconditionFailed    it changed since you looked
    ├── TooMany               slow down
    └── Unavailable           a part we need is away; repeating is safe

Services subclass these and give each class a stable `code`. Transport (HTTP status, bus verdict, OpAMP
error type) is decided at the edge, from `kind` alone. Internal detail travels in `__cause__`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar


class Kind(StrEnum):
    """What a caller can do about an error; see the tree above."""

    INVALID = "invalid"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    PRECONDITION_FAILED = "precondition_failed"
    TOO_MANY = "too_many"
    UNAVAILABLE = "unavailable"
    INTERNAL = "internal"


@dataclass(frozen=True)
class Problem:
    """One thing wrong with one field."""

    field: str
    """Path of the field as the caller wrote it."""

    message: str
    line: int | None = None
    """1-based, when the field holds text with lines."""

    column: int | None = None


class ServiceError(Exception):
    """
    An error a caller is meant to see.

    Args:
        public: One sentence for the caller; says what to do where that is not obvious.

        details: What exactly is wrong, field by field.

        retry_after_seconds: When repeating makes sense.
    """

    kind: ClassVar[Kind] = Kind.INTERNAL
    code: ClassVar[str] = "internal"

    def __init__(
        self,
        public: str,
        *,
        details: Sequence[Problem] = (),
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(public)
        self.public = public
        self.details = tuple(details)
        self.retry_after_seconds = retry_after_seconds
        self.remote_code: str | None = None

    @property
    def stable_code(self) -> str:
        """The code of the class, or of the class on the other side of the bus that raised it first."""
        return self.remote_code or self.code


class Invalid(ServiceError):
    """The caller sent something that can never work; repeating it is pointless."""

    kind = Kind.INVALID
    code = "invalid"


class Unauthenticated(ServiceError):
    """The caller has not shown who it is."""

    kind = Kind.UNAUTHENTICATED
    code = "unauthenticated"


class Forbidden(ServiceError):
    """The caller is known and may not do this."""

    kind = Kind.FORBIDDEN
    code = "forbidden"


class NotFound(ServiceError):
    """There is no such thing, or not for this tenant."""

    kind = Kind.NOT_FOUND
    code = "not_found"


class Conflict(ServiceError):
    """It exists already, or its present state forbids this."""

    kind = Kind.CONFLICT
    code = "conflict"


class PreconditionFailed(ServiceError):
    """It changed since the caller looked; read it again."""

    kind = Kind.PRECONDITION_FAILED
    code = "precondition_failed"


class TooMany(ServiceError):
    """A limit is reached; wait for retry_after_seconds."""

    kind = Kind.TOO_MANY
    code = "too_many"


class Unavailable(ServiceError):
    """A part we need is away. Repeating is safe."""

    kind = Kind.UNAVAILABLE
    code = "unavailable"


class InternalError(ServiceError):
    """A bug on the other side of the bus; the detail stayed there, in its log."""

    kind = Kind.INTERNAL
    code = "internal"


_CLASSES: dict[Kind, type[ServiceError]] = {
    cls.kind: cls
    for cls in (
        Invalid,
        Unauthenticated,
        Forbidden,
        NotFound,
        Conflict,
        PreconditionFailed,
        TooMany,
        Unavailable,
        InternalError,
    )
}


def class_of(kind: Kind) -> type[ServiceError]:
    """Tell the class that stands for *kind*."""
    return _CLASSES[kind]
