"""Configurations over HTTP, with stand-ins for the services."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from api_gateway.permissions import Role
from contracts import subjects
from contracts.ids import format_uid
from fleet.api.v1 import config_service_pb2 as configs
from fleet.api.v1.page_pb2 import PageReply
from servicekit.errors import Conflict, Invalid, NotFound, PreconditionFailed, Problem

UID = bytes(range(16))
ID = format_uid(UID)
ROOT = "/api/v1/configurations"
EDGE = configs.Configuration(name="edge", raw_config="a: 1", content_type="yaml", version=3, version_id=7)


@pytest.fixture
def store(stand: Any) -> Any:
    """Give a config-service that knows one configuration, at version 3."""

    def update(request: Any) -> Any:
        if request.expected_version not in (0, 3):
            raise PreconditionFailed("the configuration changed")
        return configs.UpdateConfigurationReply(configuration=EDGE, changed=True)

    stand.answer(subjects.GET_CONFIGURATION, configs.GetConfigurationReply(configuration=EDGE))
    stand.answer(subjects.CREATE_CONFIGURATION, configs.CreateConfigurationReply(configuration=EDGE))
    stand.answer(subjects.UPDATE_CONFIGURATION, update)
    return stand


def refusing(error: Exception) -> Any:
    """Make an answer that refuses."""

    def refuse(_: Any) -> Any:
        raise error

    return refuse


async def test_making_one(api: Any, store: Any, conforms: Any) -> None:
    """201 with Location and ETag; a dry run stores nothing and says 200."""
    token = await api.as_role(Role.OPERATOR)
    body = {"name": "edge", "raw_config": "a: 1", "comment": "first", "version": 99, "config_hash": "ff"}

    made = await api.call("POST", ROOT, token=token, json=body)
    asked = store.last(subjects.CREATE_CONFIGURATION)
    tried = await api.call("POST", f"{ROOT}?dry_run=true", token=token, json=body)

    conforms(made, ("POST", ROOT))
    assert (made.status, made.headers["Location"], made.headers["ETag"]) == (201, f"{ROOT}/edge", '"3"')
    assert (asked.name, asked.comment, asked.author, asked.dry_run) == ("edge", "first", "the-operator", False)
    assert tried.status == 200
    assert store.last(subjects.CREATE_CONFIGURATION).dry_run


async def test_content_that_does_not_parse_is_422_with_its_position(api: Any, store: Any, conforms: Any) -> None:
    """Line and column of the fault, as config-service found it; a taken name is 409."""
    fault = Problem("raw_config", "a mapping value is not allowed here", line=3, column=7)
    token = await api.as_role(Role.OPERATOR)
    store.answer(subjects.CREATE_CONFIGURATION, refusing(Invalid("the content is not YAML", details=[fault])))
    invalid = await api.call("POST", ROOT, token=token, json={"name": "edge", "raw_config": "a: b: c"})
    store.answer(subjects.CREATE_CONFIGURATION, refusing(Conflict("there is a configuration edge already")))
    taken = await api.call("POST", ROOT, token=token, json={"name": "edge"})
    unknown = await api.call("POST", ROOT, token=token, json={"name": "edge", "selectr": {}})
    broken = await api.call("POST", ROOT, token=token, data=b'{"name":')

    for reply in (invalid, taken, unknown, broken):
        conforms(reply, ("POST", ROOT))
    assert invalid.status == 422
    assert invalid.body["details"] == [
        {"field": "raw_config", "message": "a mapping value is not allowed here", "line": 3, "column": 7}
    ]
    assert taken.status == 409
    assert (unknown.status, unknown.body["details"][0]["field"]) == (422, "selectr")
    assert broken.status == 400


GUARDS: tuple[tuple[str | None, int, int | None], ...] = (
    (None, 200, 0),
    ("*", 200, 0),
    ('"3"', 200, 3),
    ('"2", "3"', 200, 3),
    ('"2"', 412, None),
    ('"1", "2"', 412, None),
    ('W/"3"', 412, None),
    ('"0"', 412, None),
    ("nonsense", 412, None),
)
"""If-Match, the status of the answer, the version config-service is told to expect."""


async def test_a_change_can_be_guarded(api: Any, store: Any) -> None:
    """If-Match is honoured when sent; without it, plain curl examples work. 412 tells the current version."""
    token = await api.as_role(Role.OPERATOR)
    for method, (if_match, status, expected) in itertools.product(("PUT", "PATCH"), GUARDS):
        headers = {"If-Match": if_match} if if_match else {}

        reply = await api.call(method, f"{ROOT}/edge", token=token, json={"raw_config": "a: 2"}, headers=headers)

        assert reply.status == status, if_match
        assert reply.headers["ETag"] == '"3"'
        if expected is None:
            assert reply.body["current_version"] == 3
            assert "current version is 3" in reply.body["error"]
        else:
            assert store.last(subjects.UPDATE_CONFIGURATION).expected_version == expected, if_match


async def test_omitted_fields_and_the_servers_own_are_left_alone(api: Any, store: Any) -> None:
    """PUT of what GET gave changes only what was edited; the path names the configuration."""
    token = await api.as_role(Role.OPERATOR)
    read = (await api.call("GET", f"{ROOT}/edge", token=token)).body
    sent = {**read, "name": "another", "description": "edited"}

    reply = await api.call("PUT", f"{ROOT}/edge?dry_run=true", token=token, json=sent)
    partial = await api.call("PUT", f"{ROOT}/edge", token=token, json={"priority": 3})

    asked = store.last(subjects.UPDATE_CONFIGURATION)
    assert (reply.status, partial.status) == (200, 200)
    assert asked.name == "edge"
    assert asked.draft.priority == 3
    assert not asked.draft.HasField("content_type")
    assert not asked.draft.HasField("raw_config")


async def test_an_unknown_one_is_404_everywhere(api: Any, store: Any) -> None:
    """Also where the original said 200 or 500."""
    gone = refusing(NotFound("there is no configuration edge"))
    for method in (
        subjects.GET_CONFIGURATION, subjects.UPDATE_CONFIGURATION, subjects.DELETE_CONFIGURATION,
        subjects.LIST_VERSIONS, subjects.GET_VERSION, subjects.ROLLBACK_CONFIGURATION, subjects.PUSH_CONFIGURATION,
        subjects.LIST_ATTEMPTS, subjects.GET_CONFIGURATION_STATUS,
    ):  # fmt: skip
        store.answer(method, gone)
    token = await api.as_role(Role.OPERATOR)
    calls = [
        ("GET", ""), ("PUT", ""), ("DELETE", ""), ("GET", "/history"), ("GET", "/history/1"), ("POST", "/rollback/1"),
        ("POST", "/push"), ("GET", "/apply-history"), ("GET", "/status"),
    ]  # fmt: skip

    statuses = [
        (await api.call(method, f"{ROOT}/edge{path}", token=token, data=b"{}" if method != "GET" else None)).status
        for method, path in calls
    ]

    assert statuses == [404] * len(calls)


async def test_deleting_takes_a_guard_too(api: Any, store: Any) -> None:
    """412 when somebody changed it meanwhile."""

    def delete(request: Any) -> Any:
        if request.expected_version not in (0, 3):
            raise PreconditionFailed("changed")
        return configs.DeleteConfigurationReply()

    store.answer(subjects.DELETE_CONFIGURATION, delete)
    token = await api.as_role(Role.OPERATOR)

    stale = await api.call("DELETE", f"{ROOT}/edge", token=token, headers={"If-Match": '"1"'})
    done = await api.call("DELETE", f"{ROOT}/edge", token=token)

    assert (stale.status, stale.body["current_version"]) == (412, 3)
    assert (done.status, done.body) == (200, {"message": "configuration deleted"})


async def test_history_and_rollback(api: Any, store: Any, conforms: Any) -> None:
    """The current version is in it; a version that cannot be one is 400; rollback says why."""
    store.answer(subjects.LIST_VERSIONS, configs.ListVersionsReply(versions=[EDGE], page=PageReply(total=3)))
    store.answer(subjects.GET_VERSION, configs.GetVersionReply(configuration=EDGE))
    store.answer(subjects.ROLLBACK_CONFIGURATION, configs.RollbackConfigurationReply(configuration=EDGE))
    token = await api.as_role(Role.OPERATOR)

    listed = await api.call("GET", f"{ROOT}/edge/history?limit=20&offset=0", token=token)
    one = await api.call("GET", f"{ROOT}/edge/history/3", token=token)
    odd = [
        (await api.call("GET", f"{ROOT}/edge/history/{text}", token=token)).status
        for text in ("x", "0", "-1", "1.5", "9" * 30)
    ]
    back = await api.call("POST", f"{ROOT}/edge/rollback/1", token=token)
    noted = await api.call(
        "POST", f"{ROOT}/edge/rollback/1", token=token, json={"comment": "broke"}, headers={"If-Match": '"3"'}
    )

    conforms(listed, ("GET", ROOT + "/{name}/history"))
    conforms(one, ("GET", ROOT + "/{name}/history/{version}"))
    assert (one.body["version"], one.body["id"]) == (3, 7)
    assert odd == [400] * 5
    assert (back.status, noted.status, noted.headers["ETag"]) == (200, 200, '"3"')
    asked = store.last(subjects.ROLLBACK_CONFIGURATION)
    assert (asked.version, asked.comment, asked.expected_version, asked.author) == (1, "broke", 3, "the-operator")


async def test_a_push_goes_to_those_named_by_query_and_body(api: Any, store: Any, conforms: Any) -> None:
    """?agent_id= as the original, agent_ids as a list; nobody named = everybody who should run it."""
    store.answer(subjects.PUSH_CONFIGURATION, configs.PushConfigurationReply(affected_uids=[UID]))
    token = await api.as_role(Role.OPERATOR)
    other = format_uid(bytes(16))

    to_all = await api.call("POST", f"{ROOT}/edge/push", token=token)
    everybody = list(store.last(subjects.PUSH_CONFIGURATION).instance_uids)
    to_some = await api.call("POST", f"{ROOT}/edge/push?agent_id={ID}", token=token, json={"agent_ids": [other]})
    named = list(store.last(subjects.PUSH_CONFIGURATION).instance_uids)
    odd = await api.call("POST", f"{ROOT}/edge/push?agent_id=42", token=token)

    conforms(to_all, ("POST", ROOT + "/{name}/push"))
    assert (to_all.status, everybody) == (200, [])
    assert (to_some.status, named) == (200, [UID, bytes(16)])
    assert (odd.status, odd.body["details"][0]["field"]) == (400, "agent_id")


async def test_a_push_nobody_took_is_409_with_the_reasons(api: Any, store: Any, conforms: Any) -> None:
    """The original said 200; some taking it is 200, nobody to ask is 200."""
    failed = configs.PushFailure(instance_uid=UID, reason="not connected")
    token = await api.as_role(Role.OPERATOR)
    store.answer(subjects.PUSH_CONFIGURATION, configs.PushConfigurationReply(failed=[failed]))
    none = await api.call("POST", f"{ROOT}/edge/push?agent_id={ID}", token=token)
    store.answer(
        subjects.PUSH_CONFIGURATION, configs.PushConfigurationReply(failed=[failed], affected_uids=[bytes(16)])
    )
    some = await api.call("POST", f"{ROOT}/edge/push", token=token)
    store.answer(subjects.PUSH_CONFIGURATION, configs.PushConfigurationReply())
    nobody = await api.call("POST", f"{ROOT}/edge/push", token=token)

    conforms(none, ("POST", ROOT + "/{name}/push"))
    assert (none.status, none.body["failed_agents"], none.body["total"]) == (409, [ID], 1)
    assert none.body["details"] == [{"field": ID, "message": "not connected"}]
    assert (some.status, some.body["failures"][0]["reason"]) == (200, "not connected")
    assert (nobody.status, nobody.body["affected_agents"], nobody.body["failed_agents"]) == (200, [], [])


async def test_lists_attempts_and_status(api: Any, store: Any, conforms: Any) -> None:
    """The remaining reads."""
    store.answer(
        subjects.LIST_CONFIGURATIONS,
        configs.ListConfigurationsReply(configurations=[EDGE], page=PageReply(total=2, next_cursor="n")),
    )
    store.answer(
        subjects.LIST_ATTEMPTS,
        configs.ListAttemptsReply(
            attempts=[configs.Attempt(id=1, instance_uid=UID, status="applied", version=3, confirmed=True)],
            page=PageReply(total=1),
            status_counts={"applied": 1},
        ),
    )
    store.answer(
        subjects.GET_CONFIGURATION_STATUS,
        configs.GetConfigurationStatusReply(desired=2, connected=1, by_state={"applied": 2}),
    )
    token = await api.as_role(Role.VIEWER)

    listed = await api.call("GET", f"{ROOT}?limit=1&search=ed&content_type=yaml&sort=-priority&body=false", token=token)
    attempts = await api.call("GET", f"{ROOT}/edge/apply-history?status=applied,failed&limit=5", token=token)
    status = await api.call("GET", f"{ROOT}/edge/status", token=token)

    conforms(listed, ("GET", ROOT))
    conforms(attempts, ("GET", ROOT + "/{name}/apply-history"))
    conforms(status, ("GET", ROOT + "/{name}/status"))
    asked = store.last(subjects.LIST_CONFIGURATIONS)
    assert (asked.search, asked.sort, asked.descending, asked.without_body) == ("ed", "priority", True, True)
    assert "cursor=n" in listed.headers["Link"]
    assert list(store.last(subjects.LIST_ATTEMPTS).statuses) == ["applied", "failed"]
    assert status.body["state_counts"] == {"applied": 2}


async def test_a_name_with_odd_characters_reaches_config_service_as_it_is(api: Any, store: Any) -> None:
    """Slashes, spaces and other alphabets, percent-encoded in the path."""
    await api.call("GET", f"{ROOT}/a%2Fb%20%E4%B8%AD", token=await api.as_role(Role.VIEWER))

    assert store.last(subjects.GET_CONFIGURATION).name == "a/b 中"


async def test_who_has_the_version_is_told_so_without_a_body(api: Any, store: Any) -> None:
    """If-None-Match with the ETag of a read: 304; with another one the document."""
    store.answer(subjects.GET_VERSION, configs.GetVersionReply(configuration=EDGE))
    token = await api.as_role(Role.VIEWER)
    for path in (f"{ROOT}/edge", f"{ROOT}/edge/history/3"):
        read = await api.call("GET", path, token=token)
        again = await api.call("GET", path, token=token, headers={"If-None-Match": f"W/{read.headers['ETag']}"})
        older = await api.call("GET", path, token=token, headers={"If-None-Match": '"2"'})

        assert (again.status, again.text, again.headers["ETag"]) == (304, "", '"3"')
        assert (older.status, older.body) == (200, read.body)


async def test_an_empty_agent_id_pushes_to_nobody(api: Any, store: Any) -> None:
    """400 that names the parameter; config-service is not even asked."""
    token = await api.as_role(Role.OPERATOR)

    for query in ("agent_id=", "agent_id=,", f"agent_id={ID}&agent_id="):
        reply = await api.call("POST", f"{ROOT}/edge/push?{query}", token=token)

        assert (reply.status, reply.body["details"][0]["field"]) == (400, "agent_id")
    assert subjects.PUSH_CONFIGURATION.name not in {name for name, _ in store.asked}


async def test_a_name_that_cannot_be_is_refused_here(api: Any, store: Any) -> None:
    """By the rule openapi.json tells, which is config-service's."""
    token = await api.as_role(Role.OPERATOR)

    for name in ("-edge", "a b", "x" * 129, "", "edge\n"):
        reply = await api.call("POST", ROOT, token=token, json={"name": name})

        assert (reply.status, reply.body["details"][0]["field"]) == (422, "name")
    assert subjects.CREATE_CONFIGURATION.name not in {name for name, _ in store.asked}
