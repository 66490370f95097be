"""
Make certain what announcements only make quick: connections that must not be end, and so do credentials' and
ephemeral agents' lives. One replica does it, by looking at the tables.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import structlog

from agent_state import announcer, metrics
from agent_state.offers import Target

if TYPE_CHECKING:
    import asyncpg

    from agent_state.access import Access
    from agent_state.deletion import Deletion
    from agent_state.identity_store import IdentityStore
    from agent_state.offers import Offers
    from servicekit.clock import Clock

log = structlog.get_logger()

BATCH = 500
MAX_BATCHES = 20
"""The rest waits for the next time, so that looking for connections does not wait."""

RECENT_SECONDS = 3600.0
"""Ended longer ago than this, a token or credential is looked for only when this replica begins to lead."""

GRACE_SECONDS = 120.0
"""So long a connection may outlive its credential: one that was replaced may still be on its way out."""

PRUNE_SECONDS = 3600.0
KEPT_DAYS = 90
"""How long credentials that ended stay to be seen."""

_TARGET = "a.tenant_id, a.agent_uid, a.epoch, coalesce(p.gateway_id, a.gateway_id) AS gateway_id"
_PRESENCE = "LEFT JOIN agent_presence p ON p.tenant_id = a.tenant_id AND p.agent_uid = a.agent_uid"
_UNWELCOME = f"""
SELECT {_TARGET}, 'agent' AS cause FROM agent_identity i
JOIN agent a ON a.tenant_id = i.tenant_id AND a.agent_uid = i.agent_uid {_PRESENCE}
WHERE i.approval IN ('rejected', 'revoked') AND a.link = 'connected'
UNION ALL
SELECT {_TARGET}, 'credential' FROM agent_credential c
JOIN agent a ON a.tenant_id = c.tenant_id AND a.agent_uid = c.agent_uid AND a.credential_id = c.id {_PRESENCE}
WHERE c.state = 'revoked' AND a.link = 'connected'
UNION ALL
SELECT {_TARGET}, 'approved' FROM agent a LEFT JOIN agent_identity i
  ON i.tenant_id = a.tenant_id AND i.agent_uid = a.agent_uid {_PRESENCE}
WHERE a.withheld AND a.link = 'connected' AND coalesce(i.approval, 'approved') = 'approved'
LIMIT 10000
"""  # noqa: S608 - constants
# Credentials that ended by themselves; the agent was given another one long before, or shows a token again.
_OUTLIVED = f"""
SELECT {_TARGET}, 'outlived' AS cause FROM agent_credential c
JOIN agent a ON a.tenant_id = c.tenant_id AND a.agent_uid = c.agent_uid AND a.credential_id = c.id {_PRESENCE}
WHERE c.state = 'superseded' AND a.link = 'connected' AND c.ended_at < now() - make_interval(secs => $2)
  AND ($1::float8 IS NULL OR c.ended_at > now() - make_interval(secs => $1))
UNION ALL
SELECT {_TARGET}, 'outlived' FROM agent_credential c
JOIN agent a ON a.tenant_id = c.tenant_id AND a.agent_uid = c.agent_uid AND a.credential_id = c.id {_PRESENCE}
WHERE c.state IN ('candidate', 'current') AND a.link = 'connected'
  AND c.expires_at < now() - make_interval(secs => $2)
  AND ($1::float8 IS NULL OR c.expires_at > now() - make_interval(secs => $1))
LIMIT 10000
"""  # noqa: S608 - constants
_REVOKED_TOKENS = """
SELECT tenant_id, id FROM enrolment_token
WHERE revoked_at IS NOT NULL AND ($1::float8 IS NULL OR revoked_at > now() - make_interval(secs => $1))
"""
_BY_TOKEN = f"""
SELECT {_TARGET}, 'token' AS cause
FROM agent a JOIN unnest($1::text[], $2::text[]) AS t (tenant_id, id)
  ON t.tenant_id = a.tenant_id AND t.id = a.credential_id {_PRESENCE}
WHERE a.link = 'connected' LIMIT 10000
"""  # noqa: S608 - constants
# A certificate is renewed by its agent. Who has a younger credential that counts already is waited for.
_DUE = """
SELECT DISTINCT c.tenant_id, c.agent_uid FROM agent_credential c
JOIN agent_identity i ON i.tenant_id = c.tenant_id AND i.agent_uid = c.agent_uid AND i.approval = 'approved'
WHERE c.state IN ('candidate', 'current') AND c.kind IN ('bearer', 'jwt')
  AND c.renew_at <= now() AND c.expires_at > now()
  AND NOT EXISTS (SELECT FROM agent_credential n WHERE n.tenant_id = c.tenant_id AND n.agent_uid = c.agent_uid
    AND n.expires_at > now() AND (
      n.version > c.version AND (n.state = 'current' OR n.state = 'candidate' AND n.kind <> 'certificate')
      OR n.kind = 'certificate' AND n.state = 'current' AND c.state = 'candidate'))
LIMIT $1
"""
_EPHEMERAL = """
SELECT i.tenant_id, i.agent_uid, i.ephemeral_seconds FROM agent_identity i
LEFT JOIN agent a ON a.tenant_id = i.tenant_id AND a.agent_uid = i.agent_uid
WHERE i.ephemeral_seconds > 0 AND i.approval IN ('approved', 'pending') AND a.link IS DISTINCT FROM 'connected'
  AND greatest(a.last_disconnected_at, i.admitted_at) < now() - make_interval(secs => i.ephemeral_seconds)
LIMIT $1
"""
_PRUNE = """
DELETE FROM agent_credential c
WHERE (c.state IN ('superseded', 'revoked') AND c.ended_at < now() - make_interval(days => $1))
   OR c.expires_at < now() - make_interval(days => $1)
"""
# A decision other than approval stays for ever; approval of an agent nobody knows any more is the same as none.
_PRUNE_IDENTITIES = """
DELETE FROM agent_identity i
WHERE i.approval = 'approved' AND i.admitted_at < now() - make_interval(days => $1)
  AND NOT EXISTS (SELECT FROM agent a WHERE a.tenant_id = i.tenant_id AND a.agent_uid = i.agent_uid)
  AND NOT EXISTS (SELECT FROM agent_credential c WHERE c.tenant_id = i.tenant_id AND c.agent_uid = i.agent_uid)
"""
_PRUNE_ENROLMENTS = """
DELETE FROM enrolment e
WHERE e.enrolled_at < now() - make_interval(days => $1)
  AND NOT EXISTS (SELECT FROM agent_identity i WHERE i.tenant_id = e.tenant_id AND i.agent_uid = e.agent_uid)
"""


class AccessSweeper:
    """
    Looks for what should have ended.

    Args:
        sweep_seconds: How often connections are looked at.

        upkeep_seconds: How often credentials and ephemeral agents are.
    """

    def __init__(
        self,
        pool: asyncpg.Pool,
        *,
        identities: IdentityStore,
        access: Access,
        deletion: Deletion,
        offers: Offers,
        clock: Clock,
        sweep_seconds: float,
        upkeep_seconds: float,
    ) -> None:
        self._pool = pool
        self._identities = identities
        self._access = access
        self._deletion = deletion
        self._offers = offers
        self._clock = clock
        self._sweep_seconds = sweep_seconds
        self._upkeep_seconds = upkeep_seconds
        self._next_prune = 0.0

    async def run(self) -> None:
        """Look for as long as this replica leads."""
        _ = await self.close_unwelcome(None)
        next_upkeep = self._clock.monotonic()
        next_sweep = next_upkeep + self._sweep_seconds
        while True:
            if self._clock.monotonic() >= next_upkeep:
                await self.keep_up()
                next_upkeep = self._clock.monotonic() + self._upkeep_seconds
            await self._clock.sleep(max(min(next_upkeep, next_sweep) - self._clock.monotonic(), 0))
            if self._clock.monotonic() >= next_sweep:
                _ = await self.close_unwelcome(RECENT_SECONDS + self._sweep_seconds)
                next_sweep = self._clock.monotonic() + self._sweep_seconds

    async def close_unwelcome(self, recent_seconds: float | None) -> int:
        """
        Ask gateways to end connections that must not be; return how many.

        Args:
            recent_seconds: Look for tokens revoked, and credentials outlived, within this time; None for all.
        """
        rows = await self._pool.fetch(_UNWELCOME)
        rows += await self._pool.fetch(_OUTLIVED, recent_seconds, GRACE_SECONDS)
        tokens = await self._pool.fetch(_REVOKED_TOKENS, recent_seconds)
        if tokens:
            rows += await self._pool.fetch(
                _BY_TOKEN, [token["tenant_id"] for token in tokens], [token["id"] for token in tokens]
            )
        groups: dict[str, list[Target]] = defaultdict(list)
        for row in rows:
            metrics.UNWELCOME.labels(row["cause"]).inc()
            reason = announcer.APPROVED if row["cause"] == "approved" else announcer.UNAUTHORISED
            groups[reason].append(Target(row["tenant_id"], row["agent_uid"], row["epoch"], row["gateway_id"]))
        for reason, targets in groups.items():
            log.info("unwelcome_connections", agents=len(targets), reason=reason)
            await self._offers.close(targets, reason)
        return len(rows)

    async def keep_up(self) -> None:
        """Renew credentials, forget ephemeral agents, remove what ended long ago."""
        for _ in range(MAX_BATCHES):
            if await self.renew() < BATCH:
                break
        for _ in range(MAX_BATCHES):
            if await self.forget_ephemeral() < BATCH:
                break
        if self._clock.monotonic() >= self._next_prune:
            _ = await self._pool.execute(_PRUNE, KEPT_DAYS)
            _ = await self._pool.execute(_PRUNE_IDENTITIES, KEPT_DAYS)
            _ = await self._pool.execute(_PRUNE_ENROLMENTS, KEPT_DAYS)
            self._next_prune = self._clock.monotonic() + PRUNE_SECONDS

    async def renew(self) -> int:
        """Make new candidates where two thirds of a credential's life are over; return how many were looked at."""
        if not self._access.can_renew:
            return 0
        rows = await self._pool.fetch(_DUE, BATCH)
        renewed = 0
        for row in rows:
            async with self._pool.acquire() as connection, connection.transaction():
                identity = await self._identities.hold(connection, row["tenant_id"], row["agent_uid"])
                if identity is not None:
                    renewed += await self._access.renew_if_due(connection, identity)
        if renewed:
            log.info("credentials_renewed", agents=renewed)
        return len(rows)

    async def forget_ephemeral(self) -> int:
        """Forget ephemeral agents that were away for too long; return how many were looked at."""
        rows = await self._pool.fetch(_EPHEMERAL, BATCH)
        forgotten = 0
        for row in rows:
            forgotten += await self._deletion.forget_ephemeral(row["tenant_id"], row["agent_uid"])
        if forgotten:
            metrics.FORGOTTEN.inc(forgotten)
            log.info("ephemeral_agents_forgotten", agents=forgotten)
        return len(rows)
