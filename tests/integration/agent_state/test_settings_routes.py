from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from agent_state.errors import AgentNotFound, InvalidPolicy, InvalidQuery, PolicyNotFound, PolicyVersionMismatch
from agent_state.redaction import MASK
from agent_state.settings import Settings
from agent_state.settings_composer import ACCEPTS_OPAMP, TELEMETRY_BITS, Composed
from agent_state.settings_parts import ConnectionSettings, connection_settings_of
from agent_state.settings_reconcile import State
from contracts import subjects
from fleet.api.v1 import connection_settings_pb2 as api
from fleet.api.v1.page_pb2 import PageRequest
from opamp.v1 import opamp_pb2 as opamp
from servicekit.bus import Bus
from servicekit.clock import SystemClock
from world.facts import batch, connected, uid_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import asyncpg

    from agent_state.settings_routes import SettingsRoutes
    from servicekit.postgres import Connection as Db

    from .conftest import Applier

UID = uid_of(1)


async def no_credential(connection: Db, tenant_id: str, uid: bytes) -> opamp.OpAMPConnectionSettings | None:
    """No agent has a credential of its own."""
    del connection, tenant_id, uid
    return None


@pytest.fixture
async def bus(nats_url: str) -> AsyncIterator[Bus]:
    """Give a bus."""
    made = await Bus.connect(nats_url, name="test")
    yield made
    await made.close()


@pytest.fixture
def told() -> list[str]:
    """Give the tenants gateways were told of."""
    return []


@pytest.fixture
def given(pool: asyncpg.Pool, bus: Bus, nats_url: str, told: list[str]) -> ConnectionSettings:
    """Give the parts, put together as the service does."""

    async def announced(tenant_id: str) -> None:
        told.append(tenant_id)

    settings = Settings.model_validate(
        {"postgres_url": "postgresql://x", "nats_url": nats_url, "opamp_public_url": "wss://opamp.test/v1/opamp"}
    )
    return connection_settings_of(
        settings, bus, SystemClock(), pool=pool, answering=pool, opamp_part=no_credential, announce=announced
    )


@pytest.fixture
def routes(given: ConnectionSettings) -> SettingsRoutes:
    """Give the routes."""
    return given.routes


def policy(name: str = "a", **more: object) -> api.ConnectionSettingsPolicy:
    """Write a policy with a secret."""
    settings = opamp.ConnectionSettingsOffers()
    settings.own_metrics.destination_endpoint = "https://otlp/v1/metrics"
    settings.own_metrics.headers.headers.add(key="x-api-key", value="hush")
    return api.ConnectionSettingsPolicy(tenant_id="default", name=name, settings=settings, author="eve", **more)  # type: ignore[arg-type] # by name


async def put(
    routes: SettingsRoutes, written: api.ConnectionSettingsPolicy, expected: int = 0
) -> api.PutConnectionSettingsPolicyReply:
    """Write a policy."""
    return await routes.put_policy(api.PutConnectionSettingsPolicyRequest(policy=written, expected_version=expected))


def get(name: str = "a") -> api.GetConnectionSettingsPolicyRequest:
    """Ask for a policy."""
    return api.GetConnectionSettingsPolicyRequest(tenant_id="default", name=name)


async def header_of(pool: asyncpg.Pool) -> str:
    """Read the stored secret."""
    raw = await pool.fetchval("SELECT settings FROM connection_settings_policy")
    return opamp.ConnectionSettingsOffers.FromString(raw).own_metrics.headers.headers[0].value


async def test_policies_are_written_read_listed_and_deleted(routes: SettingsRoutes) -> None:
    """One after the other."""
    made = await put(routes, policy("b", selector={"env": "prod"}, priority=3))
    assert (made.created, made.policy.version, made.policy.author) == (True, 1, "eve")
    assert not (await put(routes, policy("b"), 1)).created
    await put(routes, policy("a"))

    found = (await routes.get_policy(get("b"))).policy
    assert (found.version, found.settings.own_metrics.destination_endpoint) == (2, "https://otlp/v1/metrics")
    first = await routes.list_policies(
        api.ListConnectionSettingsPoliciesRequest(tenant_id="default", page=PageRequest(limit=1))
    )
    rest = await routes.list_policies(
        api.ListConnectionSettingsPoliciesRequest(
            tenant_id="default", page=PageRequest(limit=5, cursor=first.page.next_cursor)
        )
    )
    assert ([one.name for one in first.policies], first.page.total) == (["a"], 2)
    assert ([one.name for one in rest.policies], rest.page.next_cursor) == (["b"], "")

    await routes.delete_policy(api.DeleteConnectionSettingsPolicyRequest(tenant_id="default", name="b"))
    with pytest.raises(PolicyNotFound):
        await routes.get_policy(get("b"))


async def test_secrets_go_in_and_never_out(pool: asyncpg.Pool, routes: SettingsRoutes) -> None:
    """What is read masked can be written again; the secret stays what it was."""
    made = (await put(routes, policy())).policy
    assert made.settings.own_metrics.headers.headers[0].value == MASK
    assert await header_of(pool) == "hush"

    shown = (await routes.get_policy(get())).policy
    shown.settings.own_metrics.destination_endpoint = "https://otlp/other/v1/metrics"
    await put(routes, shown, shown.version)
    assert await header_of(pool) == "hush"

    shown.settings.own_metrics.headers.headers[0].value = "new"
    await put(routes, shown)
    assert await header_of(pool) == "new"


async def test_faults_are_told_all_at_once(routes: SettingsRoutes) -> None:
    """With their places; a mask nothing is stored for is one of them."""
    written = policy()
    written.settings.own_metrics.destination_endpoint = "https://otlp"
    written.settings.own_metrics.headers.headers[0].value = MASK
    written.settings.opamp.tls.insecure_skip_verify = True

    with pytest.raises(InvalidPolicy) as caught:
        await put(routes, written)

    assert {problem.field for problem in caught.value.details} == {
        "settings.own_metrics.headers.x-api-key",
        "settings.own_metrics.destination_endpoint",
        "settings.opamp.tls.insecure_skip_verify",
    }
    with pytest.raises(PolicyNotFound):
        await routes.get_policy(get())


async def test_stale_writers_are_refused(routes: SettingsRoutes) -> None:
    """Two people who read the same version do not overwrite each other."""
    await put(routes, policy())
    await put(routes, policy(), 1)

    with pytest.raises(PolicyVersionMismatch):
        await put(routes, policy(), 1)


async def test_number_of_policies_is_bounded(routes: SettingsRoutes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every composed offer looks at all of them; replacing one is always possible."""
    monkeypatch.setattr("agent_state.settings_routes.MAX_POLICIES", 1)
    await put(routes, policy("a"))

    with pytest.raises(InvalidPolicy, match="at most"):
        await put(routes, policy("b"))
    await put(routes, policy("a"))


async def test_agent_is_shown_what_it_should_have(routes: SettingsRoutes, apply: Applier) -> None:
    """Masked, with the policies that gave it, and as pending before anybody decided."""
    came = connected(UID, 5)
    came.connected.capabilities = TELEMETRY_BITS["own_metrics"]
    question = api.GetAgentConnectionSettingsRequest(tenant_id="default", instance_uid=UID)
    with pytest.raises(AgentNotFound):
        await routes.get_agent_settings(question)
    await apply(batch(came))
    assert (await routes.get_agent_settings(question)).state == "none"

    await put(routes, policy())
    shown = await routes.get_agent_settings(question)

    assert (shown.state, list(shown.policies)) == ("pending", ["a"])
    assert shown.desired.own_metrics.headers.headers[0].value == MASK
    assert len(shown.desired_hash) == 32


async def test_reason_why_nothing_is_offered_is_told(routes: SettingsRoutes, apply: Applier) -> None:
    """An agent that would be locked out is left alone, and people see why."""
    came = connected(UID, 5)
    came.connected.capabilities = ACCEPTS_OPAMP
    came.connected.credential_id = "token"
    await apply(batch(came))
    written = policy()
    written.settings.opamp.heartbeat_interval_seconds = 10
    await put(routes, written)

    shown = await routes.get_agent_settings(
        api.GetAgentConnectionSettingsRequest(tenant_id="default", instance_uid=UID)
    )

    assert shown.state == "none"
    assert "lock the agent out" in shown.error_message


async def test_retry_concerns_what_failed(pool: asyncpg.Pool, given: ConnectionSettings, apply: Applier) -> None:
    """It changes the hash; everything else is left alone, and agents nobody knows are an error."""
    question = api.RetryConnectionSettingsRequest(tenant_id="default", instance_uid=UID, author="eve")
    with pytest.raises(AgentNotFound):
        await given.routes.retry(question)
    await apply(batch(connected(UID, 5)))
    await given.routes.retry(question)
    for state, retries in ((State.APPLIED, 0), (State.FAILED, 1)):
        async with pool.acquire() as connection, connection.transaction():
            standing = (await given.standings.lock(connection, "default", [UID]))[UID]
            await given.standings.save(connection, 1, [(replace(standing, state=state), None)])
        await given.routes.retry(question)
        assert await pool.fetchval("SELECT retries FROM agent_connection_settings") == retries
    assert await given.standings.due(pool, 10) == {"default": [UID]}


async def test_requests_are_checked(routes: SettingsRoutes) -> None:
    """Tenants, names and ids that cannot be."""
    with pytest.raises(InvalidQuery):
        await routes.get_policy(api.GetConnectionSettingsPolicyRequest(tenant_id="", name="a"))
    with pytest.raises(InvalidQuery):
        await routes.get_policy(get("no name"))
    with pytest.raises(InvalidQuery):
        await routes.get_agent_settings(api.GetAgentConnectionSettingsRequest(tenant_id="default", instance_uid=b"x"))


def test_every_question_has_its_answer(routes: SettingsRoutes) -> None:
    """Each method of the book that is about connection settings."""
    assert set(routes.handlers()) == {
        subjects.PUT_CONNECTION_SETTINGS_POLICY,
        subjects.GET_CONNECTION_SETTINGS_POLICY,
        subjects.LIST_CONNECTION_SETTINGS_POLICIES,
        subjects.DELETE_CONNECTION_SETTINGS_POLICY,
        subjects.GET_AGENT_CONNECTION_SETTINGS,
        subjects.RETRY_CONNECTION_SETTINGS,
    }
    assert Composed(None, []).hash == b""


async def test_gateways_hear_when_admission_begins_to_matter(routes: SettingsRoutes, told: list[str]) -> None:
    """With the first policy, and when the last one is gone; not in between."""
    await put(routes, policy("a"))
    await put(routes, policy("a"))
    await put(routes, policy("b"))
    assert told == ["default"]

    for name in ("a", "b"):
        await routes.delete_policy(api.DeleteConnectionSettingsPolicyRequest(tenant_id="default", name=name))
    assert told == ["default", "default"]
