"""
docker-compose.yml, taken at its word without Docker: its jobs, its commands, its variables, its secrets.

Each container becomes a process with exactly the environment the image and the compose file give it; the servers run
with their configuration from the compose file. What stays unproven here is Docker itself.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
import httpx
import pytest
import yaml
from deployment.rooms import ROOT, SERVICES, image_environment, interpolated, package_of

from devstack.ports import accepts, free_port
from devstack.processes import Process
from devstack.s3 import S3Server
from devstack.services import answers
from tools.make_secrets import make
from world.agents import WebSocketAgent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from devstack.postgres import PostgresServer
    from world.eventually import Eventually

SECONDS = 120.0
DOORS = {"opamp-gateway": 4320, "api-gateway": 8080, "package-service": 8090}
PROGRAMS = Path(sys.executable).parent


class Compose:
    """The compose file on this machine: hosts become loopback, ports become free ones, mounts become a folder."""

    def __init__(self, folder: Path, postgres: PostgresServer) -> None:
        self.folder = folder
        self.services: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
        self.secrets = folder / "run" / "secrets"
        self.postgres = postgres
        self.ports = {"nats": free_port(), "nats-monitor": free_port(), "redis": free_port(), "minio": free_port()}
        self.ports |= {name: free_port() for name in DOORS}
        self.ops = {service: free_port() for service in SERVICES}
        self.processes: list[Process] = []
        self._make_secrets()

    def _make_secrets(self) -> None:
        make(self.secrets)
        for path in self.secrets.iterdir():
            text = path.read_text()
            for host, port in (("nats:4222", self.ports["nats"]), ("redis:6379", self.ports["redis"])):
                text = text.replace(f"@{host}", f"@127.0.0.1:{port}")
            text = text.replace("@postgres:5432", f"@127.0.0.1:{self.postgres.port}")
            path.chmod(0o644)
            path.write_text(text)
        admin = self.postgres.url("fleet")
        (self.secrets / "postgres_admin_url").write_text(admin)

    def environment(self, name: str) -> dict[str, str]:
        """Give a container's variables: the image's, over them the compose file's, mounts moved, ports freed."""
        service = self.services[name]
        room = service["image"].partition(":")[0].removeprefix("opamp-platform/")
        prefix = package_of(room).upper()
        result = image_environment(room) | service["environment"]
        result = {key: interpolated(value).replace("/run/secrets", str(self.secrets)) for key, value in result.items()}
        addresses = {"//minio:9000": "minio", "//package-service:8090": "package-service"}
        for address, name_of in addresses.items():
            result = {
                key: value.replace(address, f"//127.0.0.1:{self.ports[name_of]}") for key, value in result.items()
            }
        # The compiled form is made with the image (tests/deploy looks at that); here the sources run.
        result.pop("OPAMP_GATEWAY_COMPILED", None)
        result[f"{prefix}_OPS_PORT"] = str(self.ops[room])
        if room in DOORS:
            assert result[f"{prefix}_PORT"] == str(DOORS[room])
            result[f"{prefix}_PORT"] = str(self.ports[room])
        return result

    def start_servers(self) -> None:
        """Start NATS with its file, Redis with its command and an object store, secrets beside them."""
        conf = self.folder / "etc" / "nats" / "nats.conf"
        conf.parent.mkdir(parents=True)
        text = (ROOT / "deploy" / "nats" / "nats.conf").read_text()
        for old, new in (
            ("0.0.0.0:4222", f"127.0.0.1:{self.ports['nats']}"),
            ("0.0.0.0:8222", f"127.0.0.1:{self.ports['nats-monitor']}"),
            ('"/data"', f'"{self.folder}/nats"'),
        ):
            assert old in text
            text = text.replace(old, new)
        conf.write_text(text)
        self._run("nats", [str(PROGRAMS / "nats-server"), "--config", str(conf)], self.ports["nats"])
        command = [part.replace("/run/secrets", str(self.secrets)) for part in self.services["redis"]["command"]]
        command[0] = str(PROGRAMS / "redis-server")
        self._run("redis", [*command, "--port", str(self.ports["redis"])], self.ports["redis"])

        # rclone stands in for MinIO: its program is no wheel.
        user, password = ((self.secrets / f"minio_root_{name}").read_text() for name in ("user", "password"))
        store = S3Server(self.folder / "minio", self.ports["minio"], password, access_key=user)
        self.processes.append(store.process)
        store.start()

    def _run(self, name: str, argv: list[str], port: int) -> None:
        log = self.folder / f"{name}.log"
        self._start(Process(name=name, argv=argv, log_path=log, ready=lambda: accepts(port), cwd=self.folder))

    def _start(self, process: Process) -> None:
        self.processes.append(process)
        process.start()
        process.wait_ready(SECONDS)

    async def job(self, name: str, *arguments: str) -> str:
        """Run a container that ends, or a command in one that runs; returns what it says."""
        service = self.services[name]
        room = service["image"].partition(":")[0].removeprefix("opamp-platform/")
        command = list(arguments or service.get("command", ()))
        entrypoint = service.get("entrypoint", ["python", "-m", package_of(room)])
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *entrypoint[1:],
            *command,
            env=self.environment(name),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(SECONDS):
            said, complaints = await process.communicate()
        assert process.returncode == 0, f"{name}: {complaints.decode()}"
        return said.decode()

    def serve(self, name: str) -> None:
        """Start a container that stays, and wait until it is healthy as the compose file asks."""
        check = self.services[name]["healthcheck"]["test"][-1]
        assert "http://127.0.0.1:9090/health/ready" in check
        self._start(
            Process(
                name=name,
                argv=[sys.executable, "-m", package_of(name), "serve"],
                env=self.environment(name),
                log_path=self.folder / f"{name}.log",
                ready=answers(f"http://127.0.0.1:{self.ops[name]}/health/ready"),
            )
        )

    def order(self) -> list[str]:
        """Put the containers of ours in the order depends_on asks for."""
        waiting = [name for name, service in self.services.items() if "opamp-platform/" in service["image"]]
        done = [name for name in self.services if name not in waiting]
        while waiting:
            ready = [name for name in waiting if set(self.services[name].get("depends_on", ())) <= set(done)]
            assert ready, f"nobody of {waiting} can start"
            done += ready
            waiting = [name for name in waiting if name not in ready]
        return [name for name in done if "opamp-platform/" in self.services[name]["image"]]


@pytest.fixture
def compose(tmp_path: Path, own_postgres_server: PostgresServer) -> Iterator[Compose]:
    """Give the compose file with a PostgreSQL server; everything started is ended."""
    stack = Compose(tmp_path, own_postgres_server)
    yield stack
    for process in reversed(stack.processes):
        process.stop()


@pytest.mark.timeout(900)
async def test_platform_stands_as_the_compose_file_says(compose: Compose, eventually: Eventually) -> None:
    """Provisioned, migrated and served in the file's order, it takes an admin, a token and an agent."""
    connection = await asyncpg.connect(compose.postgres.url())
    await connection.execute(f"CREATE DATABASE {compose.services['postgres']['environment']['POSTGRES_DB']}")
    await connection.close()
    await asyncio.to_thread(compose.start_servers)
    for name in compose.order():
        if compose.services[name]["restart"] == "no":
            _ = await compose.job(name)
        else:
            await asyncio.to_thread(compose.serve, name)

    admin = json.loads(await compose.job("api-gateway", "create-admin", "--username", "admin", "--json"))
    token = json.loads(
        await compose.job("agent-state", "create-enrolment-token", "--tenant", "default", "--name", "first", "--json")
    )
    async with (
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{compose.ports['api-gateway']}", timeout=SECONDS) as client,
        WebSocketAgent(f"ws://127.0.0.1:{compose.ports['opamp-gateway']}/v1/opamp", token["secret"]) as agent,
    ):
        answer = await client.post("/api/v1/auth/login", json=admin)
        assert answer.status_code == httpx.codes.OK, answer.text
        client.headers["Authorization"] = f"Bearer {answer.json()['token']}"

        async def listed() -> bool:
            page = (await client.get("/api/v1/agents")).json()
            return [found["id"] for found in page["agents"]] == [agent.id]

        await eventually(listed)

        offer = {"name": "collector", "version": "1.0.0", "platform": "linux", "arch": "amd64"}
        made = await client.post("/api/v1/packages", data=offer, files={"file": ("x", b"\x7fELF and more")})
        assert made.status_code == httpx.codes.CREATED, made.text
