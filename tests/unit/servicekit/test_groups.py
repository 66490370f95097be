from __future__ import annotations

from servicekit.groups import leaves


def test_leaves_of_nested_groups() -> None:
    """However deep exceptions are grouped, the plain ones are found; a plain one is its own leaf."""
    a, b = KeyError("a"), OSError("b")
    assert leaves(ExceptionGroup("outer", [a, ExceptionGroup("inner", [b])])) == [a, b]
    assert leaves(a) == [a]
