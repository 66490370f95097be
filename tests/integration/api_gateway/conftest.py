"""api-gateway on real PostgreSQL and NATS; the services behind it are stand-ins that answer canned protobuf."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import jsonschema
import orjson
import pytest
from aiohttp import web
from google.protobuf.message import Message
from pydantic import SecretStr

from api_gateway.app import SERVICE, build
from api_gateway.openapi import document_text
from api_gateway.passwords import Passwords
from api_gateway.permissions import Role
from api_gateway.settings import ApiGatewaySettings
from api_gateway.store import Users
from contracts import subjects
from devstack.ports import free_port
from servicekit.bus import Bus
from servicekit.migrate import migrate
from servicekit.postgres import connect_pool
from servicekit.runner import serve
from world.eventually import wait_until
from world.postgres import Database

PASSWORD = "correct horse battery"
CHEAP = Passwords(time_cost=1, memory_kib=64)
"""Hashes for accounts of tests; verifying reads the parameters from the hash."""


@dataclass
class Stand:
    """Services on the bus that answer what a test tells them to, and remember what they were asked."""

    bus: Bus
    answers: dict[str, Callable[[Any], Message]] = field(default_factory=dict)
    asked: list[tuple[str, Any]] = field(default_factory=list)

    def answer(self, method: Any, make: Message | Callable[[Any], Message]) -> None:
        """Answer *method* from now on with a message, or with what a function makes of the request (or raises)."""
        self.answers[method.name] = make if callable(make) else lambda _: make

    def last(self, method: Any) -> Any:
        """Give the newest request of *method*."""
        return [request for name, request in self.asked if name == method.name][-1]

    async def open(self, *services: str) -> None:
        """Appear on the bus."""
        for service in services:
            methods = [method for method in subjects.METHODS if method.service == service]
            await self.bus.serve(service, "0.1.0", {method: self._handler(method) for method in methods})

    def _handler(self, method: Any) -> Callable[[Any], Awaitable[Message]]:
        async def handle(request: Any) -> Message:
            self.asked.append((method.name, request))
            make = self.answers.get(method.name)
            answer: Message = make(request) if make else method.response_type()
            return answer

        return handle


@dataclass(frozen=True)
class Reply:
    """One HTTP answer."""

    status: int
    headers: Any
    body: Any
    text: str


@dataclass
class Api:
    """A client of the service under test."""

    url: str
    session: aiohttp.ClientSession
    users: Users
    tokens: dict[str, str] = field(default_factory=dict)

    async def call(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        json: object = None,
        data: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Reply:
        """Send a request; *json* is serialised, *data* sent as it is."""
        sent = {"Authorization": f"Bearer {token}"} if token else {}
        body = orjson.dumps(json) if json is not None else data
        async with self.session.request(
            method, self.url + path, data=body, headers={**sent, **(headers or {})}, allow_redirects=False
        ) as response:
            raw = await response.read()
            parsed = orjson.loads(raw) if "json" in response.content_type and raw else None
            return Reply(response.status, response.headers.copy(), parsed, raw.decode("utf-8", "replace"))

    async def user(self, username: str, role: Role, password: str = PASSWORD) -> str:
        """Make a user; gives its id."""
        account = await self.users.create("default", username, "", await CHEAP.hash(password), role)
        return account.user_id

    async def login(self, username: str, password: str = PASSWORD) -> Any:
        """Log in and give the session."""
        reply = await self.call("POST", "/api/v1/auth/login", json={"username": username, "password": password})
        assert reply.status == 200, reply.text
        return reply.body

    async def as_role(self, role: Role) -> str:
        """Give an access token of a user with *role*, making both the first time."""
        if role.value not in self.tokens:
            await self.user(f"the-{role.value}", role)
            self.tokens[role.value] = (await self.login(f"the-{role.value}"))["token"]
        return self.tokens[role.value]


@pytest.fixture
async def stand(nats_url: str) -> AsyncIterator[Stand]:
    """Give stand-ins of the services on the bus."""
    bus = await Bus.connect(nats_url, name="stand")
    stand = Stand(bus)
    await stand.open(subjects.AGENT_STATE, subjects.CONFIG_SERVICE, subjects.PACKAGE_SERVICE)
    yield stand
    await bus.close()


@dataclass
class Files:
    """The listener of package-service, played: says what a test tells it to, and remembers what it was sent."""

    address: str = ""
    status: int = 200
    body: bytes = b'{"id": "p1", "offset": 5}'
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, str, bytes, dict[str, str]]] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.Response:
        """Answer anything."""
        sent = await request.read()
        self.asked.append((request.method, request.path_qs, sent, dict(request.headers)))
        return web.Response(status=self.status, body=self.body, headers=self.headers)


@pytest.fixture
async def files() -> AsyncIterator[Files]:
    """Give package-service's listener."""
    stand = Files()
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_route("*", "/{anything:.*}", stand.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    stand.address = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield stand
    await runner.cleanup()


@pytest.fixture
def settings_overrides() -> dict[str, Any]:
    """Give settings that differ from the defaults; test files override this fixture."""
    return {}


@pytest.fixture
async def api(
    postgres: Database, nats_url: str, stand: Stand, files: Files, settings_overrides: dict[str, Any]
) -> AsyncIterator[Api]:
    """Give a client of a running api-gateway."""
    assert stand.bus.connected
    url = postgres.url_for("api-gateway")
    await migrate(url, "api_gateway")
    port = free_port()
    settings = ApiGatewaySettings(
        postgres_url=SecretStr(url),
        nats_url=SecretStr(nats_url),
        port=port,
        **{"package_service_address": files.address, **settings_overrides},
    )
    stop = asyncio.Event()
    running = asyncio.ensure_future(serve(SERVICE, settings, build, stop))
    pool = await connect_pool(url, service="test", max_size=2)
    async with aiohttp.ClientSession() as session:
        client = Api(f"http://127.0.0.1:{port}", session, Users(pool))

        async def is_ready() -> bool:
            if running.done():
                await running
            try:
                return (await client.call("GET", "/health/ready")).status == 200
            except aiohttp.ClientError:
                return False

        await wait_until(is_ready)
        yield client
    stop.set()
    await asyncio.wait_for(running, 60)
    await pool.close()


@pytest.fixture
def conforms() -> Callable[[Any, Any], None]:
    """Give a check that an answer is what openapi.json says it is."""
    document = orjson.loads(document_text())

    def check(reply: Reply, operation: Any) -> None:
        method, path = operation
        declared = document["paths"][path][method.lower()]["responses"][str(reply.status)]
        if "$ref" in declared:
            declared = document["components"]["responses"][declared["$ref"].rsplit("/", 1)[1]]
        content_type = reply.headers["Content-Type"].split(";")[0]
        schema = declared["content"][content_type]["schema"]
        jsonschema.Draft202012Validator(
            {**schema, "components": document["components"]}, format_checker=jsonschema.FormatChecker()
        ).validate(reply.body)

    return check
