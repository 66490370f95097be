"""Credentials as the API shows them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from api_gateway.compose import identity as compose
from api_gateway.models import identity as views
from fleet.api.v1 import identity_pb2 as messages
from fleet.api.v1.page_pb2 import PageReply

CREDENTIAL = messages.AgentCredential(
    id="c1", instance_uid=bytes(16), kind="bearer", state="current", created_at=Timestamp(seconds=1)
)


def test_a_credential_is_shown_without_what_it_does_not_have(conforms: Callable[[Any, Any], None]) -> None:
    """Never used, never revoked, no end: null."""
    view = compose.credential_view(CREDENTIAL)

    conforms(views.AgentCredential, view)
    assert (view["first_used_at"], view["revoked_at"], view["expires_at"]) == (None, None, None)
    assert view["agent_id"] == "00000000-0000-0000-0000-000000000000"


def test_a_page_of_credentials_points_at_the_next(conforms: Callable[[Any, Any], None]) -> None:
    """Empty cursors are null."""
    reply = messages.ListAgentCredentialsReply(credentials=[CREDENTIAL], page=PageReply(total=2, next_cursor="n"))

    view = compose.credential_page_view(reply, limit=1, offset=0)

    conforms(views.AgentCredentialPage, view)
    assert (view["total"], view["next_cursor"]) == (2, "n")


def test_where_an_agent_was_told(conforms: Callable[[Any, Any], None]) -> None:
    """The gateway, and whether it waits for a poll."""
    view = compose.told_view(messages.TellAgentReply(gateway_id="g1", at_once=True))

    conforms(views.Told, view)
    assert view == {"gateway_id": "g1", "at_once": True}
