"""What agents are matched against, in the database: enabled assignments and the files of their packages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from package_service.offering import packages
from package_service.offering.assignment import Rule, wish_of
from package_service.offering.packages import Entry
from package_service.offering.resolve import AgentWishes, Index, Item
from servicekit.records import replace

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
    from uuid import UUID

    from servicekit.postgres import Connection

    Signatures = Callable[[Connection, str, Sequence[UUID]], Awaitable[Mapping[UUID, bytes]]]
    """Gives the signature to offer of each file that has one."""

DAMAGED = "the stored file is damaged"

_RULES = """
SELECT assignment_id, package, channel, version, selector, groups, priority FROM package_assignment
WHERE tenant_id = $1 AND enabled ORDER BY created_at, assignment_id
"""
_ITEMS = """
SELECT f.file_id, f.name, p.type, f.version, f.platform, f.arch, f.sha256, f.vetted_at IS NOT NULL AS vetted,
    f.damaged_at IS NOT NULL AS damaged, f.vet_refusal
FROM package_file f JOIN package p ON p.tenant_id = f.tenant_id AND p.name = f.name
WHERE f.tenant_id = $1 AND f.active AND f.name = ANY ($2::text[])
"""
_LISTED = """
SELECT n.instance_uid, n.assignment_id FROM package_assignment_agent n
WHERE n.tenant_id = $1 AND n.instance_uid = ANY ($2::bytea[])
"""
_CHOSEN = """
SELECT instance_uid, assignment_id, version FROM package_choice
WHERE tenant_id = $1 AND instance_uid = ANY ($2::bytea[])
"""
_WANT = """
UPDATE package_file SET wanted_at = now()
WHERE tenant_id = $1 AND file_id = ANY ($2::uuid[]) AND wanted_at IS NULL AND vetted_at IS NULL
"""


async def load(connection: Connection, tenant_id: str, signatures: Signatures, public_url: str) -> Index:
    """Read everything agents of a tenant are matched against."""
    rules = [
        Rule(
            row["assignment_id"],
            row["package"],
            row["channel"],
            wish,
            row["selector"],
            frozenset(row["groups"]),
            row["priority"],
            age,
        )
        for age, row in enumerate(await connection.fetch(_RULES, tenant_id))
        if (wish := wish_of(row["version"])) is not None
    ]
    rows = await connection.fetch(_ITEMS, tenant_id, sorted({rule.package for rule in rules}))
    signed = await signatures(connection, tenant_id, [row["file_id"] for row in rows if row["vetted"]])
    items = []
    for row in rows:
        entry = Entry(
            row["name"],
            row["type"],
            row["version"],
            row["file_id"],
            row["sha256"],
            signed.get(row["file_id"], b""),
        )
        refusal = DAMAGED if row["damaged"] else row["vet_refusal"]
        item = Item(entry, row["platform"], row["arch"], row["vetted"] and not row["damaged"], refusal)
        items.append(replace(item, package_hash=packages.package_hash(entry, public_url)) if item.vetted else item)
    return Index(rules, items, public_url)


async def wishes_of(connection: Connection, tenant_id: str, uids: Sequence[bytes]) -> dict[bytes, AgentWishes]:
    """Read what is said of these agents one by one; those nothing is said of are left out."""
    listed: dict[bytes, set[UUID]] = {}
    for row in await connection.fetch(_LISTED, tenant_id, list(uids)):
        listed.setdefault(row["instance_uid"], set()).add(row["assignment_id"])
    chosen: dict[bytes, dict[UUID, str]] = {}
    for row in await connection.fetch(_CHOSEN, tenant_id, list(uids)):
        chosen.setdefault(row["instance_uid"], {})[row["assignment_id"]] = row["version"]
    return {
        uid: AgentWishes(frozenset(listed.get(uid, ())), chosen.get(uid, {})) for uid in listed.keys() | chosen.keys()
    }


async def want(connection: Connection, tenant_id: str, file_ids: Iterable[UUID]) -> None:
    """Say that somebody wants to offer these files, so that they are vetted."""
    if wanted := sorted(file_ids):
        await connection.execute(_WANT, tenant_id, wanted)
