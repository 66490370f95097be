"""Read agents: pages with filters and sorts, one agent whole, and the counts. Never writes."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from agent_state.agent import CONFIG_STATES, HEALTH_STATES, LINKS, STATUSES
from agent_state.paging import Page, Position, sort_column
from agent_state.report_store import REPORT_TABLES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import asyncpg

_ROW = """a.tenant_id, a.agent_uid, a.name, a.version, a.hostname, a.os_type, a.architecture, a.status, a.link,
  a.health_state, a.health_error, a.config_state, a.config_error, a.last_connected_at, a.last_disconnected_at,
  a.disconnect_reason, a.transport, a.remote_address, a.epoch, a.agent_sequence_num, a.capabilities,
  a.remote_config_hash, a.credential_id, a.stamped_labels, a.created_at, a.updated_at"""
_IDENTITY_COLUMNS = """coalesce(i.approval, 'approved') AS approval,
  coalesce(i.ephemeral_seconds, 0) AS ephemeral_seconds,
  coalesce(nullif(i.enrolment_token_id, ''), k.id, '') AS enrolment_token_id"""
# An agent without an identity came by a token that keeps no list, if the id it came by is a token's.
_IDENTITY = """LEFT JOIN agent_identity i ON i.tenant_id = a.tenant_id AND i.agent_uid = a.agent_uid
  LEFT JOIN enrolment_token k ON k.tenant_id = a.tenant_id AND k.id = a.credential_id"""
_PRESENCE = "JOIN agent_presence p ON p.tenant_id = a.tenant_id AND p.agent_uid = a.agent_uid"
_DESCRIPTION = "JOIN agent_description d ON d.tenant_id = a.tenant_id AND d.agent_uid = a.agent_uid"

_ONE = (
    f"SELECT {_ROW}, {_IDENTITY_COLUMNS}, p.last_seen_at, p.gateway_id, d.labels, d.report AS description, "  # noqa: S608 - constants
    "b.body AS effective_config, "
    + ", ".join(f"{table}.report AS {kind}" for kind, table in REPORT_TABLES.items())
    + ", coalesce(l.body, c.report) AS components"
    + f" FROM agent a LEFT {_PRESENCE} LEFT {_DESCRIPTION} {_IDENTITY}"
    + "".join(
        f" LEFT JOIN {table} ON {table}.tenant_id = a.tenant_id AND {table}.agent_uid = a.agent_uid"
        for table in REPORT_TABLES.values()
    )
    + """ LEFT JOIN agent_components c ON c.tenant_id = a.tenant_id AND c.agent_uid = a.agent_uid
 LEFT JOIN component_list l ON l.tenant_id = c.tenant_id AND l.components_hash = c.components_hash
 LEFT JOIN effective_config e ON e.tenant_id = a.tenant_id AND e.agent_uid = a.agent_uid
 LEFT JOIN effective_config_body b ON b.tenant_id = e.tenant_id AND b.body_hash = e.body_hash
WHERE a.tenant_id = $1 AND a.agent_uid = $2"""
)
_UID_TEXT = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F-]{1,27}")
_EXISTS = "SELECT EXISTS (SELECT FROM agent WHERE tenant_id = $1 AND agent_uid = $2)"
_COUNTS = """
SELECT status, link, health_state, config_state, count(*) AS agents FROM agent
WHERE tenant_id = $1 GROUP BY status, link, health_state, config_state
"""
_CONNECTION = """tenant_id, agent_uid, epoch, connected_at, disconnected_at, disconnect_reason,
  coalesce(duration_seconds, greatest(0, extract(epoch FROM now() - connected_at))::double precision)
  AS duration_seconds, remote_address, gateway_id, transport, updated_at"""
_HISTORY = f"""
SELECT {_CONNECTION} FROM agent_connection
WHERE tenant_id = $1 AND agent_uid = $2 AND ($3::timestamptz IS NULL OR (connected_at, epoch) < ($3, $4))
ORDER BY connected_at DESC, epoch DESC LIMIT $5 OFFSET $6
"""  # noqa: S608 - constants
_HISTORY_COUNT = "SELECT count(*) FROM agent_connection WHERE tenant_id = $1 AND agent_uid = $2"
_ACTIVE = f"""
SELECT {_CONNECTION} FROM agent_connection c
WHERE tenant_id = $1 AND agent_uid = $2 AND (connected_at, epoch) = (
  SELECT last_connected_at, epoch FROM agent WHERE tenant_id = $1 AND agent_uid = $2 AND link = 'connected')
"""  # noqa: S608 - constants


@dataclass(frozen=True, slots=True)
class Filter:
    """Which agents; empty fields do not filter."""

    statuses: Sequence[str] = ()
    config_states: Sequence[str] = ()
    health_states: Sequence[str] = ()
    approvals: Sequence[str] = ()
    search: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Summary:
    """How many agents there are, counted four ways."""

    total: int
    by_status: dict[str, int]
    by_link: dict[str, int]
    by_health_state: dict[str, int]
    by_config_state: dict[str, int]
    live_gateways: int
    """Gateways whose lease is alive, of all tenants."""


_LIVE_GATEWAYS = "SELECT count(*) FROM gateway_lease WHERE expires_at > now()"


class AgentQuery:
    """Answers questions about agents from the pool, outside any transaction."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def list(
        self, tenant_id: str, wanted: Filter, sort: str, page: Page, *, descending: bool
    ) -> tuple[Sequence[asyncpg.Record], int]:
        """Return one page of rows with their `sort_value`, and how many agents match on all pages."""
        arguments: list[Any] = [tenant_id]
        where = _where(wanted, arguments)
        joins = f" {_DESCRIPTION}" if wanted.labels else ""
        total: int = await self._pool.fetchval(
            f"SELECT count(*) FROM agent a{joins} WHERE {where}",  # noqa: S608 - values are parameters
            *arguments,
        )
        column = sort_column(sort)
        if sort == "last_seen_at":
            joins += f" {_PRESENCE}"
        direction, compare = ("DESC", "<") if descending else ("ASC", ">")
        if page.after is not None:
            arguments += [page.after.value, bytes.fromhex(page.after.row_id)]
            where += f" AND ({column}, a.agent_uid) {compare} (${len(arguments) - 1}, ${len(arguments)})"
        arguments += [page.limit, page.offset]
        inner = (
            f"SELECT a.*, {column} AS sort_value FROM agent a{joins} WHERE {where} "  # noqa: S608 - values are parameters
            f"ORDER BY {column} {direction}, a.agent_uid {direction} "
            f"LIMIT ${len(arguments) - 1} OFFSET ${len(arguments)}"
        )
        rows = await self._pool.fetch(
            f"SELECT {_ROW}, {_IDENTITY_COLUMNS}, a.sort_value, p.last_seen_at, p.gateway_id, d.labels "  # noqa: S608 - see above
            f"FROM ({inner}) a LEFT {_PRESENCE} LEFT {_DESCRIPTION} {_IDENTITY} "
            f"ORDER BY a.sort_value {direction}, a.agent_uid {direction}",
            *arguments,
        )
        return rows, total

    async def get(self, tenant_id: str, uid: bytes) -> asyncpg.Record | None:
        """Return everything about one agent."""
        return await self._pool.fetchrow(_ONE, tenant_id, uid)

    async def exists(self, tenant_id: str, uid: bytes) -> bool:
        """Say whether there is such an agent."""
        found: bool = await self._pool.fetchval(_EXISTS, tenant_id, uid)
        return found

    async def summary(self, tenant_id: str) -> Summary:
        """Count agents; every value of every state is present."""
        rows = await self._pool.fetch(_COUNTS, tenant_id)
        counted = {column: Counter[str]() for column in ("status", "link", "health_state", "config_state")}
        for row in rows:
            for column, counter in counted.items():
                counter[row[column]] += row["agents"]
        return Summary(
            counted["status"].total(),
            {state: counted["status"][state] for state in STATUSES},
            {state: counted["link"][state] for state in LINKS},
            {state: counted["health_state"][state] for state in HEALTH_STATES},
            {state: counted["config_state"][state] for state in CONFIG_STATES},
            await self._pool.fetchval(_LIVE_GATEWAYS),
        )

    async def history(self, tenant_id: str, uid: bytes, page: Page) -> tuple[Sequence[asyncpg.Record], int]:
        """Return one page of an agent's connections, newest first, and how many there are."""
        after: Position | None = page.after
        rows = await self._pool.fetch(
            _HISTORY,
            tenant_id,
            uid,
            after.value if after is not None else None,
            int(after.row_id) if after is not None else None,
            page.limit,
            page.offset,
        )
        total: int = await self._pool.fetchval(_HISTORY_COUNT, tenant_id, uid)
        return rows, total

    async def active_connection(self, tenant_id: str, uid: bytes) -> asyncpg.Record | None:
        """Return the open connection of an agent, if it has one."""
        return await self._pool.fetchrow(_ACTIVE, tenant_id, uid)


def _where(wanted: Filter, arguments: list[Any]) -> str:
    """Write the conditions; every value becomes a parameter."""
    conditions = ["a.tenant_id = $1"]
    for column, values in (
        ("status", wanted.statuses),
        ("config_state", wanted.config_states),
        ("health_state", wanted.health_states),
    ):
        if values:
            arguments.append(list(values))
            conditions.append(f"a.{column} = ANY (${len(arguments)}::text[])")
    if wanted.approvals:
        arguments.append(list(wanted.approvals))
        conditions.append(_approved_as(len(arguments), approved="approved" in wanted.approvals))
    if wanted.search:
        # search_text holds the id without hyphens; people paste it with them.
        text = wanted.search.replace("-", "") if _UID_TEXT.fullmatch(wanted.search) else wanted.search
        arguments.append(_pattern(text))
        conditions.append(f"a.search_text LIKE ${len(arguments)}")
    if wanted.labels:
        arguments.append(dict(wanted.labels))
        conditions.append(f"d.labels @> ${len(arguments)}::jsonb")
    return " AND ".join(conditions)


def _approved_as(number: int, *, approved: bool) -> str:
    """Write the condition for approvals; those not approved are few and have rows with an index of their own."""
    some = "SELECT FROM agent_identity n WHERE n.tenant_id = a.tenant_id AND n.agent_uid = a.agent_uid"
    if approved:
        return f"NOT EXISTS ({some} AND n.approval <> ALL (${number}::text[]))"
    return f"EXISTS ({some} AND n.approval = ANY (${number}::text[]) AND n.approval <> 'approved')"


def _pattern(text: str) -> str:
    escaped = text.lower().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"
