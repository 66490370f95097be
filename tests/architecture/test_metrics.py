"""Metrics: bounded labels, one spelling, help for each, no name with two owners."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache

import pytest
from deployment.rooms import SERVICES, package_of

from tools import gen_docs

UNBOUNDED = re.compile(r"agent|uid|instance|^path$|url|user|token|address|error$|message")
ROUTE_TEMPLATES = {"path"}
"""The original's label for HTTP metrics; its values are route templates, the tests of servicekit.web see to it."""


@cache
def own(service: str) -> list[tuple[str, str, list[str], str]]:
    """List what a service declares beyond the kit's metrics, as (name, type, labels, help)."""
    shared = {row[0] for row in kit()}
    return [row for row in gen_docs.metrics_of(service) if row[0] not in shared]


@cache
def kit() -> list[tuple[str, str, list[str], str]]:
    """List what every service has."""
    return gen_docs.metrics_of("nobody")


@pytest.mark.parametrize("service", SERVICES)
def test_no_label_grows_with_the_fleet(service: str) -> None:
    """A label that names an agent, an address or a text would break whoever scrapes it."""
    found = [
        f"{name}{{{label}}}"
        for name, _, labels, _ in [*own(service), *kit()]
        for label in labels
        if UNBOUNDED.search(label) and label not in ROUTE_TEMPLATES
    ]

    assert found == []


@pytest.mark.parametrize("service", SERVICES)
def test_metric_says_whose_it_is_and_what_it_counts(service: str) -> None:
    """A metric begins with its room's name, or with the original platform's; its help is a sentence."""
    prefixes = ("opamp_platform_", f"{package_of(service)}_")

    assert [name for name, *_ in own(service) if not name.startswith(prefixes)] == []
    assert [name for name, _, _, text in own(service) if not text.endswith(".")] == []


def test_no_metric_has_two_owners() -> None:
    """The same name in two services would be added up by whoever sums over jobs."""
    owners = Counter(row[0] for service in SERVICES for row in own(service))

    assert [name for name, count in owners.items() if count > 1] == []
