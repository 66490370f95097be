"""Who owns which agent here."""

from __future__ import annotations

from gatewaylab.fakes import RULES, Lab
from gatewaylab.speech import UID

from opamp_gateway.connections import Connections
from opamp_gateway.poll import Poll
from opamp_gateway.session import HTTP, Session


def holder(lab: Lab, tenant_id: str = "default") -> Poll:
    """Make a holder with a session."""
    poll = Poll(lab.gateway)
    poll.session = Session(RULES, tenant_id, UID, HTTP)
    return poll


async def test_newest_owner_wins_and_a_late_leaver_changes_nothing() -> None:
    """A slow close of an old connection cannot take a live agent away."""
    connections, lab = Connections(), Lab()
    old, new = holder(lab), holder(lab)
    connections.put(old)
    connections.put(new)

    connections.remove(old)

    assert connections.get("default", UID) is new
    connections.remove(new)
    assert connections.get("default", UID) is None


async def test_tenants_do_not_meet() -> None:
    """The same uid in two tenants is two agents."""
    connections, lab = Connections(), Lab()
    one, two = holder(lab, "one"), holder(lab, "two")
    connections.put(one)
    connections.put(two)

    assert (connections.get("one", UID), connections.get("two", UID)) == (one, two)
    assert len(connections) == 2
    assert set(connections) == {one, two}


async def test_holder_without_session_is_nobody() -> None:
    """An anonymous socket is no agent."""
    connections, lab = Connections(), Lab()
    anonymous = Poll(lab.gateway)

    connections.put(anonymous)
    connections.remove(anonymous)

    assert len(connections) == 0
    assert connections.get("default", UID) is None
