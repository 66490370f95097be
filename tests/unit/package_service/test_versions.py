"""Versions are ordered by meaning, not by letters."""

from __future__ import annotations

import itertools
import random

import pytest

from package_service.errors import InvalidPackage
from package_service.versions import Constraint, is_prerelease, newest_first, problem_of_version

ORDERED = ["1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1"]
ORDERED += ["1.0.0", "1.2.0", "1.9.0", "1.10.0", "2.0.0"]


def test_order_is_that_of_semver() -> None:
    """1.10 is newer than 1.9; what comes before a release comes before it."""
    shuffled = random.Random(1).sample(ORDERED, len(ORDERED))  # noqa: S311 - an order to undo

    assert newest_first(shuffled, str) == ORDERED[::-1]


def test_build_metadata_does_not_order_but_does_not_confuse() -> None:
    """Whichever way they come, the same list."""
    lists = {tuple(newest_first(order, str)) for order in itertools.permutations(["1.0.0+b", "1.0.0+a", "1.0.0"])}

    assert len(lists) == 1


@pytest.mark.parametrize(
    "text", ["", "1", "1.0", "v1.0.0", "1.0.0.0", "01.0.0", "1.0.0-", "1.0.0 ", "\u0661.0.0", "1.0.0+" + "a" * 60]
)
def test_what_is_no_version(text: str) -> None:
    """Two numbers, a v, leading zeros, other digits, too long."""
    assert problem_of_version(text)


@pytest.mark.parametrize(
    ("constraint", "version", "fits"),
    [
        ("", "1.0.0", True),
        ("", "1.0.0-rc.1", False),
        (">=1.2.0,<2.0.0", "1.10.0", True),
        (">=1.2.0,<2.0.0", "2.0.0", False),
        (">=1.2.0,<2.0.0", "1.3.0-rc.1", False),
        (">=1.3.0-rc.0", "1.3.0-rc.1", True),
        ("1.2.3", "1.2.3", True),
        ("!=1.2.3", "1.2.3", False),
        (" >=1.0.0 , <=1.1.0 ", "1.1.0", True),
    ],
)
def test_constraints(constraint: str, version: str, fits: bool) -> None:
    """Every part must hold; a version before a release only when one is named."""
    assert Constraint(constraint).allows(version) is fits


@pytest.mark.parametrize("text", [">=", "1.0", "~1.0.0", ">=1.0.0,,", "latest", ">=1.0.0," * 40, "\u0661.0.0"])
def test_constraints_that_cannot_be_read(text: str) -> None:
    """Refused with the field."""
    with pytest.raises(InvalidPackage) as caught:
        Constraint(text)

    assert caught.value.details[0].field == "constraint"


def test_prereleases_are_known() -> None:
    """By their mark."""
    assert is_prerelease("1.0.0-rc.1")
    assert not is_prerelease("1.0.0+rc.1")
