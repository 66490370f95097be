"""Connection settings over HTTP."""

from __future__ import annotations

from typing import Any

from api_gateway.models.connection_settings import MASK
from api_gateway.permissions import Role
from contracts import subjects
from contracts.ids import format_uid
from fleet.api.v1 import connection_settings_pb2 as messages
from fleet.api.v1.page_pb2 import PageReply
from opamp.v1 import opamp_pb2 as opamp
from servicekit.errors import NotFound, PreconditionFailed

ROOT = "/api/v1/connection-settings"
ONE = f"{ROOT}/{{name}}"
AGENT = f"/api/v1/agents/{format_uid(bytes(range(16)))}/connection-settings"
HEADERS = opamp.Headers(headers=[opamp.Header(key="Authorization", value="s3cret")])
POLICY = messages.ConnectionSettingsPolicy(
    name="edge",
    selector={"env": "prod"},
    settings=opamp.ConnectionSettingsOffers(
        own_metrics=opamp.TelemetryConnectionSettings(destination_endpoint="https://t/v1/metrics", headers=HEADERS)
    ),
    version=3,
)
METRICS = {"destination_endpoint": "https://t.example.org/v1/metrics"}


def kept(stand: Any) -> None:
    """Let agent-state hold POLICY, and give back what it is told to store."""

    def put(asked: Any) -> Any:
        if asked.expected_version not in (0, POLICY.version):
            public = "changed"
            raise PreconditionFailed(public)
        policy = messages.ConnectionSettingsPolicy()
        policy.CopyFrom(asked.policy)
        policy.version = 4
        return messages.PutConnectionSettingsPolicyReply(policy=policy, created=asked.policy.name != POLICY.name)

    def get(asked: Any) -> Any:
        if asked.name != POLICY.name:
            public = "there are no such connection settings"
            raise NotFound(public)
        return messages.GetConnectionSettingsPolicyReply(policy=POLICY)

    stand.answer(subjects.GET_CONNECTION_SETTINGS_POLICY, get)
    stand.answer(subjects.PUT_CONNECTION_SETTINGS_POLICY, put)


async def test_settings_are_made_read_listed_and_deleted(api: Any, stand: Any, conforms: Any) -> None:
    """Viewers read them without their secrets, administrators write them."""
    kept(stand)
    stand.answer(
        subjects.LIST_CONNECTION_SETTINGS_POLICIES,
        messages.ListConnectionSettingsPoliciesReply(policies=[POLICY], page=PageReply(total=2, next_cursor="n")),
    )
    admin, viewer = await api.as_role(Role.ADMIN), await api.as_role(Role.VIEWER)

    made = await api.call("PUT", f"{ROOT}/new", token=admin, json={"settings": {"own_metrics": METRICS}})
    read = await api.call("GET", f"{ROOT}/edge", token=viewer)
    listed = await api.call("GET", f"{ROOT}?limit=1", token=viewer)
    deleted = await api.call("DELETE", f"{ROOT}/edge", token=admin)
    missing = await api.call("GET", f"{ROOT}/none", token=viewer)

    conforms(made, ("PUT", ONE))
    conforms(read, ("GET", ONE))
    conforms(listed, ("GET", ROOT))
    conforms(deleted, ("DELETE", ONE))
    conforms(missing, ("GET", ONE))
    assert (made.status, made.headers["ETag"]) == (201, '"4"')
    assert stand.last(subjects.PUT_CONNECTION_SETTINGS_POLICY).policy.author == "the-admin"
    assert (read.headers["ETag"], "s3cret" in read.text + listed.text) == ('"3"', False)
    assert "cursor=n" in listed.headers["Link"]
    assert missing.status == 404


async def test_settings_as_read_are_written_back(api: Any, stand: Any, conforms: Any) -> None:
    """What the server owns is dropped; masks reach agent-state, which knows what they stand for."""
    kept(stand)
    admin = await api.as_role(Role.ADMIN)
    read = await api.call("GET", f"{ROOT}/edge", token=admin)

    written = await api.call("PUT", f"{ROOT}/edge", token=admin, json={**read.body, "selector": {"env": "dev"}})

    conforms(written, ("PUT", ONE))
    stored = stand.last(subjects.PUT_CONNECTION_SETTINGS_POLICY)
    assert (written.status, written.body["selector"]) == (200, {"env": "dev"})
    assert stored.policy.settings.own_metrics.headers.headers[0].value == MASK
    assert stored.expected_version == 0


async def test_if_match_guards_against_somebody_else(api: Any, stand: Any, conforms: Any) -> None:
    """412 with the current version, whether it was seen here or in agent-state."""
    kept(stand)
    admin, document = await api.as_role(Role.ADMIN), {"settings": {"own_metrics": METRICS}}

    async def put(name: str, tag: str) -> Any:
        return await api.call("PUT", f"{ROOT}/{name}", token=admin, json=document, headers={"If-Match": tag})

    stale, fresh, absent = await put("edge", '"2"'), await put("edge", '"3"'), await put("new", '"1"')

    def changed(_asked: Any) -> Any:
        public = "changed"
        raise PreconditionFailed(public)

    stand.answer(subjects.PUT_CONNECTION_SETTINGS_POLICY, changed)
    overtaken = await put("edge", '"3"')

    conforms(stale, ("PUT", ONE))
    assert [reply.status for reply in (stale, fresh, absent, overtaken)] == [412, 200, 412, 412]
    assert (stale.body["current_version"], overtaken.headers["ETag"]) == (3, '"3"')


async def test_what_one_agent_is_offered_is_told_and_retried(api: Any, stand: Any, conforms: Any) -> None:
    """State, hashes, where it comes from; a retry needs an operator."""
    stand.answer(
        subjects.GET_AGENT_CONNECTION_SETTINGS,
        messages.GetAgentConnectionSettingsReply(desired=POLICY.settings, state="failed", policies=["edge"]),
    )

    told = await api.call("GET", AGENT, token=await api.as_role(Role.VIEWER))
    retried = await api.call("POST", f"{AGENT}/retry", token=await api.as_role(Role.OPERATOR))

    conforms(told, ("GET", "/api/v1/agents/{id}/connection-settings"))
    conforms(retried, ("POST", "/api/v1/agents/{id}/connection-settings/retry"))
    assert (told.body["state"], "s3cret" in told.text) == ("failed", False)
    assert stand.last(subjects.RETRY_CONNECTION_SETTINGS).author == "the-operator"
