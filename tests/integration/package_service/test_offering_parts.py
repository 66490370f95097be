"""Offers put together: without an address nothing is offered, and everybody can see why."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from package_service.offering.parts import Offering, policy_of
from package_service.settings import PackageServiceSettings
from servicekit.bus import Bus
from servicekit.health import Health

from .offering_ground import mint, unsigned

if TYPE_CHECKING:
    import asyncpg


def settings(**more: object) -> PackageServiceSettings:
    """Make settings."""
    return PackageServiceSettings.model_validate({"postgres_url": "postgresql://nobody@127.0.0.1:1/none", **more})


def test_patience_comes_from_settings() -> None:
    """Each setting has its place."""
    told = settings(
        redo_first_seconds=1,
        redo_most_seconds=2,
        probe_after_seconds=3,
        report_timeout_seconds=4,
        install_timeout_seconds=5,
        max_timeouts=6,
    )
    policy = policy_of(told)

    assert (policy.redo_first, policy.redo_most) == (timedelta(seconds=1), timedelta(seconds=2))
    assert (policy.probe_after, policy.report_timeout) == (timedelta(seconds=3), timedelta(seconds=4))
    assert (policy.install_timeout, policy.max_timeouts) == (timedelta(seconds=5), 6)


@pytest.mark.parametrize(("public_url", "status"), [("", "degraded"), ("https://files.example", "healthy")])
async def test_health_says_whether_packages_can_be_offered(
    pool: asyncpg.Pool, bus: Bus, public_url: str, status: str
) -> None:
    """Everything else of the service works without an address."""
    offering = Offering(pool, bus, settings(), public_url=public_url, mint=mint, signatures=unsigned)
    health = Health()
    health.register("offers", offering.ping, critical=False)

    assert (await health.report()).status == status
    assert offering.handlers()
