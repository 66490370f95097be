"""
What people do with configurations: create, edit, delete, roll back.

One writer of a tenant at a time, by the matcher's lock; so fifty parallel edits make fifty consecutive versions, a
conflict of selectors cannot slip in between, and the agents are matched again in the very transaction of the edit.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from config_service import configuration_store as store
from config_service import metrics, publisher, selector, target_store, validation
from config_service.attempt import Cause
from config_service.distribution import Effects
from config_service.document import Document, Draft
from config_service.errors import (
    ConfigurationExists,
    ConfigurationNotFound,
    InvalidConfiguration,
    SelectorConflict,
    VersionChanged,
    VersionNotFound,
)
from config_service.selector import Candidate
from fleet.events.v1 import config_pb2

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import asyncpg

    from config_service.configuration_store import Version
    from config_service.distribution import Distribution
    from config_service.selector import CandidateIndex
    from servicekit.postgres import Connection


class Configurations:
    """
    Changes configurations and everything that follows from it.

    Args:
        pool: The service's pool.

        distribution: Matches and offers.
    """

    def __init__(self, pool: asyncpg.Pool, distribution: Distribution) -> None:
        self._pool = pool
        self._distribution = distribution
        # Writers of a tenant queue here, so that they do not all hold a connection while they wait.
        self._queues: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def create(
        self, tenant_id: str, name: str, draft: Draft, *, author: str, comment: str, dry_run: bool = False
    ) -> Version:
        """
        Make a configuration; versions continue after those of a deleted one of that name.

        Raises:
            InvalidConfiguration: Something cannot be used; details say what and where.

            ConfigurationExists: The name is taken.

            SelectorConflict: Another selector of equal priority could match the same agent.
        """
        document = draft.applied_to(Document())
        problems = [
            *validation.check_name(name),
            *validation.check_author(author, comment),
            *validation.check_document(document),
        ]
        if problems:
            raise InvalidConfiguration(problems)
        async with self._change(tenant_id, dry_run=dry_run) as (connection, effects):
            last, exists = await store.lock(connection, tenant_id, name)
            if exists:
                raise ConfigurationExists(name)
            return await self._write(
                connection,
                effects,
                tenant_id,
                name,
                version=last + 1,
                document=document,
                author=author,
                comment=comment,
                created=True,
            )

    async def update(
        self,
        tenant_id: str,
        name: str,
        draft: Draft,
        *,
        expected_version: int = 0,
        author: str,
        comment: str,
        dry_run: bool = False,
    ) -> tuple[Version, bool]:
        """
        Edit a configuration.

        Args:
            tenant_id: Whose.

            name: Which.

            draft: Absent fields keep their value.

            expected_version: 0 = whatever is current; else refuse when it is not.

            author: Who edits.

            comment: Why.

            dry_run: Check everything, store nothing.

        Returns:
            The current version afterwards, and whether the edit changed anything.

        Raises:
            ConfigurationNotFound: There is none of that name.

            VersionChanged: The current version is not the expected one.

            InvalidConfiguration, SelectorConflict: As for create.
        """
        problems = validation.check_author(author, comment)
        if problems:
            raise InvalidConfiguration(problems)
        async with self._change(tenant_id, dry_run=dry_run) as (connection, effects):
            current = await self._locked(connection, tenant_id, name, expected_version)
            document = draft.applied_to(current.document)
            problems = validation.check_document(document)
            if problems:
                raise InvalidConfiguration(problems)
            if document == current.document:
                return current, False
            written = await self._write(
                connection,
                effects,
                tenant_id,
                name,
                version=current.version + 1,
                document=document,
                author=author,
                comment=comment,
            )
            return written, True

    async def roll_back(
        self, tenant_id: str, name: str, version: int, *, expected_version: int = 0, author: str, comment: str
    ) -> Version:
        """
        Make a new version equal to an old one; history is never rewritten.

        Rolling back to what is current already changes nothing and returns the current version.

        Raises:
            ConfigurationNotFound, VersionNotFound, VersionChanged, SelectorConflict: As they say.
        """
        problems = validation.check_author(author, comment)
        if problems:
            raise InvalidConfiguration(problems)
        async with self._change(tenant_id) as (connection, effects):
            current = await self._locked(connection, tenant_id, name, expected_version)
            wanted = await store.one(connection, tenant_id, name, version)
            if wanted is None:
                raise VersionNotFound(name, version)
            if wanted.document == current.document:
                return current
            return await self._write(
                connection,
                effects,
                tenant_id,
                name,
                version=current.version + 1,
                document=wanted.document,
                author=author,
                comment=comment or f"rollback to version {version}",
                rolled_back_to=version,
            )

    async def delete(self, tenant_id: str, name: str, *, expected_version: int = 0, author: str) -> None:
        """
        Take a configuration out of use; its agents are matched again, versions and attempts stay.

        Raises:
            ConfigurationNotFound, VersionChanged: As they say.
        """
        async with self._change(tenant_id) as (connection, effects):
            current = await self._locked(connection, tenant_id, name, expected_version)
            uids = await target_store.affected_uids(
                connection, tenant_id, name, {}, is_fallback=name == self._distribution.matcher.fallback
            )
            await store.delete(connection, tenant_id, name)
            index = await self._distribution.matcher.index_of_change(connection, tenant_id)
            effects.add(
                await self._distribution.rematch(
                    connection, tenant_id, index, uids, cause=Cause.CHANGE, requested_by=author
                )
            )
            event = _event(current, author=author, comment="")
            event.deleted.SetInParent()
            await publisher.say_config(connection, "deleted", event, await target_store.now(connection))
            metrics.CONFIGURATION_CHANGES.inc()

    async def _write(
        self,
        connection: Connection,
        effects: Effects,
        tenant_id: str,
        name: str,
        *,
        version: int,
        document: Document,
        author: str,
        comment: str,
        rolled_back_to: int = 0,
        created: bool = False,
    ) -> Version:
        """Store a version, match the agents it may concern, and tell the world, all in one transaction."""
        await store.add_version(
            connection,
            tenant_id,
            name,
            version,
            document,
            author=author,
            comment=comment,
            rolled_back_to=rolled_back_to,
        )
        index = await self._distribution.matcher.index_of_change(connection, tenant_id)
        _refuse_conflict(index, name, document)
        uids = await target_store.affected_uids(
            connection, tenant_id, name, document.selector, is_fallback=name == self._distribution.matcher.fallback
        )
        effects.add(
            await self._distribution.rematch(
                connection, tenant_id, index, uids, cause=Cause.CHANGE, requested_by=author
            )
        )
        written = await store.current(connection, tenant_id, name)
        assert written is not None  # noqa: S101 - written above
        effects.contents.append((tenant_id, written.config_hash, document.content_type, document.raw_config))
        event = _event(written, author=author, comment=comment)
        if created:
            event.created.SetInParent()
        else:
            event.changed.rolled_back_to = rolled_back_to
        what = "created" if created else "changed"
        await publisher.say_config(connection, what, event, await target_store.now(connection))
        metrics.CONFIGURATION_CHANGES.inc()
        return written

    async def _locked(self, connection: Connection, tenant_id: str, name: str, expected_version: int) -> Version:
        await store.lock(connection, tenant_id, name)
        current = await store.current(connection, tenant_id, name)
        if current is None:
            raise ConfigurationNotFound(name)
        if expected_version and expected_version != current.version:
            raise VersionChanged(name, expected_version, current.version)
        return current

    @asynccontextmanager
    async def _change(self, tenant_id: str, *, dry_run: bool = False) -> AsyncIterator[tuple[Connection, Effects]]:
        """Be the only writer of the tenant; what follows is done after commit, and nothing at all in a dry run."""
        effects = Effects()
        async with self._queues[tenant_id], self._pool.acquire() as connection:
            transaction = connection.transaction()
            await transaction.start()
            try:
                await self._distribution.matcher.begin_change(connection, tenant_id)
                yield connection, effects
            except BaseException:
                if not connection.is_closed():
                    await transaction.rollback()
                raise
            if dry_run:
                await transaction.rollback()
                return
            await transaction.commit()
        self._distribution.act(effects)


def _refuse_conflict(index: CandidateIndex, name: str, document: Document) -> None:
    written = Candidate(name, 0, b"", document.selector, document.priority)
    others = selector.conflicts(written, index.all())
    if others:
        raise SelectorConflict(document.priority, [other.name for other in others])


def _event(version: Version, *, author: str, comment: str) -> config_pb2.ConfigEvent:
    return config_pb2.ConfigEvent(
        tenant_id=version.tenant_id,
        name=version.name,
        version=version.version,
        config_hash=version.config_hash,
        author=author,
        comment=comment,
    )
