"""Questions about enrolment tokens: made, listed, revoked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from agent_state.checks import may_follow, tenant_of, text_of
from agent_state.enrolment import GROUP, KINDS_ISSUED, Rules, read_network
from agent_state.errors import InvalidQuery, NoCredentialKey, TokenNotFound
from agent_state.paging import Position, encode_cursor, read_page
from agent_state.views import token_of
from contracts import subjects
from contracts.labels import MAX_KEY_CHARACTERS, MAX_VALUE_CHARACTERS
from fleet.api.v1 import agent_state_pb2 as api
from fleet.api.v1.page_pb2 import PageReply

if TYPE_CHECKING:
    from collections.abc import Sequence

    from google.protobuf.message import Message

    from agent_state.announcer import Announcer
    from agent_state.token_store import TokenStore

MAX_NAME_CHARACTERS = 200
MAX_LIFETIME_SECONDS = 10 * 365 * 24 * 3600
MAX_USES = 10**9
MAX_CIDRS = 64
MAX_STAMPED_LABELS = 32
MIN_EPHEMERAL_SECONDS = 60
MIN_CREDENTIAL_SECONDS = 3600

_SORT = "-created_at"

Handler = Callable[[Any], Awaitable["Message"]]


class TokenRoutes:
    """
    Answers about enrolment tokens.

    Args:
        announcer: Tells gateways what is no longer good.

        can_issue: Whether credentials can be made for agents: there is a key to derive them from.
    """

    def __init__(self, tokens: TokenStore, announcer: Announcer, *, can_issue: bool) -> None:
        self._tokens = tokens
        self._announcer = announcer
        self._can_issue = can_issue

    def handlers(self) -> Mapping[Any, Handler]:
        """Say who answers what."""
        return {
            subjects.CREATE_ENROLMENT_TOKEN: self.create_enrolment_token,
            subjects.LIST_ENROLMENT_TOKENS: self.list_enrolment_tokens,
            subjects.REVOKE_ENROLMENT_TOKEN: self.revoke_enrolment_token,
        }

    async def create_enrolment_token(self, request: api.CreateEnrolmentTokenRequest) -> api.CreateEnrolmentTokenReply:
        """Make a token; its text is in this answer and nowhere else."""
        tenant_id = tenant_of(request.tenant_id)
        name = text_of("name", request.name.strip(), MAX_NAME_CHARACTERS)
        if not name:
            raise InvalidQuery("name", "must not be empty")
        if request.lifetime_seconds > MAX_LIFETIME_SECONDS:
            raise InvalidQuery("lifetime_seconds", f"must be at most {MAX_LIFETIME_SECONDS}; 0 never expires")
        lifetime = timedelta(seconds=request.lifetime_seconds) if request.lifetime_seconds else None
        rules = rules_asked(request.rules)
        if rules.issues != "none" and not self._can_issue:
            raise NoCredentialKey
        created_by = text_of("created_by", request.created_by, MAX_NAME_CHARACTERS)
        token, secret = await self._tokens.create(tenant_id, name, created_by, lifetime, rules)
        return api.CreateEnrolmentTokenReply(token=token_of(token), secret=secret)

    async def list_enrolment_tokens(self, request: api.ListEnrolmentTokensRequest) -> api.ListEnrolmentTokensReply:
        """List tokens, newest first, without their texts."""
        page = read_page(request.page, _SORT)
        after = None
        if page.after is not None and isinstance(page.after.value, datetime):
            after = (page.after.value, page.after.row_id)
        tokens, total = await self._tokens.list(tenant_of(request.tenant_id), page.limit, page.offset, after)
        cursor = ""
        if len(tokens) == page.limit and may_follow(page.offset, len(tokens), total, page.after):
            cursor = encode_cursor(_SORT, Position(tokens[-1].created_at, tokens[-1].id))
        return api.ListEnrolmentTokensReply(
            tokens=[token_of(token) for token in tokens], page=PageReply(total=total, next_cursor=cursor)
        )

    async def revoke_enrolment_token(self, request: api.RevokeEnrolmentTokenRequest) -> api.RevokeEnrolmentTokenReply:
        """Revoke a token for ever."""
        token = await self._tokens.revoke(tenant_of(request.tenant_id), text_of("id", request.id, 64))
        if token is None:
            raise TokenNotFound
        await self._announcer.withdrawn([(token.tenant_id, token.id)], close=True)
        return api.RevokeEnrolmentTokenReply(token=token_of(token))


def rules_asked(asked: api.EnrolmentRules) -> Rules:
    """
    Read the rules of a token somebody wants; nothing set means a token that only lets in.

    Raises:
        InvalidQuery: Something in them cannot be meant.
    """
    issues = asked.issues or "none"
    if issues not in KINDS_ISSUED:
        raise InvalidQuery("issues", f"must be among {', '.join(KINDS_ISSUED)}")
    if asked.max_uses > MAX_USES:
        raise InvalidQuery("max_uses", f"must be at most {MAX_USES}; 0 sets no limit")
    _within("ephemeral_seconds", asked.ephemeral_seconds, MIN_EPHEMERAL_SECONDS)
    _within("credential_lifetime_seconds", asked.credential_lifetime_seconds, MIN_CREDENTIAL_SECONDS)
    return Rules(
        asked.max_uses,
        _cidrs(asked.cidrs),
        _stamps(asked.labels, asked.group),
        asked.requires_approval,
        asked.ephemeral_seconds,
        issues,
        asked.credential_lifetime_seconds,
    )


def _within(field: str, seconds: int, least: int) -> None:
    if seconds and not least <= seconds <= MAX_LIFETIME_SECONDS:
        raise InvalidQuery(field, f"must be 0, or between {least} and {MAX_LIFETIME_SECONDS}")


def _cidrs(asked: Sequence[str]) -> tuple[str, ...]:
    if len(asked) > MAX_CIDRS:
        raise InvalidQuery("cidrs", f"at most {MAX_CIDRS}")
    networks = []
    for text in asked:
        try:
            networks.append(read_network(text))
        except ValueError:
            raise InvalidQuery("cidrs", f"{text[:64]!r} is no network such as 10.0.0.0/8") from None
    return tuple(dict.fromkeys(networks))


def _stamps(labels: Mapping[str, str], group: str) -> dict[str, str]:
    if len(labels) > MAX_STAMPED_LABELS:
        raise InvalidQuery("labels", f"at most {MAX_STAMPED_LABELS}")
    stamps = {
        text_of("labels", key, MAX_KEY_CHARACTERS): text_of("labels", value, MAX_VALUE_CHARACTERS)
        for key, value in labels.items()
    }
    if "" in stamps:
        raise InvalidQuery("labels", "a label needs a name")
    if group:
        if stamps.get(GROUP, group) != group:
            raise InvalidQuery("group", "the labels name another one")
        stamps[GROUP] = text_of("group", group, MAX_NAME_CHARACTERS)
    return stamps
