"""What can be told of an agent from its row."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from package_service.offering.standing import Standing, State
from package_service.offering.target import ACCEPTS_PACKAGES, REPORTS_PACKAGES, Target

NOW = datetime(2026, 11, 20, tzinfo=UTC)
LIST = b"l" * 32
ROW = Target("default", bytes(16), epoch=3, desired_hash=LIST, offered_hash=LIST, reported_hash=LIST)


def test_capabilities_say_what_may_be_sent_and_expected() -> None:
    """Two bits, apart from each other."""
    assert not ROW.accepts
    assert replace(ROW, capabilities=ACCEPTS_PACKAGES).accepts
    assert not replace(ROW, capabilities=ACCEPTS_PACKAGES).reports
    assert replace(ROW, capabilities=REPORTS_PACKAGES).reports


def test_group_is_the_stamped_one() -> None:
    """What the agent calls itself proves nothing."""
    assert replace(ROW, labels={"group": "web"}).group == ""
    assert replace(ROW, stamped_labels={"group": "web"}).group == "web"


def test_delivered_means_this_list_on_this_connection() -> None:
    """Another list or another connection: it has to be sent again."""
    delivered = replace(ROW, delivered_epoch=3)

    assert delivered.delivered
    assert not replace(delivered, epoch=4).delivered
    assert not replace(delivered, desired_hash=b"m" * 32).delivered
    assert not ROW.delivered


def test_in_step_means_nothing_waits_to_be_told() -> None:
    """The agent told this very list, and no package of it is to be offered again."""
    waiting = Standing(
        "collector",
        UUID(int=1),
        since=NOW,
        moved_at=NOW,
        file_id=UUID(int=2),
        listed_file_id=UUID(int=2),
    )

    assert ROW.in_step
    assert not replace(ROW, packages={"collector": waiting}).in_step
    assert replace(ROW, packages={"collector": replace(waiting, state=State.INSTALLED)}).in_step
    assert replace(ROW, packages={"collector": replace(waiting, listed_file_id=None)}).in_step
    assert not replace(ROW, reported_hash=b"").in_step
