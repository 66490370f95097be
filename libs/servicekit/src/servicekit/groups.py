"""What lies inside exception groups."""

from __future__ import annotations


def leaves(error: BaseException) -> list[BaseException]:
    """List the plain exceptions inside *error*, however deep; a plain exception is its own only leaf."""
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in leaves(inner)]
    return [error]
