"""The questions config-service answers: bytes to one call and back. No SQL, no decisions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from config_service import attempt_store, configuration_store, wire
from config_service.errors import ConfigurationNotFound, VersionNotFound
from contracts import subjects
from contracts.ids import UID_LENGTH, is_tenant_id
from fleet.api.v1 import config_service_pb2 as api
from fleet.api.v1 import page_pb2
from servicekit.errors import Invalid, Problem
from servicekit.paging import cut, page_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    import asyncpg
    from google.protobuf.message import Message

    from config_service.configuration_store import Version
    from config_service.configurations import Configurations
    from config_service.people import Explained, People

MAX_ASKED_AGENTS = 1000
MAX_PUSHED_AGENTS = 10_000
MAX_TEXT = 1024

Handler = "Callable[[Any], Awaitable[Message]]"


class Questions:
    """
    Answers.

    Args:
        pool: For reading.

        configurations: For what people do with configurations.

        people: For what people do with agents.
    """

    def __init__(self, pool: asyncpg.Pool, configurations: Configurations, people: People) -> None:
        self._pool = pool
        self._configurations = configurations
        self._people = people

    def handlers(self) -> Mapping[Any, Callable[[Any], Awaitable[Message]]]:
        """Return every method this service answers and what answers it."""
        return {
            subjects.CREATE_CONFIGURATION: self.create_configuration,
            subjects.UPDATE_CONFIGURATION: self.update_configuration,
            subjects.GET_CONFIGURATION: self.get_configuration,
            subjects.LIST_CONFIGURATIONS: self.list_configurations,
            subjects.DELETE_CONFIGURATION: self.delete_configuration,
            subjects.LIST_VERSIONS: self.list_versions,
            subjects.GET_VERSION: self.get_version,
            subjects.ROLLBACK_CONFIGURATION: self.rollback_configuration,
            subjects.PUSH_CONFIGURATION: self.push_configuration,
            subjects.LIST_ATTEMPTS: self.list_attempts,
            subjects.GET_CONFIGURATION_STATUS: self.get_configuration_status,
            subjects.GET_AGENT_CONFIGURATIONS: self.get_agent_configurations,
            subjects.ASSIGN_CONFIGURATION: self.assign_configuration,
            subjects.CLEAR_FAILURE: self.clear_failure,
        }

    async def create_configuration(self, request: api.CreateConfigurationRequest) -> api.CreateConfigurationReply:
        """Make a configuration."""
        _check(request)
        version = await self._configurations.create(
            request.tenant_id,
            request.name,
            wire.draft_of(request.draft),
            author=request.author,
            comment=request.comment,
            dry_run=request.dry_run,
        )
        return api.CreateConfigurationReply(configuration=_message(version))

    async def update_configuration(self, request: api.UpdateConfigurationRequest) -> api.UpdateConfigurationReply:
        """Edit a configuration."""
        _check(request)
        version, changed = await self._configurations.update(
            request.tenant_id,
            request.name,
            wire.draft_of(request.draft),
            expected_version=request.expected_version,
            author=request.author,
            comment=request.comment,
            dry_run=request.dry_run,
        )
        return api.UpdateConfigurationReply(configuration=_message(version), changed=changed)

    async def get_configuration(self, request: api.GetConfigurationRequest) -> api.GetConfigurationReply:
        """Return the current version."""
        _check(request)
        async with self._pool.acquire() as connection:
            version = await configuration_store.current(connection, request.tenant_id, request.name)
        if version is None:
            raise ConfigurationNotFound(request.name)
        return api.GetConfigurationReply(configuration=_message(version))

    async def list_configurations(self, request: api.ListConfigurationsRequest) -> api.ListConfigurationsReply:
        """List current versions."""
        _check(request)
        sort = request.sort or "name"
        if sort not in configuration_store.SORTS:
            raise _invalid("sort", f"must be one of: {', '.join(configuration_store.SORTS)}")
        types = sorted(request.content_types)
        page = page_of(
            request.page, "configurations", request.tenant_id, request.search, sort, request.descending, types
        )
        rows, total = await configuration_store.list_current(
            self._pool,
            request.tenant_id,
            page,
            search=request.search,
            content_types=types,
            sort=sort,
            descending=request.descending,
            without_body=request.without_body,
        )
        shown, cursor = cut(rows, page, lambda row: (_sort_key(row, sort), row.name))
        return api.ListConfigurationsReply(
            configurations=[_message(row) for row in shown], page=page_pb2.PageReply(total=total, next_cursor=cursor)
        )

    async def delete_configuration(self, request: api.DeleteConfigurationRequest) -> api.DeleteConfigurationReply:
        """Take a configuration out of use."""
        _check(request)
        await self._configurations.delete(
            request.tenant_id, request.name, expected_version=request.expected_version, author=request.author
        )
        return api.DeleteConfigurationReply()

    async def list_versions(self, request: api.ListVersionsRequest) -> api.ListVersionsReply:
        """List versions, newest first, the current one included."""
        _check(request)
        page = page_of(request.page, "versions", request.tenant_id, request.name)
        rows, total = await configuration_store.list_versions(self._pool, request.tenant_id, request.name, page)
        if not rows:
            await self.get_configuration(api.GetConfigurationRequest(tenant_id=request.tenant_id, name=request.name))
        shown, cursor = cut(rows, page, lambda row: (str(row.version),))
        return api.ListVersionsReply(
            versions=[_message(row) for row in shown], page=page_pb2.PageReply(total=total, next_cursor=cursor)
        )

    async def get_version(self, request: api.GetVersionRequest) -> api.GetVersionReply:
        """Return one version."""
        _check(request)
        _check_version(request.version)
        async with self._pool.acquire() as connection:
            version = await configuration_store.one(connection, request.tenant_id, request.name, request.version)
            if (
                version is None
                and await configuration_store.current(connection, request.tenant_id, request.name) is None
            ):
                raise ConfigurationNotFound(request.name)
        if version is None:
            raise VersionNotFound(request.name, request.version)
        return api.GetVersionReply(configuration=_message(version))

    async def rollback_configuration(self, request: api.RollbackConfigurationRequest) -> api.RollbackConfigurationReply:
        """Make a new version equal to an old one."""
        _check(request)
        _check_version(request.version)
        version = await self._configurations.roll_back(
            request.tenant_id,
            request.name,
            request.version,
            expected_version=request.expected_version,
            author=request.author,
            comment=request.comment,
        )
        return api.RollbackConfigurationReply(configuration=_message(version))

    async def push_configuration(self, request: api.PushConfigurationRequest) -> api.PushConfigurationReply:
        """Offer a configuration now."""
        _check(request)
        uids = _uids(request.instance_uids, MAX_PUSHED_AGENTS)
        result = await self._people.push(request.tenant_id, request.name, uids, author=request.author)
        return api.PushConfigurationReply(
            affected_uids=result.affected,
            failed=[api.PushFailure(instance_uid=uid, reason=reason) for uid, reason in result.failed.items()],
        )

    async def list_attempts(self, request: api.ListAttemptsRequest) -> api.ListAttemptsReply:
        """List the ledger of a configuration, of an agent, or of both."""
        _check(request)
        if not request.name and not request.instance_uid:
            raise _invalid("name", "give the name of a configuration, the id of an agent, or both")
        uid = _uids([request.instance_uid], 1)[0] if request.instance_uid else None
        page = page_of(
            request.page, "attempts", request.tenant_id, request.name, request.instance_uid, sorted(request.statuses)
        )
        rows, total, counts = await attempt_store.list_rows(
            self._pool, request.tenant_id, page, name=request.name, uid=uid, statuses=list(request.statuses)
        )
        shown, cursor = cut(rows, page, lambda row: (str(row.attempt.id),))
        return api.ListAttemptsReply(
            attempts=[wire.attempt_message(row.uid, row.attempt, row.created_at, row.updated_at) for row in shown],
            page=page_pb2.PageReply(total=total, next_cursor=cursor),
            status_counts=counts,
        )

    async def get_configuration_status(
        self, request: api.GetConfigurationStatusRequest
    ) -> api.GetConfigurationStatusReply:
        """Count the agents that should run a configuration."""
        _check(request)
        by_state, connected = await self._people.status(request.tenant_id, request.name)
        return api.GetConfigurationStatusReply(desired=sum(by_state.values()), connected=connected, by_state=by_state)

    async def get_agent_configurations(
        self, request: api.GetAgentConfigurationsRequest
    ) -> api.GetAgentConfigurationsReply:
        """Say where agents stand and why."""
        _check(request)
        explained = await self._people.explain(request.tenant_id, _uids(request.instance_uids, MAX_ASKED_AGENTS))
        return api.GetAgentConfigurationsReply(agents=[_agent(item) for item in explained])

    async def assign_configuration(self, request: api.AssignConfigurationRequest) -> api.AssignConfigurationReply:
        """Assign an agent to a configuration."""
        _check(request)
        (uid,) = _uids([request.instance_uid], 1)
        explained = await self._people.assign(request.tenant_id, uid, request.name, author=request.author)
        return api.AssignConfigurationReply(agent=_agent(explained))

    async def clear_failure(self, request: api.ClearFailureRequest) -> api.ClearFailureReply:
        """Let a quarantined configuration be offered again."""
        _check(request)
        (uid,) = _uids([request.instance_uid], 1)
        explained = await self._people.clear_failure(request.tenant_id, uid, author=request.author)
        return api.ClearFailureReply(agent=_agent(explained))


def _message(version: Version) -> api.Configuration:
    return wire.configuration_message(
        version.tenant_id,
        version.name,
        version.document,
        version=version.version,
        version_id=version.version_id,
        author=version.author,
        comment=version.comment,
        rolled_back_to=version.rolled_back_to,
        created_at=version.created_at,
        updated_at=version.updated_at,
        last_applied_at=version.last_applied_at,
        config_hash=version.config_hash,
    )


def _agent(explained: Explained) -> api.AgentConfiguration:
    return wire.agent_message(explained.target, explained.candidates)


def _sort_key(row: Version, sort: str) -> str:
    match sort:
        case "created_at":
            return row.created_at.isoformat()
        case "updated_at":
            return row.updated_at.isoformat()
        case "priority":
            return str(row.document.priority)
        case _:
            return row.name


def _check(request: Any) -> None:
    """Refuse a tenant that cannot be, and text that cannot be stored or compared."""
    if not is_tenant_id(request.tenant_id):
        raise _invalid("tenant_id", "must be lower-case letters, digits and hyphens")
    for field, value in request.ListFields():
        if field.type != field.TYPE_STRING:
            continue
        for text in (value,) if isinstance(value, str) else value:
            if len(text) > MAX_TEXT or "\x00" in text:
                raise _invalid(field.name, f"must be at most {MAX_TEXT} characters, none of them NUL")


def _check_version(version: int) -> None:
    if not 0 < version < 1 << 63:
        raise _invalid("version", "must be a positive number")


def _uids(uids: Sequence[bytes], limit: int) -> list[bytes]:
    if len(uids) > limit:
        raise _invalid("instance_uids", f"must be at most {limit}")
    if any(len(uid) != UID_LENGTH for uid in uids):
        raise _invalid("instance_uid", f"must be {UID_LENGTH} bytes")
    return list(uids)


def _invalid(field: str, message: str) -> Invalid:
    return Invalid(f"{field} {message}", details=[Problem(field, message)])
