"""package-service on a database, a bus and a store of its own; api-gateway and agent-state are played here."""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contracts import subjects, tickets
from devstack.ports import LOOPBACK, free_port
from fleet.api.v1 import identity_pb2 as identity
from fleet.api.v1 import package_service_pb2 as api
from package_service.app import SERVICE, build
from package_service.bounds import Bounds
from package_service.s3 import S3BlobStore
from package_service.settings import PackageServiceSettings
from package_service.uploads import Uploads
from servicekit import migrate, postgres, runner
from servicekit.bus import Bus
from servicekit.errors import Unavailable
from world.s3 import BUCKET, address_of

from .offering_ground import Gateway, Ground

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import asyncpg

    from devstack.s3 import S3Server
    from world.postgres import Database

TENANT = "default"
MIB = 1024 * 1024
PART = 5 * MIB
ELF = b"\x7fELF\x02\x01\x01"
KID = "the-key"


def program(size: int = 1000, seed: int | None = None) -> bytes:
    """Make a file that begins like a program for Linux."""
    body = os.urandom(size - len(ELF)) if seed is None else bytes([seed % 256]) * (size - len(ELF))
    return ELF + body


def sha256(data: bytes) -> bytes:
    """Hash bytes."""
    return hashlib.sha256(data).digest()


async def pieces(data: bytes, size: int = 300_000) -> AsyncIterator[bytes]:
    """Give bytes in pieces, as a connection does."""
    for start in range(0, len(data), size):
        yield data[start : start + size]


@dataclass
class Neighbours:
    """api-gateway, which signs tickets, and agent-state, which knows credentials."""

    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    verdicts: dict[bytes, identity.Verdict] = field(default_factory=dict)
    asked: int = 0

    def ticket(self, tenant_id: str = TENANT, **more: Any) -> dict[str, str]:
        """Write a ticket as a header."""
        now = int(time.time())
        claims = {
            "iss": tickets.ISSUER,
            "aud": tickets.AUDIENCE,
            "iat": now,
            "exp": now + tickets.LIFETIME_SECONDS,
            "tenant_id": tenant_id,
            "username": "ann",
            **more,
        }
        token = jwt.encode(claims, self.key, algorithm=tickets.ALGORITHM, headers={"kid": KID})
        return {"Authorization": f"Bearer {token}"}

    def know(self, credential: str, **verdict: Any) -> None:
        """Vouch for a credential."""
        said = {"tenant_id": TENANT, "approval": "approved", "cache_seconds": 60, **verdict}
        self.verdicts[sha256(credential.encode())] = identity.Verdict(**said)

    async def serve(self, bus: Bus) -> None:
        """Answer."""

        async def keys(_: api.GetTicketKeysRequest) -> api.GetTicketKeysReply:
            raw = self.key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
            return api.GetTicketKeysReply(keys=[api.TicketKey(kid=KID, public_key=raw)])

        async def authenticate(request: identity.AuthenticateAgentsRequest) -> identity.AuthenticateAgentsReply:
            self.asked += 1
            unknown = identity.Verdict(refusal="nobody knows this credential")
            return identity.AuthenticateAgentsReply(
                verdicts=[self.verdicts.get(proof.token_hash, unknown) for proof in request.proofs]
            )

        await bus.serve(subjects.API_GATEWAY, "1.0.0", {subjects.GET_TICKET_KEYS: keys})
        await bus.serve(subjects.AGENT_STATE, "1.0.0", {subjects.AUTHENTICATE_AGENTS: authenticate})


@dataclass
class Running:
    """The service, and everything to talk to it."""

    bus: Bus
    http: httpx.AsyncClient
    neighbours: Neighbours
    pool: asyncpg.Pool
    settings: PackageServiceSettings

    async def publish(self, data: bytes, version: str = "1.0.0", **fields: str) -> httpx.Response:
        """Send a file as a form."""
        told = {"name": "collector", "version": version, "platform": "linux", "arch": "amd64", **fields}
        return await self.http.post(
            "/internal/packages", data=told, files={"file": ("any", data)}, headers=self.neighbours.ticket()
        )

    async def begin(self, data: bytes, version: str = "1.0.0", **more: Any) -> api.BeginUploadReply:
        """Begin an upload in parts."""
        request = api.BeginUploadRequest(
            tenant_id=TENANT,
            name="collector",
            version=version,
            platform="linux",
            arch="amd64",
            size=len(data),
            author="ann",
        )
        for name, value in more.items():
            setattr(request, name, value)
        return await self.bus.call(subjects.BEGIN_UPLOAD, request)

    async def send(self, upload_id: str, offset: int, data: bytes) -> httpx.Response:
        """Send bytes of an upload."""
        return await self.http.put(
            f"/internal/uploads/{upload_id}",
            params={"offset": offset},
            content=pieces(data),
            headers=self.neighbours.ticket(),
        )

    async def complete(self, upload_id: str, digest: str = "") -> httpx.Response:
        """Publish an upload."""
        return await self.http.post(
            f"/internal/uploads/{upload_id}/complete",
            json={"sha256": digest} if digest else None,
            headers=self.neighbours.ticket(),
        )

    async def files(self) -> list[api.PackageFile]:
        """List what is published."""
        reply = await self.bus.call(subjects.LIST_PACKAGES, api.ListPackagesRequest(tenant_id=TENANT))
        return list(reply.files)


@pytest.fixture
def overrides() -> dict[str, object]:
    """Give settings a test file may change by its own fixture of this name."""
    return {}


@pytest.fixture
async def pool(postgres: Database) -> AsyncIterator[asyncpg.Pool]:
    """Give a pool on a migrated, empty schema."""
    url = postgres.url_for(SERVICE)
    await migrate.migrate(url, "package_service")
    made = await postgres_pool(url)
    yield made
    await made.close()


async def postgres_pool(url: str) -> asyncpg.Pool:
    """Open a pool as the service does."""
    return await postgres.connect_pool(url, service="test", max_size=8)


@pytest.fixture
async def store(s3_server: S3Server) -> AsyncIterator[S3BlobStore]:
    """Give the port on a store of this test's own."""
    address = address_of(s3_server)
    async with S3BlobStore(
        endpoint=address.endpoint,
        region="us-east-1",
        bucket=BUCKET,
        access_key=address.access_key,
        secret_key=address.secret_key,
    ) as made:
        yield made


def bounds(**more: int) -> Bounds:
    """Make bounds nobody meets."""
    return Bounds(
        **{"file_bytes": 100 * MIB, "tenant_bytes": 1000 * MIB, "open_uploads": 10, "files_per_package": 10, **more}
    )


@pytest.fixture
def uploads(pool: asyncpg.Pool, store: S3BlobStore) -> Uploads:
    """Give what takes files in."""
    return Uploads(pool, store, bounds(), part_bytes=PART)


@pytest.fixture
async def service(
    postgres: Database, pool: asyncpg.Pool, nats_url: str, s3_server: S3Server, overrides: dict[str, object]
) -> AsyncIterator[Running]:
    """Run package-service whole."""
    address, port = address_of(s3_server), free_port()
    settings = PackageServiceSettings.model_validate(
        {
            "postgres_url": postgres.url_for(SERVICE),
            "nats_url": nats_url,
            "port": port,
            "part_bytes": PART,
            "sweep_interval_seconds": 0.1,
            "s3_endpoint": address.endpoint,
            "s3_access_key": address.access_key,
            "s3_secret_key": address.secret_key,
            **overrides,
        }
    )
    stop = asyncio.Event()
    bus = await Bus.connect(nats_url, name="test")
    neighbours = Neighbours()
    await neighbours.serve(bus)
    async with httpx.AsyncClient(base_url=f"http://{LOOPBACK}:{port}", timeout=30) as http:
        async with asyncio.TaskGroup() as group:
            group.create_task(runner.serve(SERVICE, settings, build, stop))
            try:
                await until_served(bus)
                yield Running(bus, http, neighbours, pool, settings)
            finally:
                stop.set()
    await bus.close()


@pytest.fixture
async def bus(nats_url: str) -> AsyncIterator[Bus]:
    """Give a bus."""
    made = await Bus.connect(nats_url, name="test")
    yield made
    await made.close()


@pytest.fixture
def ground(pool: asyncpg.Pool, bus: Bus) -> Ground:
    """Give the parts of offers, moved by hand."""
    return Ground(pool, bus)


@pytest.fixture
async def gateway(bus: Bus) -> Gateway:
    """Give a gateway that listens."""
    return await Gateway(bus).listen()


async def until_served(bus: Bus) -> None:
    """Wait until the service answers."""
    async with asyncio.timeout(30):
        while True:
            try:
                await bus.call(subjects.LIST_PACKAGES, api.ListPackagesRequest(tenant_id=TENANT))
            except Unavailable:
                await asyncio.sleep(0.05)
            else:
                return
