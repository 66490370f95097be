"""Enrolment tokens as the API shows them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from api_gateway.compose import enrolment as compose
from api_gateway.models import enrolment as views
from fleet.api.v1 import agent_state_pb2 as messages
from fleet.api.v1.page_pb2 import PageReply

RULES = {
    "max_uses": 100,
    "cidrs": ["10.0.0.0/8"],
    "labels": {"site": "berlin"},
    "group": "edge",
    "requires_approval": True,
    "ephemeral_seconds": 3600,
    "issues": "bearer",
    "credential_lifetime_seconds": 86400,
}
TOKEN = messages.EnrolmentToken(id="1", name="edge", created_by="jo", created_at=Timestamp(seconds=1))


def test_the_secret_is_in_the_first_answer_only(conforms: Callable[[Any, Any], None]) -> None:
    """Lists and revocations show none."""
    created = compose.created_token_view(messages.CreateEnrolmentTokenReply(token=TOKEN, secret="oet_1_x"))
    page = compose.token_page_view(
        messages.ListEnrolmentTokensReply(tokens=[TOKEN], page=PageReply(total=1)), limit=20, offset=0
    )

    conforms(views.CreatedEnrolmentToken, created)
    conforms(views.EnrolmentTokenPage, page)
    assert created["secret"] == "oet_1_x"
    assert "secret" not in page["tokens"][0]
    assert page["tokens"][0]["expires_at"] is None


def test_every_rule_of_a_token_travels_both_ways(conforms: Callable[[Any, Any], None]) -> None:
    """What was asked for is what the list shows."""
    document = views.NewEnrolmentToken.model_validate({"name": "edge", **RULES})

    view = compose.token_view(messages.EnrolmentToken(id="1", rules=compose.rules_message(document), uses=3))

    conforms(views.EnrolmentToken, view)
    assert {key: view[key] for key in RULES} == RULES  # type: ignore[literal-required]  # keys of this very view
    assert view["uses"] == 3


def test_a_token_that_issues_nothing_says_none() -> None:
    """Silence on the bus and `none` in the API are the same."""
    rules = compose.rules_message(views.NewEnrolmentToken(name="edge"))

    assert rules.issues == ""
    assert compose.token_view(messages.EnrolmentToken(rules=rules))["issues"] == "none"
