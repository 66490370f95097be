"""Questions about connection settings: policies, and where one agent stands with them. Answers hold no secrets."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import structlog

from agent_state import settings_validation
from agent_state.errors import AgentNotFound, InvalidPolicy, InvalidQuery
from agent_state.paging import Position, encode_cursor, read_page
from agent_state.settings_policy import Policy
from agent_state.settings_policy_store import MAX_POLICIES
from agent_state.settings_reconcile import Standing, State, insist
from agent_state.settings_secrets import masked, unmasked
from contracts import subjects
from contracts.ids import UID_LENGTH, is_tenant_id
from fleet.api.v1 import connection_settings_pb2 as api
from fleet.api.v1.page_pb2 import PageReply
from servicekit.errors import Problem

if TYPE_CHECKING:
    import asyncpg
    from google.protobuf.message import Message

    from agent_state.settings_composer import SettingsComposer
    from agent_state.settings_desk import SettingsDesk
    from agent_state.settings_policy_store import SettingsPolicyStore
    from agent_state.settings_store import SettingsStore
    from servicekit.clock import Clock

log = structlog.get_logger()

Handler = Callable[[Any], Awaitable["Message"]]

Announce = Callable[[str], Awaitable[None]]
"""Tells gateways that admission matters now for agents of a tenant, or no longer does."""

_SORT = "name"
MAX_AUTHOR_CHARACTERS = 256


class SettingsRoutes:
    """
    Answers for fleet.v1.api.agent-state.*, as far as connection settings go.

    Args:
        announce: Told the tenant when its first policy comes and its last one goes.

        allow_insecure: Whether policies may tell agents to verify nothing.
    """

    def __init__(
        self,
        pool: asyncpg.Pool,
        *,
        policies: SettingsPolicyStore,
        store: SettingsStore,
        composer: SettingsComposer,
        desk: SettingsDesk,
        announce: Announce,
        clock: Clock,
        allow_insecure: bool,
    ) -> None:
        self._announce = announce
        self._pool = pool
        self._policies = policies
        self._store = store
        self._composer = composer
        self._desk = desk
        self._clock = clock
        self._allow_insecure = allow_insecure

    def handlers(self) -> Mapping[Any, Handler]:
        """Say who answers what."""
        return {
            subjects.PUT_CONNECTION_SETTINGS_POLICY: self.put_policy,
            subjects.GET_CONNECTION_SETTINGS_POLICY: self.get_policy,
            subjects.LIST_CONNECTION_SETTINGS_POLICIES: self.list_policies,
            subjects.DELETE_CONNECTION_SETTINGS_POLICY: self.delete_policy,
            subjects.GET_AGENT_CONNECTION_SETTINGS: self.get_agent_settings,
            subjects.RETRY_CONNECTION_SETTINGS: self.retry,
        }

    async def put_policy(self, request: api.PutConnectionSettingsPolicyRequest) -> api.PutConnectionSettingsPolicyReply:
        """Create or replace a policy; secrets shown masked keep what is stored."""
        written = _policy_of(request.policy)
        async with self._pool.acquire() as connection, connection.transaction():
            stored = await self._policies.find(connection, written.tenant_id, written.name)
            settings, missing = unmasked(written.settings, stored.settings if stored is not None else None)
            policy = replace(written, settings=settings)
            problems = [
                Problem(f"settings.{path}", "is masked, and nothing is stored for it on this server")
                for path in missing
            ]
            problems += settings_validation.check(policy, self._clock.now(), allow_insecure=self._allow_insecure)
            others = await self._policies.count(connection, policy.tenant_id)
            if stored is None and others >= MAX_POLICIES:
                problems.append(Problem("name", f"a tenant has at most {MAX_POLICIES} connection settings"))
            if problems:
                raise InvalidPolicy(problems)
            kept = await self._policies.put(connection, policy, request.expected_version)
        warnings = settings_validation.warnings_of(kept.settings)
        log.info("connection_settings_put", name=kept.name, version=kept.version, author=kept.author, warnings=warnings)
        await self._desk.look_at_tenants()
        if not others:
            await self._announce(kept.tenant_id)
        return api.PutConnectionSettingsPolicyReply(policy=policy_of(kept), created=kept.version == 1)

    async def get_policy(self, request: api.GetConnectionSettingsPolicyRequest) -> api.GetConnectionSettingsPolicyReply:
        """Show one policy."""
        found = await self._policies.get(self._pool, _tenant(request.tenant_id), _name(request.name))
        return api.GetConnectionSettingsPolicyReply(policy=policy_of(found))

    async def list_policies(
        self, request: api.ListConnectionSettingsPoliciesRequest
    ) -> api.ListConnectionSettingsPoliciesReply:
        """List policies by name."""
        page = read_page(request.page, _SORT)
        after = None if page.after is None else str(page.after.value)
        policies, total = await self._policies.list(
            self._pool, _tenant(request.tenant_id), page.limit, page.offset, after
        )
        more = len(policies) == page.limit and (page.after is not None or page.offset + len(policies) < total)
        cursor = encode_cursor(_SORT, Position(policies[-1].name, policies[-1].name)) if more else ""
        return api.ListConnectionSettingsPoliciesReply(
            policies=[policy_of(policy) for policy in policies], page=PageReply(total=total, next_cursor=cursor)
        )

    async def delete_policy(
        self, request: api.DeleteConnectionSettingsPolicyRequest
    ) -> api.DeleteConnectionSettingsPolicyReply:
        """Delete a policy; agents keep what it gave them until something else is offered."""
        tenant_id, name = _tenant(request.tenant_id), _name(request.name)
        async with self._pool.acquire() as connection, connection.transaction():
            await self._policies.delete(connection, tenant_id, name)
            others = await self._policies.count(connection, tenant_id)
        log.info("connection_settings_deleted", name=name)
        if not others:
            await self._announce(tenant_id)
        return api.DeleteConnectionSettingsPolicyReply()

    async def get_agent_settings(
        self, request: api.GetAgentConnectionSettingsRequest
    ) -> api.GetAgentConnectionSettingsReply:
        """Show what one agent should have, as of now, and how far it is."""
        tenant_id, uid = _tenant(request.tenant_id), _uid(request.instance_uid)
        async with self._pool.acquire() as connection, connection.transaction():
            agents = await self._store.agents(connection, tenant_id, [uid])
            if not agents:
                raise AgentNotFound
            standing = await self._store.load(connection, tenant_id, uid) or Standing(tenant_id, uid)
            policies = await self._policies.current(connection, tenant_id)
            composed = await self._composer.compose_from(
                connection,
                policies,
                (tenant_id, uid),
                replace(agents[0].taker, retries=standing.retries),
                has_credential=agents[0].has_credential,
            )
        current = composed.hash == standing.desired_hash
        state = standing.state if current else State.PENDING if composed.hash else State.NONE
        failed = current and standing.state is State.FAILED
        reply = api.GetAgentConnectionSettingsReply(
            desired_hash=composed.hash,
            offered_hash=standing.offered_hash,
            reported_hash=agents[0].situation.reported_hash,
            state=state.value,
            error_message=(standing.reported_error if failed else "") or composed.fault,
            policies=composed.policies,
        )
        if composed.offers is not None:
            reply.desired.CopyFrom(masked(composed.offers))
        if standing.offered_at is not None:
            reply.offered_at.FromDatetime(standing.offered_at)
        return reply

    async def retry(self, request: api.RetryConnectionSettingsRequest) -> api.RetryConnectionSettingsReply:
        """Offer again what failed or was left unanswered; nothing else is disturbed."""
        tenant_id, uid = _tenant(request.tenant_id), _uid(request.instance_uid)
        async with self._pool.acquire() as connection, connection.transaction():
            if not await self._store.agents(connection, tenant_id, [uid]):
                raise AgentNotFound
            standing = await self._store.load(connection, tenant_id, uid)
            if standing is not None:
                locked = (await self._store.lock(connection, tenant_id, [uid]))[uid]
                now = await connection.fetchval("SELECT now()")
                await self._store.save(connection, None, [(insist(locked, now), None)])
        log.info("connection_settings_retried", uid=uid.hex(), author=request.author[:MAX_AUTHOR_CHARACTERS])
        self._desk.hint([(tenant_id, uid)])
        return api.RetryConnectionSettingsReply()


def policy_of(policy: Policy) -> api.ConnectionSettingsPolicy:
    """Write one policy as callers see it: without secrets."""
    view = api.ConnectionSettingsPolicy(
        tenant_id=policy.tenant_id,
        name=policy.name,
        selector=policy.selector,
        priority=policy.priority,
        settings=masked(policy.settings),
        version=policy.version,
        author=policy.author,
    )
    if policy.created_at is not None:
        view.created_at.FromDatetime(policy.created_at)
    if policy.updated_at is not None:
        view.updated_at.FromDatetime(policy.updated_at)
    return view


def _policy_of(written: api.ConnectionSettingsPolicy) -> Policy:
    settings = type(written.settings)()
    settings.CopyFrom(written.settings)
    settings.hash = b""
    return Policy(
        _tenant(written.tenant_id),
        written.name,
        settings,
        dict(written.selector),
        written.priority,
        author=written.author,
    )


def _tenant(tenant_id: str) -> str:
    if not is_tenant_id(tenant_id):
        raise InvalidQuery("tenant_id", "is not a tenant id")
    return tenant_id


def _name(name: str) -> str:
    if not settings_validation.NAME.fullmatch(name):
        raise InvalidQuery("name", "is not a name of connection settings")
    return name


def _uid(uid: bytes) -> bytes:
    if len(uid) != UID_LENGTH:
        raise InvalidQuery("instance_uid", f"must be {UID_LENGTH} bytes")
    return uid
