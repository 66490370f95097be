from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

import pytest

from agent_state import metrics
from agent_state.settings_composer import Platform, SettingsComposer
from agent_state.settings_desk import SettingsDesk
from agent_state.settings_policy import Policy
from agent_state.settings_policy_store import SettingsPolicyStore
from agent_state.settings_store import SettingsStore
from contracts import subjects
from fleet.api.v1 import connection_settings_pb2 as api
from fleet.events.v1 import facts_pb2 as facts
from fleet.events.v1.offers_pb2 import Offer, OfferReply
from opamp.v1 import opamp_pb2 as opamp
from servicekit.clock import FakeClock
from world.facts import batch, connected, fact, uid_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    import asyncpg

    from agent_state.settings_offers import Order, SettingsOffers
    from servicekit.bus import Bus, BusMessage
    from servicekit.postgres import Connection as Db

    from .conftest import Applier, Running

UID = uid_of(1)
REPORTER = (
    opamp.AgentCapabilities_ReportsStatus
    | opamp.AgentCapabilities_ReportsOwnMetrics
    | opamp.AgentCapabilities_ReportsConnectionSettingsStatus
)


class Gateway:
    """Takes offers as a gateway does, and delivers nothing by itself."""

    def __init__(self, service: Running) -> None:
        self._service = service
        self.heard: list[Offer] = []

    async def open(self) -> Gateway:
        """Begin to listen."""
        await self._service.bus.subscribe(subjects.offer("gw-1"), self._take)
        return self

    def settings(self) -> list[opamp.ConnectionSettingsOffers]:
        """Read the settings offered so far."""
        return [
            opamp.ConnectionSettingsOffers.FromString(offer.content)
            for offer in self.heard
            if offer.kind == facts.OFFER_KIND_CONNECTION_SETTINGS
        ]

    async def _take(self, message: BusMessage) -> None:
        self.heard.append(Offer.FromString(message.payload))
        reply = OfferReply(gateway_id="gw-1", accepted=len(self.heard[-1].targets))
        await self._service.bus.publish(message.reply_to, reply.SerializeToString())


@pytest.fixture
async def gateway(service: Running) -> Gateway:
    """Give gateway gw-1."""
    return await Gateway(service).open()


def arrives(epoch: int, capabilities: int, sequence: int = 1, uid: bytes = UID) -> facts.Fact:
    """An agent comes and says what it can."""
    said = connected(uid, epoch, sequence)
    said.connected.capabilities = capabilities
    return said


def reports(epoch: int, sequence: int, settings_hash: bytes, status: str, error: str = "") -> facts.Fact:
    """An agent tells what became of its settings."""
    said = opamp.ConnectionSettingsStatus(
        last_connection_settings_hash=settings_hash,
        status=f"ConnectionSettingsStatuses_{status}",
        error_message=error,
    )
    reported = facts.ConnectionSettingsStatusReported(status=said)
    return fact(UID, epoch, sequence, connection_settings_status_reported=reported)


def delivered(epoch: int, sequence: int, settings_hash: bytes) -> facts.Fact:
    """A gateway delivered settings."""
    told = facts.OfferDelivered(kind=facts.OFFER_KIND_CONNECTION_SETTINGS, content_hash=settings_hash)
    return fact(UID, epoch, sequence, offer_delivered=told)


async def put(service: Running, name: str = "telemetry", url: str = "https://otlp.example.org/v1/metrics") -> None:
    """Write a policy for everybody's own metrics."""
    settings = opamp.ConnectionSettingsOffers()
    settings.own_metrics.destination_endpoint = url
    policy = api.ConnectionSettingsPolicy(tenant_id="default", name=name, settings=settings)
    await service.bus.call(
        subjects.PUT_CONNECTION_SETTINGS_POLICY, api.PutConnectionSettingsPolicyRequest(policy=policy)
    )


async def standing(service: Running) -> api.GetAgentConnectionSettingsReply:
    """Ask where the agent stands."""
    return await service.bus.call(
        subjects.GET_AGENT_CONNECTION_SETTINGS,
        api.GetAgentConnectionSettingsRequest(tenant_id="default", instance_uid=UID),
    )


async def test_policy_is_offered_and_its_status_comes_back(
    service: Running, gateway: Gateway, eventually: Callable[..., Awaitable[object]]
) -> None:
    """What a policy says reaches the agent that is there, and what the agent says of it is shown."""
    await service.say(arrives(5, REPORTER))
    await put(service)

    await eventually(lambda: len(gateway.settings()) == 1)
    (offered,) = gateway.settings()
    assert offered.own_metrics.destination_endpoint == "https://otlp.example.org/v1/metrics"
    assert not offered.HasField("opamp")
    await service.say(delivered(5, 2, offered.hash), reports(5, 3, offered.hash, "APPLIED"))

    async def is_applied() -> bool:
        shown = await standing(service)
        return shown.state == "applied" and shown.reported_hash == offered.hash == shown.desired_hash

    await eventually(is_applied)
    assert len(gateway.settings()) == 1


async def test_refused_settings_wait_for_a_person(
    service: Running, gateway: Gateway, eventually: Callable[..., Awaitable[object]]
) -> None:
    """The agent's words are shown; another try is offered under another hash."""
    await service.say(arrives(5, REPORTER))
    await put(service)
    await eventually(lambda: len(gateway.settings()) == 1)
    first = gateway.settings()[0]
    await service.say(delivered(5, 2, first.hash), reports(5, 3, first.hash, "FAILED", "no such host"))

    async def has_failed() -> bool:
        shown = await standing(service)
        return (shown.state, shown.error_message) == ("failed", "no such host")

    await eventually(has_failed)
    retry = api.RetryConnectionSettingsRequest(tenant_id="default", instance_uid=UID, author="eve")
    await service.bus.call(subjects.RETRY_CONNECTION_SETTINGS, retry)

    await eventually(lambda: len(gateway.settings()) == 2)
    second = gateway.settings()[1]
    assert second.hash != first.hash
    second.hash = first.hash
    assert second == first


class Line:
    """A bus that is there, or not."""

    def __init__(self) -> None:
        self.connected = True
        self.generation = 0


class Spoken:
    """Notes what would be offered."""

    def __init__(self) -> None:
        self.orders: list[Order] = []

    async def speak(self, orders: Sequence[Order]) -> None:
        """Note it."""
        self.orders.extend(orders)

    def take(self) -> list[bytes]:
        """Tell whom something was offered since."""
        orders, self.orders = self.orders, []
        return [order.uid for order in orders]


class Bench:
    """A desk on a database, without a bus."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self.pool = pool
        self.line = Line()
        self.spoken = Spoken()
        self.clock = FakeClock()
        self.policies = SettingsPolicyStore()
        self.store = SettingsStore()
        self.own: opamp.OpAMPConnectionSettings | None = None
        self.next: opamp.OpAMPConnectionSettings | None = None
        composer = SettingsComposer(self.policies, Platform("wss://h/v1/opamp"), self._opamp_part)
        self.desk = SettingsDesk(
            pool,
            cast("Bus", self.line),
            policies=self.policies,
            composer=composer,
            store=self.store,
            offers=cast("SettingsOffers", self.spoken),
            clock=self.clock,
        )

    async def _opamp_part(self, connection: Db, tenant_id: str, uid: bytes) -> opamp.OpAMPConnectionSettings | None:
        del connection
        said = self.own
        if self.next is not None:
            # Another replica renews the credential while this one composes with the old one.
            self.own, self.next = self.next, None
            async with self.pool.acquire() as other, other.transaction():
                await self.store.mark_due(other, tenant_id, [uid])
        return said

    async def write(self, url: str = "https://otlp/v1/metrics") -> None:
        """Write a policy."""
        settings = opamp.ConnectionSettingsOffers()
        settings.own_metrics.destination_endpoint = url
        async with self.pool.acquire() as connection, connection.transaction():
            await self.policies.put(connection, Policy("default", "p", settings), 0)
        await self.desk.look_at_tenants()

    async def sweep(self) -> list[bytes]:
        """Look at everybody; tell whom something was offered."""
        await self.desk.look_at_tenants()
        await self.desk.sweep_stale("default")
        return self.spoken.take()

    async def events(self) -> list[str]:
        """Tell what the world will hear."""
        rows = await self.pool.fetch("SELECT subject FROM outbox WHERE subject LIKE '%settings%' ORDER BY id")
        return [row["subject"].split(".")[3] for row in rows]

    async def state(self) -> str:
        """Tell where the agent stands."""
        found: str = await self.pool.fetchval("SELECT state FROM agent_connection_settings")
        return found


@pytest.fixture
def bench(pool: asyncpg.Pool) -> Bench:
    """Give a desk on a database."""
    return Bench(pool)


async def test_without_policies_nothing_is_done(bench: Bench, apply: Applier) -> None:
    """A fleet that comes costs no row and no question."""
    await apply(batch(arrives(5, REPORTER)))
    await bench.desk.look_at_tenants()
    bench.desk.hint(apply.hinted)

    assert apply.hinted == {("default", UID)}
    assert await bench.desk.follow_hints() == 0
    assert await bench.sweep() == []
    assert await bench.store.tenants(bench.pool) == set()


async def test_lost_hint_is_made_good_by_the_sweep(bench: Bench, apply: Applier) -> None:
    """Whatever was not heard, the rows differ; looking again finds nothing more to do."""
    await apply(batch(arrives(5, REPORTER)))
    await bench.write()

    assert await bench.sweep() == [UID]
    assert await bench.sweep() == []
    assert await bench.state() == "offered"


async def test_hint_is_followed_at_once(bench: Bench, apply: Applier) -> None:
    """By whoever heard the fact; while the bus is away it waits."""
    await bench.write()
    await apply(batch(arrives(5, REPORTER)))
    bench.desk.hint(apply.hinted)
    bench.line.connected = False
    assert await bench.desk.follow_hints() == 0
    bench.line.connected = True

    assert await bench.desk.follow_hints() == 1
    assert bench.spoken.take() == [UID]


async def test_only_those_with_something_of_their_own_are_looked_at(bench: Bench, apply: Applier) -> None:
    """In a tenant without policies a connect of others leaves no row."""
    await apply(batch(arrives(5, REPORTER)))
    async with bench.pool.acquire() as connection:
        await bench.store.mark_due(connection, "default", [uid_of(2)])
    await bench.desk.look_at_tenants()
    bench.desk.hint([("default", UID), ("other", UID)])

    assert await bench.desk.follow_hints() == 1
    assert await bench.store.known(bench.pool, "default", [UID]) == []


async def test_changed_policy_reaches_who_is_there(bench: Bench, apply: Applier) -> None:
    """And one that is gone leaves agents what they have."""
    await apply(batch(arrives(5, REPORTER)))
    await bench.write()
    assert await bench.sweep() == [UID]
    await bench.write("https://other/v1/metrics")
    assert await bench.sweep() == [UID]

    async with bench.pool.acquire() as connection:
        await bench.policies.delete(connection, "default", "p")
    assert await bench.sweep() == []
    assert await bench.state() == "none"


async def test_world_hears_how_it_ended_once(bench: Bench, apply: Applier) -> None:
    """Applied, and later refused; repeats say nothing new."""
    await apply(batch(arrives(5, REPORTER)))
    await bench.write()
    await bench.sweep()
    first = await bench.pool.fetchval("SELECT desired_hash FROM agent_connection_settings")
    for sequence in (2, 3):
        await apply(batch(reports(5, sequence, first, "APPLIED")))
        await bench.sweep()
    await bench.write("https://other/v1/metrics")
    await bench.sweep()
    second = await bench.pool.fetchval("SELECT desired_hash FROM agent_connection_settings")
    await apply(batch(reports(5, 4, second, "FAILED", "no")))
    await bench.sweep()

    assert await bench.events() == ["connection_settings_applied", "connection_settings_failed"]
    assert await bench.state() == "failed"


async def test_withheld_agent_is_offered_nothing(bench: Bench, apply: Applier) -> None:
    """Until it comes back approved."""
    waiting = arrives(5, REPORTER)
    waiting.connected.withheld = True
    await apply(batch(waiting))
    await bench.write()
    assert await bench.sweep() == []
    assert await bench.state() == "pending"

    await apply(batch(arrives(6, REPORTER)))
    assert await bench.sweep() == [UID]


async def test_after_an_outage_of_the_bus_offers_are_made_again(bench: Bench, apply: Applier) -> None:
    """At once, not when their turn would come; once per outage."""
    await apply(batch(arrives(5, REPORTER)))
    await bench.write()
    assert await bench.sweep() == [UID]
    await bench.desk.after_outage()
    assert await bench.desk.sweep_due() == 0

    bench.line.generation += 1
    await bench.desk.after_outage()
    assert await bench.desk.sweep_due() == 1
    assert bench.spoken.take() == [UID]
    await bench.desk.after_outage()
    assert await bench.desk.sweep_due() == 0


async def test_late_look_changes_nothing(bench: Bench, apply: Applier) -> None:
    """Another replica saw a newer connection and decided; it is looked at again."""
    await apply(batch(arrives(5, REPORTER)))
    await bench.write()
    await bench.sweep()
    await bench.pool.execute("UPDATE agent_connection_settings SET seen_epoch = 9, offered_hash = 'x'")

    await bench.desk.decide("default", [UID, uid_of(7)])

    assert bench.spoken.take() == []
    row = await bench.pool.fetchrow(
        "SELECT seen_epoch, seen_generation FROM agent_connection_settings WHERE agent_uid = $1", UID
    )
    assert row is not None
    assert tuple(row) == (9, None)


@pytest.mark.parametrize("token", ["token", "another"])
async def test_new_credential_is_offered(bench: Bench, apply: Applier, token: str) -> None:
    """Without any policy, when whoever made it says so (S-126); but never over a token the agent does not belong to."""
    came = arrives(5, opamp.AgentCapabilities_AcceptsOpAMPConnectionSettings | REPORTER)
    came.connected.credential_id = token
    await apply(batch(came))
    await bench.pool.execute(
        "INSERT INTO enrolment (tenant_id, token_id, agent_uid) VALUES ('default', 'token', $1)", UID
    )
    bench.own = opamp.OpAMPConnectionSettings()
    bench.own.headers.headers.add(key="Authorization", value="Bearer own")
    await bench.pool.execute(
        "INSERT INTO agent_credential (tenant_id, id, agent_uid, kind, proof_hash, version, created_at, expires_at) "
        "VALUES ('default', 'c', $1, 'bearer', $2, 1, now(), now() + interval '1 day')",
        UID,
        bytes(32),
    )
    async with bench.pool.acquire() as connection:
        await bench.store.mark_due(connection, "default", [UID])

    assert await bench.desk.sweep_due() == 1
    if token == "another":
        assert bench.spoken.orders == []
        return
    (order,) = bench.spoken.orders
    offered = opamp.ConnectionSettingsOffers.FromString(order.content)
    assert offered.opamp.destination_endpoint == "wss://h/v1/opamp"
    assert offered.opamp.headers.headers[0].value == "Bearer own"
    assert (order.epoch, order.gateway_id, order.settings_hash) == (5, "gw-1", offered.hash)


async def test_two_replicas_offer_once(pool: asyncpg.Pool, apply: Applier) -> None:
    """Whoever decides second finds that it was done."""
    await apply(batch(*(arrives(5, REPORTER, uid=uid_of(number)) for number in range(1, 51))))
    benches = [Bench(pool) for _ in range(4)]
    await benches[0].write()
    uids = [uid_of(number) for number in range(1, 51)]

    async with asyncio.TaskGroup() as tasks:
        for number, bench in enumerate(benches):
            _ = tasks.create_task(bench.desk.decide("default", uids if number % 2 else uids[::-1]))

    assert sorted(uid for bench in benches for uid in bench.spoken.take()) == uids


async def test_figures_tell_where_agents_stand(bench: Bench, apply: Applier) -> None:
    """Every state has its gauge."""
    await apply(batch(arrives(5, REPORTER)))
    await bench.write()
    await bench.sweep()
    await bench.desk.measure()

    assert metrics.SETTINGS_AGENTS.labels("offered")._value.get() == 1
    assert metrics.SETTINGS_AGENTS.labels("failed")._value.get() == 0


async def test_a_credential_renewed_meanwhile_is_offered(bench: Bench, apply: Applier) -> None:
    """A decision based on the old one does not make the agent forgotten."""
    came = arrives(5, opamp.AgentCapabilities_AcceptsOpAMPConnectionSettings | REPORTER)
    came.connected.credential_id = "kown"
    await apply(batch(came))
    for name in ("own", "next"):
        part = opamp.OpAMPConnectionSettings()
        part.headers.headers.add(key="Authorization", value=f"Bearer {name}")
        setattr(bench, name, part)
    await bench.pool.execute(
        "INSERT INTO agent_credential (tenant_id, id, agent_uid, kind, proof_hash, version, created_at, expires_at) "
        "VALUES ('default', 'kown', $1, 'bearer', $2, 1, now(), now() + interval '1 day')",
        UID,
        bytes(32),
    )
    async with bench.pool.acquire() as connection:
        await bench.store.mark_due(connection, "default", [UID])

    for _ in range(2):
        await bench.desk.sweep_due()

    newest = bench.spoken.orders[-1]
    offered = opamp.ConnectionSettingsOffers.FromString(newest.content)
    assert offered.opamp.headers.headers[0].value == "Bearer next"
