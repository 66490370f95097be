"""What a campaign sees of an agent, out of how far it is with what it was offered. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rollout import Sight, Stand

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from package_service.campaigns.campaign import Campaign
    from package_service.offering.progress import Progress

_FAILED = {
    "failed": "the agent reported a failure without a reason",
    "rolled_back": "the agent went back to what it had before",
    "timed_out": "the agent was offered it and did not answer in time",
}
"""What an agent that failed may be said to have said when it said nothing."""

_UNDERWAY = frozenset(("offered", "downloading", "installing"))
_INSTALLED = "installed"
UNWELL = "the agent reports that it is not healthy"


def sights(
    campaign: Campaign, population: Iterable[tuple[bytes, Mapping[str, str]]], progress: Mapping[bytes, Progress]
) -> dict[bytes, Sight]:
    """See everybody the assignment decides for."""
    return {uid: sight(campaign, labels, progress.get(uid)) for uid, labels in population}


def sight(campaign: Campaign, labels: Mapping[str, str], progress: Progress | None) -> Sight:
    """
    See one agent.

    What it is told changes a moment after the campaign decided so; until then its progress is about the former
    version, and says nothing of the other one.
    """
    if progress is None:
        return Sight(connected=False, labels=labels)
    stand, error = Stand.ELSEWHERE, progress.error
    if progress.version == campaign.to_version:
        if progress.state in _FAILED:
            stand, error = Stand.FAILED, progress.error or _FAILED[progress.state]
        elif progress.state == _INSTALLED:
            stand = Stand.DONE
        elif progress.state in _UNDERWAY:
            stand = Stand.UNDERWAY
    elif progress.version == campaign.from_version:
        # An agent that failed to install never left the former version, so it is back as soon as it is told so.
        stand = Stand.BACK if progress.state == _INSTALLED else Stand.ELSEWHERE
        error = ""
    healthy = progress.healthy is not False
    if stand is Stand.DONE and not healthy and not error:
        error = UNWELL
    return Sight(stand, connected=progress.connected, healthy=healthy, error=error, labels=labels)
