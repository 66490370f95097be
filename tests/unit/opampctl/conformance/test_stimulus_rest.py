"""The platform's API moves the platform."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from opampctl.client import ApiError, Client, Reply
from opampctl.conformance.stimulus import ACTIONS, Refused
from opampctl.conformance.stimulus_rest import RestStimulus
from opampctl.conformance.verdict import NotApplicable

UID = "01a1f926-88ae-7a52-9816-2b2aea0abe5f"
AGENT: dict[str, Any] = {
    "link": "connected",
    "name": "agent",
    "capabilities": ["ReportsStatus"],
    "custom_capabilities": [],
    "identifying_attributes": {"a": 1},
    "non_identifying_attributes": {},
    "health": None,
    "health_error": "sick",
    "health_state": "unhealthy",
    "effective_config": {"config_map": {"t": {"body": "text"}, "b": {"body": "AP8=", "encoding": "base64"}}},
    "components": {},
    "package_statuses": [{"name": "p", "agent_has_version": "1"}],
    "status": "error",
    "last_seen_at": "2026-11-20T10:00:00Z",
}


class FakeClient(Client):
    """Remembers what was called, and answers what it was given."""

    def __init__(self, answer: Any = None, *, status: int = 0) -> None:
        super().__init__("http://127.0.0.1:1", token="t")
        self.called: list[tuple[str, str, Any]] = []
        self.answer = answer
        self.status = status

    async def call(self, method: str, path: str, what: str, **more: Any) -> Reply:
        """Remember the call."""
        self.called.append((method, path, more.get("body")))
        if self.status:
            raise ApiError(self.status, {"detail": "no"}, what)
        return Reply(self.answer, "", "")


async def test_agent_is_shown_in_plain_terms() -> None:
    """What checks look at is named the same for every server; files come as base64."""
    view = await RestStimulus(FakeClient(AGENT)).do("show_agent", instance_uid=UID)

    assert (view["known"], view["connected"], view["healthy"], view["last_error"]) == (True, True, False, "sick")
    assert {name: base64.b64decode(body) for name, body in view["effective_config"].items()} == {
        "t": b"text",
        "b": b"\x00\xff",
    }
    assert view["package_statuses"]["p"]["agent_has_version"] == "1"


async def test_unknown_agent_is_no_failure() -> None:
    """An agent the API does not know is shown as unknown."""
    view = await RestStimulus(FakeClient(status=404)).do("show_agent", instance_uid=UID)

    assert (view["known"], view["connected"]) == (False, False)


async def test_configuration_is_made_then_changed_then_deleted() -> None:
    """The first offer makes a configuration for this agent alone, the next changes it, the end deletes it."""
    client = FakeClient({})
    stimulus = RestStimulus(client)
    for body in ("a: 1\n", "a: 2\n"):
        await stimulus.do("offer_config", instance_uid=UID, body=body, content_type="yaml")
    await stimulus.close()

    made, changed, deleted = client.called
    assert made[:2] == ("POST", "/configurations")
    assert made[2]["selector"] == {"service.instance.id": UID}
    assert changed[0] == "PATCH"
    assert deleted[0] == "DELETE"
    assert changed[1] == deleted[1] == f"/configurations/{made[2]['name']}"


@pytest.mark.parametrize(
    ("action", "arguments", "method", "path"),
    [
        ("restart_agent", {}, "POST", f"/agents/{UID}/restart"),
        ("request_components", {}, "POST", f"/agents/{UID}/components/refresh"),
        ("send_custom_message", {"capability": "c", "data": "AA=="}, "POST", f"/agents/{UID}/custom-messages"),
        ("rotate_credential", {}, "POST", f"/agents/{UID}/credentials/rotate"),
        ("revoke_agent", {}, "POST", f"/agents/{UID}/revoke"),
        ("forget_agent", {}, "DELETE", f"/agents/{UID}"),
    ],
)
async def test_action_is_one_call(action: str, arguments: dict[str, str], method: str, path: str) -> None:
    """Each action is the route of that purpose."""
    client = FakeClient({})
    await RestStimulus(client).do(action, instance_uid=UID, **arguments)

    assert [each[:2] for each in client.called] == [(method, path)]


async def test_settings_and_credentials_are_cleaned_up() -> None:
    """Policies and enrolment tokens made for a run are deleted at its end."""
    client = FakeClient({"id": "tok", "secret": "oet_x"})
    stimulus = RestStimulus(client)
    made = await stimulus.do("make_credential", own=True)
    await stimulus.do("offer_connection_settings", instance_uid=UID, settings={"own_logs": {}})
    await stimulus.close()

    assert made["headers"] == {"Authorization": "Bearer oet_x"}
    assert client.called[0][2]["issues"] == "bearer"
    assert client.called[1][0] == "PUT"
    assert {path for method, path, _ in client.called if method == "DELETE"} == {
        "/enrolment-tokens/tok",
        client.called[1][1],
    }


def package(name: str, version: str, content: bytes) -> dict[str, str]:
    """Describe a package as checks do."""
    return {"name": name, "version": version, "type": "addon", "content": base64.b64encode(content).decode()}


class Shop(FakeClient):
    """Makes what it is asked to make: uploads, packages and assignments with ids of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[bytes] = []

    async def call(self, method: str, path: str, what: str, **more: Any) -> Reply:
        """Remember the call, and make something."""
        await super().call(method, path, what, **more)
        made = f"m{len(self.called)}"
        return Reply({"id": made, "upload": {"id": f"u{made}"}, "package": None}, "", "")

    async def send_bytes(self, method: str, path: str, what: str, data: Any, **more: Any) -> Reply:
        """Take the bytes."""
        assert (method, more["params"], what) == ("PUT", {"offset": 0}, "Cannot publish a package")
        assert path.startswith("/packages/uploads/u")
        self.sent.append(b"".join([piece async for piece in data]))
        return Reply({}, "", "")


async def test_packages_are_published_offered_to_one_agent_and_taken_back() -> None:
    """What stays is changed, what is no more among them is taken back, and the end removes all."""
    client = Shop()
    stimulus = RestStimulus(client)
    await stimulus.do("offer_packages", instance_uid=UID, packages=[package("a", "1.0.0", b"1")])
    offered = [path for _, path, _ in client.called if path == "/package-assignments"]
    await stimulus.do(
        "offer_packages", instance_uid=UID, packages=[package("a", "1.0.1", b"2"), package("b", "1.0.0", b"1")]
    )
    await stimulus.do("offer_packages", instance_uid=UID, packages=[package("b", "1.0.0", b"1")])
    before = len(client.called)
    await stimulus.close()

    drafts = [body for method, path, body in client.called if (method, path) == ("POST", "/package-assignments")]
    changed = [(path, body) for method, path, body in client.called if method == "PATCH"]
    taken = [path for method, path, _ in client.called[:before] if method == "DELETE"]
    assert len(offered) == 1
    assert [(each["package"], each["version"], each["agents"]) for each in drafts] == [
        ("a", "1.0.0", [UID]),
        ("b", "1.0.0", [UID]),
    ]
    assert len({each["name"] for each in drafts}) == 2
    assert [body for _, body in changed] == [{"version": "1.0.1"}, {"version": "1.0.0"}]
    assert taken == [changed[0][0]]
    assert client.sent == [b"\x7fELF1", b"\x7fELF2", b"\x7fELF1"]
    kinds = [path.split("/")[1] for method, path, _ in client.called[before:] if method == "DELETE"]
    assert kinds == ["package-assignments", *["packages"] * 3]


async def test_refusal_and_absence_are_told_apart() -> None:
    """A conflict is a refusal; a route that is not there, or an action nobody knows, is something that cannot be."""
    with pytest.raises(Refused):
        await RestStimulus(FakeClient(status=409)).do("restart_agent", instance_uid=UID)
    with pytest.raises(NotApplicable) as absent:
        await RestStimulus(FakeClient(status=404)).do("restart_agent", instance_uid=UID)
    with pytest.raises(NotApplicable, match="cannot dance"):
        await RestStimulus(FakeClient()).do("dance", instance_uid=UID)

    assert not isinstance(absent.value, Refused)
    assert "offer_packages" in ACTIONS


async def test_what_cannot_be_cleaned_up_is_left() -> None:
    """An API that fails at the end does not fail the run."""
    client = FakeClient({})
    stimulus = RestStimulus(client)
    await stimulus.do("offer_config", instance_uid=UID, body="a: 1\n", content_type="yaml")
    client.status = 503
    await stimulus.close()

    assert client.called[-1][0] == "DELETE"
