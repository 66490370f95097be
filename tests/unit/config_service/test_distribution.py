"""Whom an offer is spoken to; that what should be is written is tested with a database."""

from __future__ import annotations

import pytest

from config_service.distribution import _order
from config_service.offers import EVERY_GATEWAY
from config_service.reconcile import Action
from config_service.target import Target


@pytest.mark.parametrize(("count", "gateway_id"), [(1, "gw"), (2, EVERY_GATEWAY), (7, EVERY_GATEWAY)])
def test_repeats_are_offered_everywhere(count: int, gateway_id: str) -> None:
    """An agent that did not get the first may be elsewhere by now."""
    target = Target("default", b"a" * 16, epoch=3, gateway_id="gw", offered_hash=b"h" * 32, offer_count=count)

    assert _order(target, Action.OFFER).gateway_id == gateway_id


def test_probes_go_where_the_agent_is() -> None:
    """However often it was offered to."""
    target = Target("default", b"a" * 16, epoch=3, gateway_id="gw", offer_count=7)

    assert _order(target, Action.PROBE).gateway_id == "gw"
