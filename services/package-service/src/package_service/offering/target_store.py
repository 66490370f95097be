"""Agents and where they stand with packages, in the database: the only place that writes those rows whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from package_service.offering import attempt_store
from package_service.offering.machine import Machine
from package_service.offering.standing import NEW, SUPERSEDED, Standing, State
from package_service.offering.target import Target
from servicekit import bulk
from servicekit.records import replace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    import asyncpg

    from servicekit.postgres import Connection

V = TypeVar("V")

HASH_BYTES = 32

_LOCK = """
SELECT * FROM package_target WHERE tenant_id = $1 AND instance_uid = ANY ($2::bytea[]) ORDER BY instance_uid FOR UPDATE
"""
_LOAD = "SELECT * FROM package_target WHERE tenant_id = $1 AND instance_uid = ANY ($2::bytea[])"
_STANDINGS = "SELECT * FROM agent_package WHERE tenant_id = $1 AND instance_uid = ANY ($2::bytea[])"

_DUE = """
SELECT tenant_id, instance_uid FROM package_target WHERE due_at <= clock_timestamp()
ORDER BY due_at, instance_uid LIMIT $1
"""
_LOCK_DUE = """
SELECT * FROM package_target
WHERE tenant_id = $1 AND instance_uid = ANY ($2::bytea[]) AND due_at <= clock_timestamp()
ORDER BY instance_uid FOR UPDATE SKIP LOCKED
"""

_CLOCK = "SELECT clock_timestamp()"
_FORGET = "DELETE FROM package_target WHERE tenant_id = $1 AND instance_uid = $2 AND epoch <= $3"
_FORGET_STANDINGS = "DELETE FROM agent_package WHERE tenant_id = $1 AND instance_uid = $2"
_FORGET_CHOICES = "DELETE FROM package_choice WHERE tenant_id = $1 AND instance_uid = $2"

# After an outage of the bus: what was recorded as offered may never have been heard; repeats begin anew.
_UNHEARD = """
UPDATE package_target SET retry_at = NULL, offer_count = 0, due_at = clock_timestamp()
WHERE connected AND desired_hash <> '' AND reported_hash <> desired_hash AND delivered_epoch <> epoch
"""
# Level-triggered: whatever was heard or lost, an agent that is there and has not the list it should have is due,
# unless something is waited for already.
_LEVEL = """
UPDATE package_target SET due_at = clock_timestamp()
WHERE due_at IS NULL AND connected AND NOT withheld AND desired_hash <> ''
  AND reported_hash <> desired_hash AND NOT (offered_hash = desired_hash AND delivered_epoch = epoch)
  AND timeouts < $1
"""
_UNDESCRIBED = """
SELECT tenant_id, instance_uid, epoch, gateway_id FROM package_target
WHERE connected AND NOT fences ? 'description' ORDER BY tenant_id, instance_uid LIMIT $1
"""

_TARGET: dict[str, tuple[str, str, Callable[[Target], object]]] = {
    "tenant_id": ("text", "tenant_id", lambda target: target.tenant_id),
    "instance_uid": ("bytea", "uid", lambda target: target.uid),
    "epoch": ("bigint", "epoch", lambda target: target.epoch),
    "gateway_id": ("text", "gateway_id", lambda target: target.gateway_id),
    "connected": ("boolean", "connected", lambda target: target.connected),
    "capabilities": ("bigint", "capabilities", lambda target: _signed(target.capabilities)),
    "labels": ("jsonb", "labels", lambda target: dict(target.labels)),
    "stamped_labels": ("jsonb", "stamped_labels", lambda target: dict(target.stamped_labels)),
    "withheld": ("boolean", "withheld", lambda target: target.withheld),
    "fences": ("jsonb", "fences", lambda target: target.fences),
    "platform": ("text", "machine", lambda target: target.machine.platform),
    "arch": ("text", "machine", lambda target: target.machine.arch),
    "healthy": ("boolean", "healthy", lambda target: target.healthy),
    "desired_hash": ("bytea", "desired_hash", lambda target: target.desired_hash),
    "held": ("text", "held", lambda target: target.held),
    "offered_hash": ("bytea", "offered_hash", lambda target: target.offered_hash),
    "content_hash": ("bytea", "content_hash", lambda target: target.content_hash),
    "offer_count": ("integer", "offer_count", lambda target: target.offer_count),
    "retry_at": ("timestamptz", "retry_at", lambda target: target.retry_at),
    "delivered_epoch": ("bigint", "delivered_epoch", lambda target: target.delivered_epoch),
    "waiting_since": ("timestamptz", "waiting_since", lambda target: target.waiting_since),
    "probed": ("boolean", "probed", lambda target: target.probed),
    "timeouts": ("integer", "timeouts", lambda target: target.timeouts),
    "reported_hash": ("bytea", "reported_hash", lambda target: target.reported_hash),
    "reported_error": ("text", "reported_error", lambda target: target.reported_error),
    "reported": ("jsonb", "reported", lambda target: target.reported),
    "failed": (
        "jsonb",
        "failed",
        lambda target: {name: b"".join(hashes).hex() for name, hashes in target.failed.items()},
    ),
    "dirty": ("boolean", "dirty", lambda target: target.dirty),
    "due_at": ("timestamptz", "due_at", lambda target: target.due_at),
}
"""Column to its type, the field it is made of, and its value."""

_STANDING: dict[str, tuple[str, Callable[[Standing], object]]] = {
    "package": ("text", lambda item: item.package),
    "assignment_id": ("uuid", lambda item: item.assignment_id),
    "version": ("text", lambda item: item.version),
    "file_id": ("uuid", lambda item: item.file_id),
    "package_hash": ("bytea", lambda item: item.package_hash),
    "content_hash": ("bytea", lambda item: item.content_hash),
    "listed_file_id": ("uuid", lambda item: item.listed_file_id),
    "state": ("text", lambda item: item.state.value),
    "percent": ("double precision", lambda item: item.percent),
    "error": ("text", lambda item: item.error),
    "failed_hashes": ("bytea", lambda item: b"".join(item.failed_hashes)),
    "attempt_id": ("bigint", lambda item: item.attempt_id),
    "requested_by": ("text", lambda item: item.requested_by),
    "since": ("timestamptz", lambda item: item.since),
    "moved_at": ("timestamptz", lambda item: item.moved_at),
}

_KEY = ("tenant_id", "instance_uid")
_READ = {name: (kind, read) for name, (kind, _, read) in _TARGET.items()}
_FIELDS = frozenset(field for _, field, _ in _TARGET.values()) - {"tenant_id", "uid"}
_ADD = """
INSERT INTO {table} ({names}) SELECT {values} FROM {rows} AS n
ON CONFLICT ({key}) DO UPDATE SET {assignments}
"""
# The uids are said twice so that the index leads to them, however many there are.
_UPDATE = """
UPDATE package_target t SET {assignments}, updated_at = now() FROM {rows} AS n
WHERE t.tenant_id = n.tenant_id AND t.instance_uid = n.instance_uid AND t.instance_uid = ANY ($1::bytea[])
"""
_REMOVE = """
DELETE FROM agent_package p USING unnest($2::bytea[], $3::text[]) AS n (instance_uid, package)
WHERE p.tenant_id = $1 AND p.instance_uid = n.instance_uid AND p.package = n.package
"""


async def now(connection: Connection) -> datetime:
    """Tell the database's time: the only clock that decides anything here."""
    moment: datetime = await connection.fetchval(_CLOCK)
    return moment


async def load(
    connection: Connection | asyncpg.Pool, tenant_id: str, uids: Sequence[bytes], *, lock: bool = False
) -> dict[bytes, Target]:
    """
    Load agents by uid; unknown ones are left out.

    Args:
        connection: With *lock*, inside a transaction.

        tenant_id: Whose agents.

        uids: 16 bytes each.

        lock: Keep others from changing them until the transaction ends; in order of uid, so that two who lock the
            same agents cannot stop each other.
    """
    return await _loaded(connection, tenant_id, await connection.fetch(_LOCK if lock else _LOAD, tenant_id, list(uids)))


async def load_due(connection: Connection, tenant_id: str, uids: Sequence[bytes]) -> dict[bytes, Target]:
    """Load and lock those of these agents that are still due; what somebody else has at hand is left to them."""
    return await _loaded(connection, tenant_id, await connection.fetch(_LOCK_DUE, tenant_id, list(uids)))


async def due(connection: Connection | asyncpg.Pool, limit: int) -> dict[str, list[bytes]]:
    """List agents whose time has come, longest waiting first, by tenant."""
    found: dict[str, list[bytes]] = {}
    for row in await connection.fetch(_DUE, limit):
        found.setdefault(row["tenant_id"], []).append(row["instance_uid"])
    return found


async def save(
    connection: Connection, tenant_id: str, before: Mapping[bytes, Target], after: Sequence[Target]
) -> list[Target]:
    """
    Write agents that changed, where they stand, and their tries.

    Args:
        connection: Inside the transaction that locked *before*.

        tenant_id: Whose agents.

        before: As loaded; an agent that is not in it is new.

        after: As they should be.

    Returns:
        The same, with ids on new tries.
    """
    changed = [target for target in after if before.get(target.uid) != target]
    began = await _save_attempts(connection, tenant_id, before, changed)
    saved = [
        replace(
            target,
            packages={
                name: replace(item, attempt_id=began.get((target.uid, name), item.attempt_id), requested_by="")
                if item.attempt_id == NEW
                else item
                for name, item in target.packages.items()
            },
        )
        if any(item.attempt_id == NEW for item in target.packages.values())
        else target
        for target in changed
    ]
    await _save_targets(connection, before, saved)
    await _save_standings(connection, tenant_id, before, saved)
    by_uid = {target.uid: target for target in saved}
    return [by_uid.get(target.uid, target) for target in after]


async def forget(connection: Connection, tenant_id: str, uid: bytes, epoch: int) -> None:
    """Forget a deleted agent, unless it connected again since; lists that name it go on naming it."""
    if (await connection.execute(_FORGET, tenant_id, uid, epoch)).endswith(" 0"):
        return
    await connection.execute(_FORGET_STANDINGS, tenant_id, uid)
    await connection.execute(_FORGET_CHOICES, tenant_id, uid)


async def mark_unheard(connection: Connection | asyncpg.Pool) -> int:
    """Make every agent due whose offer may have been lost with the bus; return how many."""
    return _count(await connection.execute(_UNHEARD))


async def mark_level(connection: Connection | asyncpg.Pool, max_timeouts: int) -> int:
    """Make every agent due that has not the list it should have while nothing is waited for; return how many."""
    return _count(await connection.execute(_LEVEL, max_timeouts))


async def undescribed(connection: Connection | asyncpg.Pool, limit: int) -> dict[tuple[str, bytes], tuple[int, str]]:
    """Find connected agents whose description was never heard: (epoch, gateway) by (tenant, uid)."""
    rows = await connection.fetch(_UNDESCRIBED, limit)
    return {(row["tenant_id"], row["instance_uid"]): (row["epoch"], row["gateway_id"]) for row in rows}


async def _loaded(
    connection: Connection | asyncpg.Pool, tenant_id: str, rows: Sequence[asyncpg.Record]
) -> dict[bytes, Target]:
    standings: dict[bytes, dict[str, Standing]] = {}
    uids = [row["instance_uid"] for row in rows]
    for row in await connection.fetch(_STANDINGS, tenant_id, uids) if uids else ():
        standings.setdefault(row["instance_uid"], {})[row["package"]] = _standing(row)
    return {row["instance_uid"]: _target(row, standings.get(row["instance_uid"], {})) for row in rows}


async def _save_attempts(
    connection: Connection, tenant_id: str, before: Mapping[bytes, Target], after: Iterable[Target]
) -> dict[tuple[bytes, str], int]:
    begun: list[tuple[bytes, Standing]] = []
    moved: dict[int, tuple[str, str]] = {}
    for target in after:
        old = before[target.uid].packages if target.uid in before else {}
        for name in old.keys() | target.packages.keys():
            item, was = target.packages.get(name), old.get(name)
            known = was.attempt_id if was is not None else None
            if item is not None and item.attempt_id == NEW:
                begun.append((target.uid, item))
            if was is None or known is None or item == was:
                continue
            if item is not None and item.attempt_id == known:
                if (item.state, item.error) != (was.state, was.error):
                    moved[known] = (item.state.value, item.error)
            elif was.state in attempt_store.OPEN:
                moved[known] = (SUPERSEDED, "")
    await attempt_store.move(connection, tenant_id, moved)
    return await attempt_store.begin(connection, tenant_id, begun)


async def _save_targets(connection: Connection, before: Mapping[bytes, Target], after: Sequence[Target]) -> None:
    new = [target for target in after if target.uid not in before]
    if new:
        table = _rows(new, _READ)
        await connection.execute(_insertion("package_target", _KEY, _TARGET, table), *table.arguments)
    changed = [target for target in after if target.uid in before]
    fields = _changed_fields(before, changed)
    names = [name for name, (_, field, _) in _TARGET.items() if field in fields]
    if names:
        columns = {name: _READ[name] for name in (*_KEY, *names)}
        table = _rows(changed, columns)
        assignments = ", ".join(f"{name} = n.{name}" for name in names)
        await connection.execute(_UPDATE.format(assignments=assignments, rows=table.sql), *table.arguments)


async def _save_standings(
    connection: Connection, tenant_id: str, before: Mapping[bytes, Target], after: Iterable[Target]
) -> None:
    written: list[tuple[Target, Standing]] = []
    removed: list[tuple[bytes, str]] = []
    for target in after:
        old = before[target.uid].packages if target.uid in before else {}
        written.extend((target, item) for name, item in target.packages.items() if old.get(name) != item)
        removed.extend((target.uid, name) for name in old if name not in target.packages)
    if removed:
        await connection.execute(_REMOVE, tenant_id, [uid for uid, _ in removed], [name for _, name in removed])
    if written:
        columns: dict[str, tuple[str, Callable[[tuple[Target, Standing]], object]]] = {
            **{name: (kind, _of_target(read)) for name, (kind, read) in _READ.items() if name in _KEY},
            **{name: (kind, _of_standing(read)) for name, (kind, read) in _STANDING.items()},
        }
        table = _rows(written, columns)
        await connection.execute(_insertion("agent_package", (*_KEY, "package"), columns, table), *table.arguments)


def _of_target(read: Callable[[Target], object]) -> Callable[[tuple[Target, Standing]], object]:
    return lambda pair: read(pair[0])


def _of_standing(read: Callable[[Standing], object]) -> Callable[[tuple[Target, Standing]], object]:
    return lambda pair: read(pair[1])


def _changed_fields(before: Mapping[bytes, Target], changed: Sequence[Target]) -> set[str]:
    """Name the fields in which any of these agents is another than before: only they are written."""
    found: set[str] = set()
    rest = set(_FIELDS)
    for target in changed:
        old, new = vars(before[target.uid]), vars(target)
        different = [name for name in rest if old[name] is not new[name] and old[name] != new[name]]
        if different:
            found.update(different)
            rest.difference_update(different)
    return found


def _rows(values: Sequence[V], columns: Mapping[str, tuple[str, Callable[[V], object]]]) -> bulk.Rows:
    return bulk.rows(
        "instance_uid",
        {name: bulk.Column(kind, [read(value) for value in values]) for name, (kind, read) in columns.items()},
    )


def _insertion(table: str, key: Sequence[str], columns: Iterable[str], rows: bulk.Rows) -> str:
    names = list(columns)
    return _ADD.format(
        table=table,
        names=", ".join(names),
        values=", ".join(f"n.{name}" for name in names),
        rows=rows.sql,
        key=", ".join(key),
        assignments=", ".join(f"{name} = excluded.{name}" for name in names if name not in key),
    )


def _target(row: asyncpg.Record, packages: Mapping[str, Standing]) -> Target:
    return Target(
        row["tenant_id"],
        row["instance_uid"],
        epoch=row["epoch"],
        gateway_id=row["gateway_id"],
        connected=row["connected"],
        capabilities=row["capabilities"] & 0xFFFF_FFFF_FFFF_FFFF,
        labels=row["labels"],
        stamped_labels=row["stamped_labels"],
        withheld=row["withheld"],
        fences={kind: (fence[0], fence[1]) for kind, fence in row["fences"].items()},
        machine=Machine(row["platform"], row["arch"]),
        healthy=row["healthy"],
        desired_hash=row["desired_hash"],
        held=row["held"],
        offered_hash=row["offered_hash"],
        content_hash=row["content_hash"],
        offer_count=row["offer_count"],
        retry_at=row["retry_at"],
        delivered_epoch=row["delivered_epoch"],
        waiting_since=row["waiting_since"],
        probed=row["probed"],
        timeouts=row["timeouts"],
        reported_hash=row["reported_hash"],
        reported_error=row["reported_error"],
        reported={name: (has[0], has[1]) for name, has in row["reported"].items()},
        failed={name: _hashes(bytes.fromhex(packed)) for name, packed in row["failed"].items()},
        dirty=row["dirty"],
        due_at=row["due_at"],
        packages=packages,
    )


def _standing(row: asyncpg.Record) -> Standing:
    return Standing(
        row["package"],
        row["assignment_id"],
        since=row["since"],
        moved_at=row["moved_at"],
        version=row["version"],
        file_id=row["file_id"],
        package_hash=row["package_hash"],
        content_hash=row["content_hash"],
        listed_file_id=row["listed_file_id"],
        state=State(row["state"]),
        percent=row["percent"],
        error=row["error"],
        failed_hashes=_hashes(row["failed_hashes"]),
        attempt_id=row["attempt_id"],
        requested_by=row["requested_by"],
    )


def _hashes(packed: bytes) -> tuple[bytes, ...]:
    return tuple(packed[start : start + HASH_BYTES] for start in range(0, len(packed), HASH_BYTES))


def _signed(value: int) -> int:
    """A capability mask as PostgreSQL's signed bigint; unknown high bits must not refuse an agent."""
    return value - (1 << 64) if value >= 1 << 63 else value


def _count(tag: str) -> int:
    return int(tag.rsplit(" ", 1)[1])
