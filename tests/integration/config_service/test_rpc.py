from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from contracts import subjects
from fleet.api.v1 import config_service_pb2 as api
from fleet.api.v1 import page_pb2
from servicekit.errors import Invalid

from .conftest import TENANT

if TYPE_CHECKING:
    from .conftest import Running


async def listed(service: Running, **query: Any) -> api.ListConfigurationsReply:
    """List configurations."""
    request = api.ListConfigurationsRequest(tenant_id=TENANT, **query)
    return await service.bus.call(subjects.LIST_CONFIGURATIONS, request)


def names(reply: api.ListConfigurationsReply) -> list[str]:
    """Return the names in order."""
    return [configuration.name for configuration in reply.configurations]


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("sort", ["", "name", "created_at", "updated_at", "priority"])
async def test_pages_by_cursor_and_by_offset_agree(service: Running, sort: str, descending: bool) -> None:
    """Every row once, in order, whichever way one leafs; equal keys are no obstacle."""
    for number in range(5):
        await service.create(f"c{number}", "a: 1", priority=number % 2)
    await service.update("c1", raw_config="a: 2")
    everything = names(await listed(service, sort=sort, descending=descending))
    by_cursor, cursor = [], ""
    while True:
        page = page_pb2.PageRequest(limit=2, cursor=cursor)
        reply = await listed(service, sort=sort, descending=descending, page=page)
        assert reply.page.total == 5
        by_cursor += names(reply)
        cursor = reply.page.next_cursor
        if not cursor:
            break

    by_offset = [
        name
        for offset in (0, 2, 4)
        for name in names(
            await listed(service, sort=sort, descending=descending, page=page_pb2.PageRequest(limit=2, offset=offset))
        )
    ]

    assert sorted(everything) == [f"c{number}" for number in range(5)]
    assert by_cursor == by_offset == everything


async def test_search_filter_and_lists_without_bodies(service: Running) -> None:
    """Part of name or display name, any case, no pattern characters; by content type; bodies on demand."""
    await service.create("Edge-1", "a: 1")
    await service.create("core_2", "a: 1")
    await service.update("core_2", display_name="The EDGE of it")
    await service.update("Edge-1", content_type="json", raw_config="{}")

    assert names(await listed(service, search="edge")) == ["Edge-1", "core_2"]
    assert names(await listed(service, search="%")) == []
    assert names(await listed(service, search="_2")) == ["core_2"]
    assert names(await listed(service, content_types=["json"])) == ["Edge-1"]
    (bare, _) = (await listed(service, without_body=True)).configurations
    assert bare.raw_config == ""
    assert len(bare.config_hash) == 32


async def test_versions_by_page(service: Running) -> None:
    """Newest first, from page to page."""
    await service.create("a", "a: 0")
    for number in range(1, 5):
        await service.update("a", raw_config=f"a: {number}")
    seen, cursor = [], ""
    while True:
        page = page_pb2.PageRequest(limit=2, cursor=cursor)
        reply = await service.bus.call(
            subjects.LIST_VERSIONS, api.ListVersionsRequest(tenant_id=TENANT, name="a", page=page)
        )
        seen += [version.version for version in reply.versions]
        cursor = reply.page.next_cursor
        if not cursor:
            break

    assert seen == [5, 4, 3, 2, 1]
    assert reply.page.total == 5


async def test_questions_out_of_bounds_are_refused(service: Running) -> None:
    """Sort keys, page limits, too many ids."""
    with pytest.raises(Invalid):
        await listed(service, sort="raw_config")
    with pytest.raises(Invalid):
        await listed(service, page=page_pb2.PageRequest(limit=5000))
    with pytest.raises(Invalid):
        await listed(service, search="x\x00")
    request = api.GetAgentConfigurationsRequest(tenant_id=TENANT, instance_uids=[b"x" * 16] * 1001)
    with pytest.raises(Invalid):
        await service.bus.call(subjects.GET_AGENT_CONFIGURATIONS, request)
    with pytest.raises(Invalid):
        await service.bus.call(subjects.GET_VERSION, api.GetVersionRequest(tenant_id=TENANT, name="a", version=1 << 63))


@pytest.mark.parametrize(
    ("method", "request_type", "more"),
    [
        (subjects.GET_CONFIGURATION, api.GetConfigurationRequest, {}),
        (subjects.LIST_VERSIONS, api.ListVersionsRequest, {}),
        (subjects.GET_VERSION, api.GetVersionRequest, {"version": 1}),
        (subjects.DELETE_CONFIGURATION, api.DeleteConfigurationRequest, {}),
        (subjects.UPDATE_CONFIGURATION, api.UpdateConfigurationRequest, {}),
        (subjects.CREATE_CONFIGURATION, api.CreateConfigurationRequest, {}),
        (subjects.ROLLBACK_CONFIGURATION, api.RollbackConfigurationRequest, {"version": 1}),
        (subjects.PUSH_CONFIGURATION, api.PushConfigurationRequest, {}),
        (subjects.LIST_ATTEMPTS, api.ListAttemptsRequest, {}),
        (subjects.GET_CONFIGURATION_STATUS, api.GetConfigurationStatusRequest, {}),
        (subjects.ASSIGN_CONFIGURATION, api.AssignConfigurationRequest, {"instance_uid": b"x" * 16}),
    ],
)
async def test_name_that_cannot_be_stored_is_refused(
    service: Running, method: Any, request_type: Any, more: dict[str, object]
) -> None:
    """The database takes no NUL: that is the caller's fault, not ours."""
    with pytest.raises(Invalid):
        await service.bus.call(method, request_type(tenant_id=TENANT, name="a\x00b", **more))


@pytest.mark.parametrize(
    "draft",
    [
        api.ConfigurationDraft(raw_config="a: 1", display_name="\x00"),
        api.ConfigurationDraft(raw_config="a: 1", description="\x00"),
        api.ConfigurationDraft(raw_config="a: \x00"),
        api.ConfigurationDraft(raw_config='a: "\\0"', selector=api.Selector(match_labels={"\x00": "a"})),
        api.ConfigurationDraft(raw_config="a: 1", selector=api.Selector(match_labels={"a": "\x00"})),
    ],
)
async def test_draft_that_cannot_be_stored_is_refused(service: Running, draft: api.ConfigurationDraft) -> None:
    """However deep the NUL lies."""
    request = api.CreateConfigurationRequest(tenant_id=TENANT, name="a", draft=draft)
    with pytest.raises(Invalid):
        await service.bus.call(subjects.CREATE_CONFIGURATION, request)
