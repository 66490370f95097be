from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from agent_state.errors import InvalidQuery, NoCredentialKey, TokenNotFound
from agent_state.token_routes import TokenRoutes
from fleet.api.v1 import agent_state_pb2 as api
from fleet.api.v1.page_pb2 import PageRequest

from .identities import Lab

if TYPE_CHECKING:
    import asyncpg

TENANT = "default"


@pytest.fixture
def routes(pool: asyncpg.Pool) -> TokenRoutes:
    """Give the answers without the bus, where credentials can be issued."""
    return Lab(pool, datetime.now(UTC)).tokens


async def test_tokens_live_and_die(pool: asyncpg.Pool, routes: TokenRoutes) -> None:
    """Only the hash is stored; revoking again keeps the first time; nobody revokes another tenant's."""
    made = await routes.create_enrolment_token(
        api.CreateEnrolmentTokenRequest(tenant_id=TENANT, name=" lab ", lifetime_seconds=60, created_by="admin")
    )
    assert made.secret.startswith(f"oet_{made.token.id}_")
    assert (made.token.name, made.token.created_by) == ("lab", "admin")
    assert made.token.HasField("expires_at")

    revoke = api.RevokeEnrolmentTokenRequest(tenant_id=TENANT, id=made.token.id)
    first = await routes.revoke_enrolment_token(revoke)
    assert (await routes.revoke_enrolment_token(revoke)).token.revoked_at == first.token.revoked_at
    with pytest.raises(TokenNotFound):
        await routes.revoke_enrolment_token(api.RevokeEnrolmentTokenRequest(tenant_id="other", id=made.token.id))
    stored = await pool.fetchval("SELECT enrolment_token::text FROM enrolment_token")
    assert made.secret.rsplit("_", 1)[1] not in stored


async def test_tokens_are_listed_in_pages(routes: TokenRoutes) -> None:
    """Newest first, joined by cursors."""
    for number in range(5):
        await routes.create_enrolment_token(api.CreateEnrolmentTokenRequest(tenant_id=TENANT, name=f"t{number}"))
    question = api.ListEnrolmentTokensRequest(tenant_id=TENANT, page=PageRequest(limit=3))

    first = await routes.list_enrolment_tokens(question)
    question.page.cursor = first.page.next_cursor
    second = await routes.list_enrolment_tokens(question)

    assert [token.name for token in (*first.tokens, *second.tokens)] == ["t4", "t3", "t2", "t1", "t0"]
    assert (first.page.total, second.page.next_cursor) == (5, "")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": " "}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"name": "x", "lifetime_seconds": 1 << 40}, "lifetime_seconds"),
        ({"name": "x", "rules": {"issues": "magic"}}, "issues"),
        ({"name": "x", "rules": {"max_uses": 1 << 40}}, "max_uses"),
        ({"name": "x", "rules": {"cidrs": ["10.0.0.1/8"]}}, "cidrs"),
        ({"name": "x", "rules": {"cidrs": ["10.0.0.0/8"] * 65}}, "cidrs"),
        ({"name": "x", "rules": {"ephemeral_seconds": 5}}, "ephemeral_seconds"),
        ({"name": "x", "rules": {"credential_lifetime_seconds": 5}}, "credential_lifetime_seconds"),
        ({"name": "x", "rules": {"labels": {"": "x"}}}, "labels"),
        ({"name": "x", "rules": {"labels": {str(n): "x" for n in range(33)}}}, "labels"),
        ({"name": "x", "rules": {"labels": {"group": "a"}, "group": "b"}}, "group"),
    ],
)
async def test_senseless_tokens_are_refused(routes: TokenRoutes, fields: dict[str, Any], field: str) -> None:
    """A token needs a name and a life within reason."""
    with pytest.raises(InvalidQuery) as caught:
        await routes.create_enrolment_token(api.CreateEnrolmentTokenRequest(tenant_id=TENANT, **fields))

    assert caught.value.details[0].field == field


async def test_rules_are_shown_as_they_were_made(routes: TokenRoutes) -> None:
    """What a token does can be read back; the group stands apart from the other labels."""
    rules = api.EnrolmentRules(
        max_uses=3,
        cidrs=["10.0.0.0/8", "192.168.1.1", "fd00::/8"],
        labels={"site": "lab"},
        group="edge",
        requires_approval=True,
        ephemeral_seconds=3600,
        issues="jwt",
        credential_lifetime_seconds=86_400,
    )

    made = await routes.create_enrolment_token(
        api.CreateEnrolmentTokenRequest(tenant_id=TENANT, name="lab", rules=rules)
    )

    listed = await routes.list_enrolment_tokens(api.ListEnrolmentTokensRequest(tenant_id=TENANT))
    rules.cidrs[1] = "192.168.1.1/32"
    assert made.token.rules == rules
    assert [token.rules for token in listed.tokens] == [rules]


async def test_credentials_need_a_key(pool: asyncpg.Pool) -> None:
    """Without a key to derive them from, a token that issues credentials is not made; the error says what to set."""
    routes = Lab(pool, datetime.now(UTC), key=None).tokens
    asked = api.CreateEnrolmentTokenRequest(tenant_id=TENANT, name="x", rules={"issues": "bearer"})

    with pytest.raises(NoCredentialKey, match="AGENT_STATE_CREDENTIAL_KEY"):
        await routes.create_enrolment_token(asked)

    asked.rules.issues = "none"
    await routes.create_enrolment_token(asked)
