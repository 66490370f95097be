"""
The floor of the API: trivial aiohttp routes that answer canned documents of the usual size.

PUT of a configuration commits one row to PostgreSQL and publishes one NATS message, from which floor.py
writes to its sockets: the floor of a change on its way to an agent.
Run: python -m benchmarks.floor_api PORT POSTGRES_URL NATS_URL SUBJECT
"""

from __future__ import annotations

import gc
import hashlib
import sys
from collections.abc import AsyncIterator

import asyncpg
import nats
import orjson
import uvloop
from aiohttp import web
from nats.aio.client import Client

from opamp.v1 import opamp_pb2 as opamp

_AGENT = {
    "id": "0f7a1e2c-5a4b-4c3d-8e9f-001122334455",
    "name": "io.opentelemetry.collector",
    "labels": {f"label.{number}": f"value of label {number}" for number in range(16)},
    "status": "online",
    "link": "connected",
    "last_seen_at": "2026-01-01T00:00:00.000000Z",
    "capabilities": ["ReportsStatus", "AcceptsRemoteConfig", "ReportsEffectiveConfig", "ReportsHealth"],
}
_ROW = "INSERT INTO floor_change (body) VALUES ($1)"
POOL = web.AppKey("pool", asyncpg.Pool)
NATS = web.AppKey("nats", Client)


def _answer(document: object) -> web.Response:
    return web.Response(body=orjson.dumps(document), content_type="application/json")


def application(postgres_url: str, nats_url: str, subject: str) -> web.Application:
    """Make the application."""
    routes = web.RouteTableDef()

    @routes.post("/api/v1/auth/login")
    async def login(_request: web.Request) -> web.Response:
        return _answer({"token": "floor"})

    @routes.get("/api/v1/agents/status/summary")
    async def summary(_request: web.Request) -> web.Response:
        many = 10**9
        return _answer({"total": many, "online": many, "offline": 0, "error": 0, "config_counts": {"applied": many}})

    @routes.get("/api/v1/agents/{id}")
    async def agent(_request: web.Request) -> web.Response:
        return _answer({**_AGENT, "effective_config": {"config_map": {"": {"body": "x" * 4000}}}})

    @routes.get("/api/v1/agents")
    async def agents(_request: web.Request) -> web.Response:
        return _answer({"agents": [_AGENT] * 20, "total": 20, "limit": 20, "offset": 0})

    @routes.post("/api/v1/configurations")
    @routes.put("/api/v1/configurations/{name}")
    async def change(request: web.Request) -> web.Response:
        body = (await request.json(loads=orjson.loads))["raw_config"].encode()
        await request.app[POOL].execute(_ROW, body)
        config = opamp.AgentRemoteConfig(config_hash=hashlib.sha256(body).digest())
        config.config.config_map["config.yaml"].body = body
        await request.app[NATS].publish(subject, config.SerializeToString())
        return _answer({"config_hash": config.config_hash.hex()})

    async def connections(app: web.Application) -> AsyncIterator[None]:
        app[NATS] = await nats.connect(nats_url)
        async with asyncpg.create_pool(postgres_url, min_size=1, max_size=4) as pool:
            app[POOL] = pool
            await pool.execute("CREATE TABLE IF NOT EXISTS floor_change (id bigserial PRIMARY KEY, body bytea)")
            gc.freeze()
            yield
        await app[NATS].close()

    app = web.Application()
    app.add_routes(routes)
    app.cleanup_ctx.append(connections)
    return app


if __name__ == "__main__":
    web.run_app(
        application(*sys.argv[2:5]),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        loop=uvloop.new_event_loop(),
        access_log=None,
        print=None,
    )
