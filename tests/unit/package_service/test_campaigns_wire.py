"""Between campaigns and messages."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from fleet.api.v1 import campaigns_pb2 as api
from package_service.campaigns import wire
from package_service.campaigns.agent_store import Failure
from package_service.errors import CampaignNotFound
from rollout import Member, MemberState, Plan, Rollout, Stage, State, Threshold, Window

from .test_campaigns_sights import CAMPAIGN, T0

FULL = Plan(
    stages=(Stage(selector={"ring": "canary"}), Stage(percent=10), Stage(percent=100)),
    max_in_flight=50,
    watch_seconds=0,
    timeout_seconds=600,
    threshold=Threshold(percent=5),
    window=Window("Europe/Berlin", ("mon", "tue"), "22:00", "04:00"),
    rollback=False,
)


@pytest.mark.parametrize("plan", [FULL, replace(FULL, window=None, threshold=Threshold(count=1), rollback=True)])
def test_plans_survive_the_way(plan: Plan) -> None:
    """What is written is read again; nothing said is not zero."""
    message = wire.campaign_message(replace(CAMPAIGN, plan=plan), T0)

    assert wire.draft_of("n", "1.1.0", message.plan).plan == plan


def test_a_draft_is_at_no_stage() -> None:
    """Stages are counted from 1 for people."""
    draft = wire.campaign_message(CAMPAIGN, T0)
    running = wire.campaign_message(
        replace(CAMPAIGN, rollout=Rollout(State.RUNNING, stage=1), started_at=T0, agents={"waiting": 3}), T0
    )

    assert (draft.stage, draft.HasField("started_at")) == (0, False)
    assert (running.stage, dict(running.agents), running.started_at.ToDatetime(UTC)) == (2, {"waiting": 3}, T0)


def test_closed_windows_tell_when_they_open() -> None:
    """Unless there is nothing to wait for any more."""
    monday = datetime(2026, 11, 16, 12, tzinfo=UTC)
    waits = replace(CAMPAIGN, plan=FULL, rollout=Rollout(State.RUNNING))

    assert wire.campaign_message(waits, monday).opens_at.ToDatetime(UTC) == monday + timedelta(hours=9)
    assert not wire.campaign_message(waits, monday + timedelta(hours=10)).HasField("opens_at")
    assert not wire.campaign_message(replace(waits, ended_at=T0), monday).HasField("opens_at")


def test_agents_and_failures() -> None:
    """By uid, with their words."""
    member = Member(b"a" * 16, MemberState.FAILED, T0, stage=0, error="disk full", put_back=True)

    told = wire.agent_message(member)
    assert (told.state, told.stage, told.error_message, told.put_back) == ("failed", 1, "disk full", True)
    assert wire.agent_message(Member(b"a" * 16)).stage == 0
    assert wire.failure_message(Failure("disk full", 2, (b"a" * 16,))) == api.CampaignFailure(
        error_message="disk full", count=2, instance_uids=[b"a" * 16]
    )


def test_ids_that_cannot_be_name_nothing() -> None:
    """Neither a path nor a NUL."""
    for text in ("../x", "", "\x00"):
        with pytest.raises(CampaignNotFound):
            wire.campaign_id_of(text)
