"""Enrolment tokens as the API shows them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from api_gateway.compose import enrolment as compose
from api_gateway.models import enrolment as views
from fleet.api.v1 import agent_state_pb2 as messages
from fleet.api.v1.page_pb2 import PageReply

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
