"""Versions as semver.org orders them, by the library `semver`: 1.10.0 is newer than 1.9.0. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from semver import Version

from package_service.errors import InvalidPackage
from servicekit.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

T = TypeVar("T")

MAX_LENGTH = 64
MAX_CONSTRAINT = 256


def problem_of_version(text: str) -> str:
    """Say what is wrong with a version; empty = nothing."""
    if len(text) <= MAX_LENGTH and text.isascii() and Version.is_valid(text):
        return ""
    return f"must be a semantic version of at most {MAX_LENGTH} characters, like 1.10.0 or 2.0.0-rc.1"


def newest_first(items: Iterable[T], version_of: Callable[[T], str]) -> list[T]:
    """
    Sort by version, newest first.

    Versions that differ only in build metadata have no order of their own; they stand by their text.
    """

    def key(item: T) -> tuple[Version, str]:
        text = version_of(item)
        return Version.parse(text), text

    return sorted(items, key=key, reverse=True)


def is_prerelease(text: str) -> bool:
    """Say whether a version is one that comes before a release."""
    return Version.parse(text).prerelease is not None


class Constraint:
    """
    Which versions will do: `>=1.2.0,<2.0.0`; every part must hold. Empty = every release.

    Versions before a release count only when the constraint names one, as everywhere else in the world.

    Raises:
        InvalidPackage: It cannot be read.
    """

    def __init__(self, text: str) -> None:
        self._parts = [part.strip() for part in text.split(",")] if text else []
        if len(text) > MAX_CONSTRAINT or not all(_is_comparison(part) for part in self._parts):
            message = "must be comparisons with semantic versions, like >=1.2.0,<2.0.0"
            raise InvalidPackage([Problem("constraint", message)])
        self._names_prerelease = any(is_prerelease(part.lstrip("<>=!")) for part in self._parts)

    def allows(self, text: str) -> bool:
        """Say whether a version will do."""
        version = Version.parse(text)
        if version.prerelease is not None and not self._names_prerelease:
            return False
        return all(version.match(part) for part in self._parts)


def _is_comparison(part: str) -> bool:
    try:
        Version(0).match(part)
    except ValueError:
        return False
    return part.isascii()
