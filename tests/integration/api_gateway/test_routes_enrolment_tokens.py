"""Enrolment tokens over HTTP."""

from __future__ import annotations

from typing import Any

from api_gateway.permissions import Role
from contracts import subjects
from fleet.api.v1 import agent_state_pb2 as agents
from fleet.api.v1.page_pb2 import PageReply

ROOT = "/api/v1/enrolment-tokens"
TOKEN = agents.EnrolmentToken(id="7", name="edge", created_by="the-admin")


async def test_tokens_are_made_listed_and_revoked(api: Any, stand: Any, conforms: Any) -> None:
    """The secret is told once; operators see the list, only administrators change it."""
    stand.answer(subjects.CREATE_ENROLMENT_TOKEN, agents.CreateEnrolmentTokenReply(token=TOKEN, secret="oet_7_x"))
    stand.answer(
        subjects.LIST_ENROLMENT_TOKENS,
        agents.ListEnrolmentTokensReply(tokens=[TOKEN], page=PageReply(total=2, next_cursor="n")),
    )
    stand.answer(subjects.REVOKE_ENROLMENT_TOKEN, agents.RevokeEnrolmentTokenReply(token=TOKEN))
    admin, operator = await api.as_role(Role.ADMIN), await api.as_role(Role.OPERATOR)

    made = await api.call("POST", ROOT, token=admin, json={"name": "edge", "lifetime_seconds": 3600})
    listed = await api.call("GET", f"{ROOT}?limit=1", token=operator)
    revoked = await api.call("DELETE", f"{ROOT}/7", token=admin)
    nameless = await api.call("POST", ROOT, token=admin, json={"lifetime_seconds": -1})

    conforms(made, ("POST", ROOT))
    conforms(listed, ("GET", ROOT))
    conforms(revoked, ("DELETE", ROOT + "/{id}"))
    assert (made.status, made.body["secret"]) == (201, "oet_7_x")
    assert stand.last(subjects.CREATE_ENROLMENT_TOKEN).lifetime_seconds == 3600
    assert stand.last(subjects.CREATE_ENROLMENT_TOKEN).created_by == "the-admin"
    assert "secret" not in listed.body["tokens"][0]
    assert "cursor=n" in listed.headers["Link"]
    assert stand.last(subjects.REVOKE_ENROLMENT_TOKEN).id == "7"
    assert {problem["field"] for problem in nameless.body["details"]} == {"name", "lifetime_seconds"}


async def test_a_token_may_be_bounded(api: Any, stand: Any, conforms: Any) -> None:
    """Number of agents, networks, labels, approval, an end after silence, a credential of one's own."""
    admin = await api.as_role(Role.ADMIN)
    stand.answer(
        subjects.CREATE_ENROLMENT_TOKEN,
        lambda asked: agents.CreateEnrolmentTokenReply(
            token=agents.EnrolmentToken(id="7", name=asked.name, rules=asked.rules), secret="oet_7_x"
        ),
    )
    rules = {
        "max_uses": 100,
        "cidrs": ["10.0.0.0/8"],
        "labels": {"site": "berlin"},
        "group": "edge",
        "requires_approval": True,
        "ephemeral_seconds": 3600,
        "issues": "jwt",
        "credential_lifetime_seconds": 86400,
    }

    made = await api.call("POST", ROOT, token=admin, json={"name": "edge", **rules})
    refused = await api.call("POST", ROOT, token=admin, json={"name": "edge", "cidrs": ["10.0.0.1/8"]})

    conforms(made, ("POST", ROOT))
    assert {key: made.body[key] for key in rules} == rules
    assert (refused.status, refused.body["details"][0]["field"]) == (422, "cidrs[0]")
