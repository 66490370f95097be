"""Servers found in the environment are used instead of our own."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from devstack.platform import External
from devstack.s3 import ACCESS_KEY
from devstack.services import ObjectStore
from world.folders import make_folder
from world.platform import Platform

if TYPE_CHECKING:
    from devstack.nats import NatsServer
    from devstack.postgres import PostgresServer
    from devstack.redis import RedisServer
    from devstack.s3 import S3Server
    from world.eventually import Eventually


@pytest.mark.timeout(600)
async def test_platform_runs_on_servers_of_others(
    own_postgres_server: PostgresServer,
    nats_server: NatsServer,
    redis_server: RedisServer,
    s3_server: S3Server,
    eventually: Eventually,
) -> None:
    """None of our servers starts; a second stack on the same database makes an admin of its own."""
    store = ObjectStore(s3_server.url, ACCESS_KEY, s3_server.secret_key)
    external = External(own_postgres_server.url(), nats_server.url, redis_server.url, store)
    first = Platform(make_folder("external"))
    second = Platform(make_folder("external"))
    try:
        await first.start(external=external)
        assert not {"postgres", "nats", "redis", "s3"} & set(first.names)
        async with first.http_agent() as agent:
            await eventually(lambda: first.api.agent(agent))
        assert (await first.api.get("/packages/statistics"))["files"] == 0
        await first.leave()
        first.stop_processes()

        await second.start(external=external)
        assert second.run_json["admin_user"] != first.run_json["admin_user"]
        known = await second.api.get("/agents")
        assert known["total"] == 1
        await second.leave()
    finally:
        first.stop()
        second.stop()
        shutil.rmtree(first.folder, ignore_errors=True)
