from __future__ import annotations

from agent_state.announcer import IDS_PER_MESSAGE, Announcer
from contracts import subjects
from fleet.events.v1.identity_pb2 import IdentityChanged
from servicekit.errors import Unavailable
from world.facts import uid_of


class NotingBus:
    """Notes what is said, unless it is away."""

    def __init__(self, *, away: bool = False) -> None:
        self.said: list[IdentityChanged] = []
        self._away = away

    async def publish(self, subject: str, payload: bytes) -> None:
        """Note it."""
        if self._away:
            raise Unavailable("away")
        assert subject == subjects.IDENTITY
        self.said.append(IdentityChanged.FromString(payload))


async def test_withdrawn_credentials_are_named_by_tenant() -> None:
    """One message for each tenant, and no endless ones."""
    bus = NotingBus()
    many = [("acme", f"k{number}") for number in range(IDS_PER_MESSAGE + 1)]

    await Announcer(bus).withdrawn([("default", "k1"), *many], close=True)  # type: ignore[arg-type] # a stand-in

    assert [(said.tenant_id, len(said.credential_ids)) for said in bus.said] == [
        ("default", 1),
        ("acme", IDS_PER_MESSAGE),
        ("acme", 1),
    ]
    assert all(said.close and said.reason == "unauthorised" and not said.instance_uids for said in bus.said)


async def test_a_decision_names_its_agent() -> None:
    """Gateways forget what they knew of it, and end its connection."""
    bus = NotingBus()

    await Announcer(bus).changed(("default", uid_of(1)), close=True, reason="approved")  # type: ignore[arg-type]

    (said,) = bus.said
    assert list(said.instance_uids) == [uid_of(1)]
    assert (said.close, said.reason) == (True, "approved")


async def test_new_rules_concern_every_agent_of_a_tenant() -> None:
    """Nothing is named, and nobody's connection ends."""
    bus = NotingBus()

    await Announcer(bus).rules_changed("acme")  # type: ignore[arg-type]

    (said,) = bus.said
    assert (said.tenant_id, said.close, list(said.credential_ids), list(said.instance_uids)) == ("acme", False, [], [])


async def test_a_bus_that_is_away_only_makes_it_slow() -> None:
    """What was decided is decided; the sweep sees to the rest."""
    await Announcer(NotingBus(away=True)).withdrawn([("default", "k1")], close=False)  # type: ignore[arg-type]
