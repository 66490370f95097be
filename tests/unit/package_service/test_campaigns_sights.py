"""What a campaign sees of an agent."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest

from package_service.campaigns.campaign import Campaign
from package_service.campaigns.sights import UNWELL, sight, sights
from package_service.offering.progress import Progress
from rollout import Plan, Rollout, Stage, Stand, Threshold

T0 = datetime(2026, 1, 1, tzinfo=UTC)
CAMPAIGN = Campaign(
    tenant_id="default",
    campaign_id=UUID(int=1),
    name="c",
    assignment_id=UUID(int=2),
    package="collector",
    from_version="1.0.0",
    to_version="1.1.0",
    plan=Plan((Stage(percent=100),), 10, 60, 600, Threshold(count=3)),
    rollout=Rollout(),
    revision=1,
    created_by="ann",
    created_at=T0,
    updated_by="ann",
    updated_at=T0,
)


def progress(version: str, state: str, error: str = "", *, healthy: bool | None = None) -> Progress:
    """Make the progress of an agent that is there."""
    return Progress(version, state, error, healthy, connected=True, since=T0)


@pytest.mark.parametrize(
    ("version", "state", "stand"),
    [
        ("1.0.0", "installed", Stand.BACK),
        ("1.0.0", "failed", Stand.ELSEWHERE),
        ("1.1.0", "pending", Stand.ELSEWHERE),
        ("1.1.0", "offered", Stand.UNDERWAY),
        ("1.1.0", "downloading", Stand.UNDERWAY),
        ("1.1.0", "installing", Stand.UNDERWAY),
        ("1.1.0", "installed", Stand.DONE),
        ("1.1.0", "failed", Stand.FAILED),
        ("1.1.0", "rolled_back", Stand.FAILED),
        ("1.1.0", "timed_out", Stand.FAILED),
        ("0.9.0", "installed", Stand.ELSEWHERE),
        ("", "pending", Stand.ELSEWHERE),
    ],
)
def test_every_state_has_its_stand(version: str, state: str, stand: Stand) -> None:
    """Progress counts for the version it is about, and for no other."""
    assert sight(CAMPAIGN, {}, progress(version, state)).stand is stand


def test_agents_that_say_nothing_get_words() -> None:
    """So that failures can be grouped."""
    assert sight(CAMPAIGN, {}, progress("1.1.0", "failed", "disk full")).error == "disk full"
    assert "went back" in sight(CAMPAIGN, {}, progress("1.1.0", "rolled_back")).error
    assert "did not answer" in sight(CAMPAIGN, {}, progress("1.1.0", "timed_out")).error
    assert sight(CAMPAIGN, {}, progress("1.1.0", "installed", healthy=False)).error == UNWELL
    assert sight(CAMPAIGN, {}, progress("1.0.0", "failed", "of the former version")).error == ""


def test_no_health_is_no_illness() -> None:
    """Only who says that it is not well is not."""
    assert sight(CAMPAIGN, {}, progress("1.1.0", "installed")).healthy
    assert not sight(CAMPAIGN, {}, progress("1.1.0", "installed", healthy=False)).healthy


def test_who_is_not_known_is_away() -> None:
    """Nobody is admitted of whom nothing is known."""
    seen = sights(CAMPAIGN, [(b"a", {"ring": "canary"}), (b"b", {})], {b"b": progress("1.0.0", "installed")})

    assert (seen[b"a"].connected, seen[b"a"].labels) == (False, {"ring": "canary"})
    assert seen[b"b"].connected
