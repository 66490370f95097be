"""The thin thread: log in, list and get agents, write configurations and push them."""

from __future__ import annotations

from typing import Any

from api_gateway.permissions import Role
from contracts import subjects
from contracts.ids import format_uid
from fleet.api.v1 import agent_state_pb2 as agents
from fleet.api.v1 import config_service_pb2 as configs
from fleet.api.v1.page_pb2 import PageReply

UID = bytes(range(16))


async def test_an_operator_sees_agents_and_writes_and_pushes_a_configuration(api: Any, stand: Any) -> None:
    """Login, agents, configurations and push work end to end over the real bus."""
    agent = agents.Agent(instance_uid=UID, name="collector", status="online", link="connected")
    document = configs.Configuration(name="edge", raw_config="a: 1", content_type="yaml", version=1)
    stand.answer(subjects.LIST_AGENTS, agents.ListAgentsReply(agents=[agent], page=PageReply(total=1)))
    stand.answer(subjects.GET_AGENT, agents.GetAgentReply(agent=agent))
    stand.answer(
        subjects.GET_AGENT_CONFIGURATIONS,
        configs.GetAgentConfigurationsReply(
            agents=[configs.AgentConfiguration(instance_uid=UID, configuration_name="edge")]
        ),
    )
    stand.answer(subjects.CREATE_CONFIGURATION, configs.CreateConfigurationReply(configuration=document))
    stand.answer(subjects.GET_CONFIGURATION, configs.GetConfigurationReply(configuration=document))
    stand.answer(subjects.UPDATE_CONFIGURATION, configs.UpdateConfigurationReply(configuration=document))
    stand.answer(subjects.PUSH_CONFIGURATION, configs.PushConfigurationReply(affected_uids=[UID]))
    await api.user("jo", Role.OPERATOR)

    token = (await api.login("jo"))["token"]
    listed = await api.call("GET", "/api/v1/agents?limit=10&offset=0", token=token)
    got = await api.call("GET", f"/api/v1/agents/{format_uid(UID)}", token=token)
    made = await api.call(
        "POST",
        "/api/v1/configurations",
        token=token,
        json={"name": "edge", "raw_config": "a: 1", "selector": {"env": "prod"}},
    )
    put = await api.call("PUT", "/api/v1/configurations/edge", token=token, json={"raw_config": "a: 2"})
    read = await api.call("GET", "/api/v1/configurations/edge", token=token)
    pushed = await api.call("POST", "/api/v1/configurations/edge/push", token=token)

    assert listed.status == 200
    assert listed.body["agents"][0]["configuration_name"] == "edge"
    assert (listed.body["total"], listed.body["limit"], listed.body["offset"]) == (1, 10, 0)
    assert got.body["id"] == format_uid(UID)
    assert made.status == 201
    assert made.headers["ETag"] == '"1"'
    assert put.status == 200
    assert read.body["raw_config"] == "a: 1"
    assert pushed.body["affected_agents"] == [format_uid(UID)]
    assert pushed.body["failed_agents"] == []
    assert stand.last(subjects.CREATE_CONFIGURATION).author == "jo"
    assert dict(stand.last(subjects.CREATE_CONFIGURATION).draft.selector.match_labels) == {"env": "prod"}
    assert not stand.last(subjects.UPDATE_CONFIGURATION).draft.HasField("selector")
