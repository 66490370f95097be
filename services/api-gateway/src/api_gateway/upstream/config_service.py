"""Questions to config-service."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from api_gateway.compose.configurations import draft_message, push_message
from api_gateway.models.configurations import (
    AttemptQuery,
    ConfigurationChange,
    ConfigurationQuery,
    NewConfiguration,
)
from api_gateway.models.paging import PageQuery
from api_gateway.paging import slices
from api_gateway.upstream.agent_state import page_of
from api_gateway.upstream.asking import Asking, Q, R
from contracts import subjects
from contracts.ids import AgentUid
from contracts.subjects import Method
from fleet.api.v1 import config_service_pb2 as messages
from fleet.api.v1.page_pb2 import PageRequest

BODY_SLICE = 20
"""Configurations with bodies per question: their answers must fit the bus."""

NAMES_TIMEOUT_SECONDS = 1.0
"""A list of agents does not wait longer for the names of their configurations."""

CHANGE_PATIENCE = 8
"""A change moves every agent it concerns before it is answered: it may take so many times longer than a question."""


class ConfigService(Asking):
    """config-service, seen from here."""

    async def create(
        self, tenant_id: str, document: NewConfiguration, author: str, *, dry_run: bool
    ) -> messages.Configuration:
        """Make a configuration; Conflict when the name exists, Invalid with positions when it does not parse."""
        request = messages.CreateConfigurationRequest(
            tenant_id=tenant_id,
            name=document.name,
            draft=draft_message(document),
            author=author,
            comment=document.comment,
            dry_run=dry_run,
        )
        return (await self._change(subjects.CREATE_CONFIGURATION, request)).configuration

    async def update(
        self,
        tenant_id: str,
        name: str,
        document: ConfigurationChange,
        author: str,
        *,
        expected_version: int,
        dry_run: bool,
    ) -> messages.UpdateConfigurationReply:
        """Change a configuration; PreconditionFailed when *expected_version* is set and not current."""
        request = messages.UpdateConfigurationRequest(
            tenant_id=tenant_id,
            name=name,
            draft=draft_message(document),
            expected_version=expected_version,
            author=author,
            comment=document.comment,
            dry_run=dry_run,
        )
        return await self._change(subjects.UPDATE_CONFIGURATION, request)

    async def get(self, tenant_id: str, name: str) -> messages.Configuration:
        """Get the current version; NotFound when there is none."""
        request = messages.GetConfigurationRequest(tenant_id=tenant_id, name=name)
        return (await self.ask(subjects.GET_CONFIGURATION, request)).configuration

    async def list_configurations(self, tenant_id: str, query: ConfigurationQuery) -> messages.ListConfigurationsReply:
        """List configurations; a large page with bodies is asked for in slices."""
        whole = messages.ListConfigurationsReply()
        cursor = query.cursor
        for number, size in enumerate(slices(query.limit, BODY_SLICE if query.body else query.limit)):
            reply = await self.ask(
                subjects.LIST_CONFIGURATIONS,
                messages.ListConfigurationsRequest(
                    tenant_id=tenant_id,
                    page=PageRequest(limit=size, offset=0 if number else query.offset, cursor=cursor),
                    search=query.search or query.q,
                    sort=query.sort.removeprefix("-"),
                    descending=query.sort.startswith("-"),
                    without_body=not query.body,
                    content_types=query.content_type,
                ),
            )
            whole.configurations.extend(reply.configurations)
            whole.page.CopyFrom(reply.page)
            cursor = reply.page.next_cursor
            if not cursor:
                break
        return whole

    async def delete(self, tenant_id: str, name: str, author: str, *, expected_version: int) -> None:
        """Delete a configuration; NotFound, PreconditionFailed."""
        request = messages.DeleteConfigurationRequest(
            tenant_id=tenant_id, name=name, expected_version=expected_version, author=author
        )
        await self._change(subjects.DELETE_CONFIGURATION, request)

    async def list_versions(self, tenant_id: str, name: str, query: PageQuery) -> messages.ListVersionsReply:
        """List versions, newest first; NotFound."""
        request = messages.ListVersionsRequest(tenant_id=tenant_id, name=name, page=page_of(query))
        return await self.ask(subjects.LIST_VERSIONS, request)

    async def get_version(self, tenant_id: str, name: str, version: int) -> messages.Configuration:
        """Get one version; NotFound."""
        request = messages.GetVersionRequest(tenant_id=tenant_id, name=name, version=version)
        return (await self.ask(subjects.GET_VERSION, request)).configuration

    async def rollback(
        self, tenant_id: str, name: str, version: int, author: str, comment: str, *, expected_version: int
    ) -> messages.Configuration:
        """Make a new version with the document of *version*; NotFound, PreconditionFailed."""
        request = messages.RollbackConfigurationRequest(
            tenant_id=tenant_id,
            name=name,
            version=version,
            expected_version=expected_version,
            author=author,
            comment=comment,
        )
        return (await self._change(subjects.ROLLBACK_CONFIGURATION, request)).configuration

    async def push(
        self, tenant_id: str, name: str, uids: Sequence[AgentUid], author: str
    ) -> messages.PushConfigurationReply:
        """Offer the current version to *uids*, or to every connected agent that should run it; NotFound."""
        request = push_message(tenant_id, name, uids, author)
        return await self._change(subjects.PUSH_CONFIGURATION, request)

    async def list_attempts(
        self, tenant_id: str, query: AttemptQuery, *, name: str = "", uid: bytes = b""
    ) -> messages.ListAttemptsReply:
        """List attempts of a configuration, or on an agent, newest first."""
        request = messages.ListAttemptsRequest(
            tenant_id=tenant_id, name=name, instance_uid=uid, statuses=query.status, page=page_of(query)
        )
        return await self.ask(subjects.LIST_ATTEMPTS, request)

    async def status(self, tenant_id: str, name: str) -> messages.GetConfigurationStatusReply:
        """Count the agents of a configuration by state; NotFound."""
        request = messages.GetConfigurationStatusRequest(tenant_id=tenant_id, name=name)
        return await self.ask(subjects.GET_CONFIGURATION_STATUS, request)

    async def of_agents(self, tenant_id: str, uids: Iterable[bytes]) -> dict[bytes, messages.AgentConfiguration]:
        """Tell what each agent gets and why; agents nobody knows are left out."""
        request = messages.GetAgentConfigurationsRequest(tenant_id=tenant_id, instance_uids=list(uids))
        if not request.instance_uids:
            return {}
        reply = await self.ask(
            subjects.GET_AGENT_CONFIGURATIONS,
            request,
            timeout_seconds=min(NAMES_TIMEOUT_SECONDS, self._timeout_seconds),
        )
        return {agent.instance_uid: agent for agent in reply.agents}

    async def assign(self, tenant_id: str, uid: AgentUid, name: str, author: str) -> messages.AgentConfiguration:
        """Assign a configuration to an agent by name; an empty name takes the assignment away."""
        request = messages.AssignConfigurationRequest(tenant_id=tenant_id, instance_uid=uid, name=name, author=author)
        return (await self.ask(subjects.ASSIGN_CONFIGURATION, request)).agent

    async def clear_failure(self, tenant_id: str, uid: AgentUid, author: str) -> messages.AgentConfiguration:
        """Let a configuration that failed on an agent be offered to it again."""
        request = messages.ClearFailureRequest(tenant_id=tenant_id, instance_uid=uid, author=author)
        return (await self.ask(subjects.CLEAR_FAILURE, request)).agent

    async def _change(self, method: Method[Q, R], request: Q) -> R:
        return await self.ask(method, request, timeout_seconds=CHANGE_PATIENCE * self._timeout_seconds)
