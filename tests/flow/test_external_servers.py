"""Servers found in the environment are used instead of our own."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from devstack.platform import External
from world.folders import make_folder
from world.platform import Platform

if TYPE_CHECKING:
    from devstack.nats import NatsServer
    from devstack.postgres import PostgresServer
    from devstack.redis import RedisServer
    from world.eventually import Eventually


async def test_platform_runs_on_servers_of_others(
    own_postgres_server: PostgresServer, nats_server: NatsServer, redis_server: RedisServer, eventually: Eventually
) -> None:
    """None of our servers starts; a second stack on the same database makes an admin of its own."""
    external = External(own_postgres_server.url(), nats_server.url, redis_server.url)
    first = Platform(make_folder("external"))
    second = Platform(make_folder("external"))
    try:
        await first.start(external=external)
        assert not {"postgres", "nats", "redis"} & set(first.names)
        async with first.http_agent() as agent:
            await eventually(lambda: first.api.agent(agent))
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
