"""Notes for whoever decides on offers: of these packages something has changed, look at their agents again."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from servicekit.postgres import Connection

_NOTE = "INSERT INTO package_change (tenant_id, package) SELECT * FROM unnest($1::text[], $2::text[])"


async def note(connection: Connection, packages: Iterable[tuple[str, str]]) -> None:
    """Note packages, each as (tenant id, name); said in the transaction that changes them."""
    several = sorted(set(packages))
    if several:
        await connection.execute(_NOTE, [tenant for tenant, _ in several], [name for _, name in several])
