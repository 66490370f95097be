"""Error classes: a stable code each, a sentence each, a kind from the closed set."""

from __future__ import annotations

import importlib
import re
from collections import defaultdict

import pytest
from deployment.rooms import SERVICES, package_of

from servicekit import errors as kit


def classes(service: str) -> list[type[kit.ServiceError]]:
    """List the error classes a service declares."""
    module = importlib.import_module(f"{package_of(service)}.errors")
    return [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, kit.ServiceError) and value.__module__ == module.__name__
    ]


@pytest.mark.parametrize("service", SERVICES)
def test_error_has_code_kind_and_sentence(service: str) -> None:
    """Whoever receives an error can look it up and knows whether to repeat."""
    for cls in classes(service):
        assert re.fullmatch(r"[a-z][a-z0-9_]*", cls.code), cls
        assert cls.code not in set(kit.Kind), f"{cls.__name__} has the code of its kind"
        assert cls.kind is not kit.Kind.INTERNAL, cls
        assert cls.__doc__, cls


def test_one_code_means_one_thing() -> None:
    """A code used by two services stands for the same kind in both."""
    kinds = defaultdict(set)
    for service in SERVICES:
        for cls in classes(service):
            kinds[cls.code].add(cls.kind)

    assert {code: found for code, found in kinds.items() if len(found) > 1} == {}
