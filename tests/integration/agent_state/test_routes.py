from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from agent_state.agent_query import AgentQuery
from agent_state.agent_store import AgentStore
from agent_state.deletion import Deletion
from agent_state.epochs import Epochs
from agent_state.errors import AgentNotFound, ConnectionNotFound, InvalidQuery
from agent_state.routes import Routes
from fleet.api.v1 import agent_state_pb2 as api
from fleet.api.v1.page_pb2 import PageRequest
from world.facts import batch, config_status, connected, described, disconnected, effective_config, health, uid_of

from .test_presence import RecordingOffers

if TYPE_CHECKING:
    import asyncpg

    from .conftest import Applier

TENANT = "default"


@pytest.fixture
def routes(pool: asyncpg.Pool) -> Routes:
    """Give the answers without the bus."""
    deletion = Deletion(pool, AgentStore(), RecordingOffers())  # type: ignore[arg-type] # a recording stand-in
    return Routes(AgentQuery(pool), Epochs(pool), deletion)


async def fleet_of(apply: Applier, number: int) -> None:
    """Let *number* agents connect: every third offline, every fourth failed, the fifth unhealthy."""
    for index in range(1, number + 1):
        uid = uid_of(index)
        said = [
            connected(uid, index),
            described(
                uid,
                index,
                2,
                {"service.name": f"agent-{index:03}"},
                {"host.name": f"host_{index}", "env": ["prod", "dev"][index % 2]},
            ),
        ]
        if index % 4 == 0:
            said.append(config_status(uid, index, 3, "FAILED", "bad pipeline"))
        if index == 5:
            said.append(health(uid, index, 4, "disk full"))
        if index % 3 == 0:
            said.append(disconnected(uid, index, 5))
        await apply(batch(*said))


def names(reply: api.ListAgentsReply) -> list[str]:
    """List who is in the answer."""
    return [agent.name for agent in reply.agents]


def asked(**fields: Any) -> api.ListAgentsRequest:
    """Ask for agents of the tenant."""
    return api.ListAgentsRequest(tenant_id=TENANT, **fields)


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize(
    "sort",
    [
        "",
        "name",
        "hostname",
        "version",
        "status",
        "last_seen_at",
        "last_connected_at",
        "last_disconnected_at",
        "created_at",
        "updated_at",
    ],
)
async def test_cursor_walks_every_agent_once_in_any_order(
    apply: Applier, routes: Routes, sort: str, descending: bool
) -> None:
    """Pages joined by cursors are the whole list, without a gap or a repeat."""
    await fleet_of(apply, 10)
    seen: list[str] = []
    cursor = ""
    while True:
        reply = await routes.list_agents(
            asked(sort=sort, descending=descending, page=PageRequest(limit=3, cursor=cursor))
        )
        seen += names(reply)
        cursor = reply.page.next_cursor
        assert reply.page.total == 10
        if not cursor:
            break

    whole = await routes.list_agents(asked(sort=sort, descending=descending, page=PageRequest(limit=1000)))
    assert seen == names(whole)
    assert len(set(seen)) == 10


async def test_offset_pages_as_the_original_did(apply: Applier, routes: Routes) -> None:
    """Limit and offset give the middle of the list and the number of all."""
    await fleet_of(apply, 5)

    reply = await routes.list_agents(asked(sort="name", page=PageRequest(limit=2, offset=2)))

    assert names(reply) == ["agent-003", "agent-004"]
    assert reply.page.total == 5


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"statuses": ["offline"]}, [3, 6, 9]),
        ({"statuses": ["error"]}, [4, 5, 8]),
        ({"statuses": ["online", "error"], "labels": {"env": "dev"}}, [1, 5, 7]),
        ({"config_states": ["failed"]}, [4, 8]),
        ({"health_states": ["unhealthy"]}, [5]),
        ({"search": "AGENT-00"}, list(range(1, 10))),
        ({"search": "host_1"}, [1, 10]),
        ({"search": "%"}, []),
        ({"search": "00000000-0000-0000-0000-00000000000a"}, [10]),
        ({"labels": {"env": "prod", "host.name": "host_2"}}, [2]),
        ({"labels": {"env": "nowhere"}}, []),
    ],
)
async def test_filters(apply: Applier, routes: Routes, fields: dict[str, Any], expected: list[int]) -> None:
    """Filters narrow the list and its total alike."""
    await fleet_of(apply, 10)

    reply = await routes.list_agents(asked(sort="name", **fields))

    assert names(reply) == [f"agent-{number:03}" for number in expected]
    assert reply.page.total == len(expected)


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (api.ListAgentsRequest(tenant_id="No Tenant"), "tenant_id"),
        (asked(sort="secret"), "sort"),
        (asked(statuses=["gone"]), "statuses"),
        (asked(config_states=["x"]), "config_states"),
        (asked(health_states=["x"]), "health_states"),
        (asked(search="x" * 201), "search"),
        (asked(search="a\x00"), "search"),
        (asked(labels={str(n): "v" for n in range(33)}), "labels"),
        (asked(page=PageRequest(limit=1001)), "limit"),
        (asked(page=PageRequest(cursor="x")), "cursor"),
    ],
)
async def test_senseless_lists_name_the_field(routes: Routes, request_: api.ListAgentsRequest, field: str) -> None:
    """What cannot be answered is refused with the field at fault."""
    with pytest.raises(InvalidQuery) as caught:
        await routes.list_agents(request_)

    assert caught.value.details[0].field == field


async def test_one_agent_is_told_whole(apply: Applier, routes: Routes) -> None:
    """Everything it reported is in the answer, secrets excepted."""
    uid = uid_of(1)
    await apply(
        batch(
            connected(uid, 5),
            described(uid, 5, 2),
            health(uid, 5, 3, "disk full"),
            effective_config(uid, 5, 4, b"password: hunter2\nport: 1\n"),
        )
    )

    agent = (await routes.get_agent(api.GetAgentRequest(tenant_id=TENANT, instance_uid=uid))).agent

    assert (agent.name, agent.hostname, agent.os_type, agent.architecture) == ("collector", "host-1", "linux", "amd64")
    assert (agent.status, agent.health.last_error, agent.gateway_id) == ("error", "disk full", "gw-1")
    assert agent.labels["service.version"] == "1.2.3"
    assert agent.description.identifying_attributes[0].key == "service.name"
    assert agent.effective_config.config_map.config_map["config.yaml"].body == b'password: "[REDACTED]"\nport: 1\n'
    assert not agent.HasField("components")
    assert agent.last_seen_at.ToDatetime(UTC) > datetime.now(UTC) - timedelta(minutes=1)


async def test_summary_has_every_value(apply: Applier, routes: Routes) -> None:
    """Counts by each state, zeros included."""
    await fleet_of(apply, 10)

    summary = await routes.get_status_summary(api.GetStatusSummaryRequest(tenant_id=TENANT))

    assert summary.total == 10
    assert dict(summary.by_status) == {"online": 4, "offline": 3, "error": 3}
    assert dict(summary.by_link) == {"connected": 7, "disconnected": 3}
    assert dict(summary.by_health_state) == {"unknown": 9, "healthy": 0, "unhealthy": 1}
    assert dict(summary.by_config_state) == {"unset": 8, "applying": 0, "applied": 0, "failed": 2}


async def test_connection_history_is_newest_first_in_pages(apply: Applier, routes: Routes) -> None:
    """Each connection with its reason and length; pages by cursor."""
    uid = uid_of(1)
    await apply(batch(*(connected(uid, epoch) for epoch in range(1, 6)), disconnected(uid, 5, 4, "connection lost")))
    question = api.ListConnectionsRequest(tenant_id=TENANT, instance_uid=uid, page=PageRequest(limit=3))

    first = await routes.list_connections(question)
    question.page.cursor = first.page.next_cursor
    second = await routes.list_connections(question)

    assert [row.epoch for row in (*first.connections, *second.connections)] == [5, 4, 3, 2, 1]
    assert first.connections[0].disconnect_reason == "connection lost"
    assert first.connections[0].duration_seconds == pytest.approx(3.0)
    assert first.connections[1].disconnect_reason == "replaced"
    assert (first.page.total, second.page.next_cursor) == (5, "")


async def test_history_of_nobody_is_not_found(routes: Routes) -> None:
    """An unknown agent is an error, not an empty list."""
    with pytest.raises(AgentNotFound):
        await routes.list_connections(api.ListConnectionsRequest(tenant_id=TENANT, instance_uid=uid_of(1)))
    with pytest.raises(InvalidQuery):
        await routes.list_connections(api.ListConnectionsRequest(tenant_id=TENANT, instance_uid=b"x"))


async def test_active_connection_is_the_open_one(apply: Applier, routes: Routes) -> None:
    """Open, none open, unknown: three different answers."""
    question = api.GetActiveConnectionRequest(tenant_id=TENANT, instance_uid=uid_of(1))
    with pytest.raises(AgentNotFound):
        await routes.get_active_connection(question)

    await apply(batch(connected(uid_of(1), 5), connected(uid_of(1), 6)))
    assert (await routes.get_active_connection(question)).connection.epoch == 6

    await apply(batch(disconnected(uid_of(1), 6, 2)))
    with pytest.raises(ConnectionNotFound):
        await routes.get_active_connection(question)


async def test_open_connection_tells_how_long_it_has_lasted(pool: asyncpg.Pool, apply: Applier, routes: Routes) -> None:
    """A connection that still stands has a length: the time so far, in the list and alone; never below zero."""
    begun = time.time_ns() - 100 * 1_000_000_000
    await apply(batch(connected(uid_of(1), 5, at_nano=begun)))

    listed = await routes.list_connections(api.ListConnectionsRequest(tenant_id=TENANT, instance_uid=uid_of(1)))
    active = await routes.get_active_connection(
        api.GetActiveConnectionRequest(tenant_id=TENANT, instance_uid=uid_of(1))
    )

    for connection in (listed.connections[0], active.connection):
        assert not connection.HasField("disconnected_at")
        assert 100 <= connection.duration_seconds < 700
    await pool.execute("UPDATE agent_connection SET connected_at = now() + interval '1 minute'")
    listed = await routes.list_connections(api.ListConnectionsRequest(tenant_id=TENANT, instance_uid=uid_of(1)))
    assert listed.connections[0].duration_seconds == 0


async def test_epochs_are_asked_for_in_reason(routes: Routes) -> None:
    """None or too many at once is refused."""
    for count in (0, 10_001):
        with pytest.raises(InvalidQuery):
            await routes.allocate_epochs(api.AllocateEpochsRequest(count=count))
