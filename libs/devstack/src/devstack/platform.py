"""
The composition: servers, then roles and schemas, then services, then the first admin and enrolment token.

Used by `make run`, and by the flow and fault tests, which also kill and restart its parts.
"""

from __future__ import annotations

import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit, urlunsplit

from devstack import secrets, services
from devstack.authority import Authority, load_or_make_authority
from devstack.credentials import admin_is_refused, token_is_refused
from devstack.database import prepare
from devstack.greeting import make_admin, make_token
from devstack.nats import NatsServer
from devstack.ports import LOOPBACK, Ports, require_free
from devstack.postgres import DURABLE, PostgresServer
from devstack.readiness import wait_all_ready
from devstack.redis import RedisServer
from devstack.s3 import ACCESS_KEY, S3Server
from devstack.services import (
    AGENT_STATE,
    API_GATEWAY,
    CONFIG_SERVICE,
    OPAMP_GATEWAY,
    OWNERS,
    PACKAGE_SERVICE,
    ObjectStore,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from devstack.processes import Process

DATABASE = "fleet"

START_SECONDS = 60.0
GRACE_SECONDS = 15.0
OPAMP_PATH = "/v1/opamp"
RUN_FILE = "run.json"
TLS_SETTING = "OPAMP_GATEWAY_TLS_CERTIFICATE_FILE"
SERVERS = ("postgres", "nats", "redis", "s3")
TOKEN_FILE = "enrolment-token"  # noqa: S105  # its name, not its secret


@dataclass(frozen=True)
class External:
    """Servers that run elsewhere; empty means one of our own."""

    postgres_url: str = ""
    """A superuser's; its database is used unless it is `postgres` or missing."""

    nats_url: str = ""
    redis_url: str = ""
    s3: ObjectStore = field(default_factory=lambda: ObjectStore(""))


@dataclass
class Platform:
    """One whole platform: its folder, its ports, its processes by name."""

    data: Path
    ports: Ports
    external: External = field(default_factory=External)
    say: Callable[[str], None] = lambda _line: None
    """Hears one line per step."""

    settings: Mapping[str, str] = field(default_factory=dict)
    """More settings for services, as environment variables."""

    postgres_options: Mapping[str, str] = field(default_factory=lambda: DURABLE)
    processes: dict[str, Process] = field(default_factory=dict, init=False)
    """Servers and services by name: postgres, nats, redis, agent-state, opamp-gateway-1 …; in start order."""

    facts: dict[str, object] = field(default_factory=dict, init=False)
    """What run.json says."""

    postgres: PostgresServer | None = field(default=None, init=False)
    nats: NatsServer | None = field(default=None, init=False)
    redis: RedisServer | None = field(default=None, init=False)
    s3: S3Server | None = field(default=None, init=False)
    _secrets: secrets.Secrets = field(init=False)
    _authority: Authority = field(init=False)

    def start(self) -> None:
        """
        Bring everything up; what is up already stays.

        Raises:
            StackError: Something cannot be started. What was started before it still runs: call stop().
        """
        self.data.mkdir(parents=True, exist_ok=True)
        require_free(self._ports_needed())
        self._secrets = secrets.load_or_make(self.data)
        self._authority = load_or_make_authority(self.data)
        self.start_servers()
        self.provision()
        self.start_services()
        self.greet()
        self.write_facts()

    def stop(self) -> None:
        """End everything, agents' doors first, the database last; never fails."""
        names = [name for name in self.processes if name not in SERVERS]
        first = [name for name in names if name.startswith((OPAMP_GATEWAY, API_GATEWAY))]
        for group in (
            first,
            [name for name in names if name not in first],
            ["redis"],
            ["s3"],
            ["nats"],
            ["postgres"],
        ):
            present = [self.processes[name] for name in group if name in self.processes]
            stopping = [threading.Thread(target=each.stop, args=(GRACE_SECONDS,)) for each in present]
            for thread in stopping:
                thread.start()
            for thread in stopping:
                thread.join()

    def start_servers(self) -> None:
        """Start PostgreSQL, NATS, Redis and the object store, but for those that run elsewhere."""
        keys, ports, logs = self._secrets, self.ports, self.logs
        if not self.external.postgres_url:
            self.say("PostgreSQL")
            self.postgres = PostgresServer(
                self.data / "postgres",
                ports.postgres,
                keys.postgres,
                log_path=logs / "postgres.log",
                options=self.postgres_options,
            )
            self.processes["postgres"] = self.postgres.process
            self.postgres.start()
        if not self.external.nats_url:
            self.say("NATS")
            self.nats = NatsServer(
                self.data / "nats", ports.nats, ports.nats_monitor, keys.nats, log_path=logs / "nats.log"
            )
            self.processes["nats"] = self.nats.process
            self.nats.start()
        if not self.external.redis_url:
            self.say("Redis")
            self.redis = RedisServer(self.data / "redis", ports.redis, keys.redis, log_path=logs / "redis.log")
            self.processes["redis"] = self.redis.process
            self.redis.start()
        if not self.external.s3.endpoint:
            self.say("S3")
            self.s3 = S3Server(self.data / "s3", ports.s3, keys.s3, log_path=logs / "s3.log")
            self.processes["s3"] = self.s3.process
            self.s3.start()

    def provision(self) -> None:
        """Make the database, and the role and schema of each service; repeating is harmless."""
        self.say("roles and schemas")
        database = urlsplit(self.admin_url).path.strip("/")
        server_url = self.external.postgres_url if self.postgres is None else self.postgres.url()
        passwords = {service: self._password_of(service) for service in OWNERS}
        prepare(server_url, database, self.admin_url, passwords)

    def start_services(self) -> None:
        """Start all services at once and wait until each is ready; they migrate their tables first."""
        self.say("services")
        servers = [self.processes[name] for name in SERVERS if name in self.processes]
        started = self._services()
        for name, process in started.items():
            self.processes[name] = process
            process.start()
        wait_all_ready(started.values(), START_SECONDS, self.say, needed=servers)

    def greet(self) -> None:
        """Make an admin and an enrolment token, unless those an earlier start made still open the doors."""
        keys, ports, settings = self._secrets, self.ports, self._settings_of
        refused = ""
        if keys.admin_password and admin_is_refused(_api_url(ports), keys.admin_user, keys.admin_password):
            refused = keys.admin_user
        token_refused = bool(keys.enrolment_token) and token_is_refused(
            _opamp_url(self._scheme("http"), ports.opamp[0]), keys.enrolment_token
        )
        if token_refused:
            self.say("the enrolment token of the last start was revoked or has expired; making another one")
        admin = token = None
        with ThreadPoolExecutor(2) as aside:  # both spend their time starting Python
            if refused or not keys.admin_password:
                admin = aside.submit(make_admin, settings(API_GATEWAY), self.say, refused)
            if token_refused or not keys.enrolment_token:
                token = aside.submit(make_token, settings(AGENT_STATE))
            if admin is not None:
                self._secrets = self._secrets.with_admin(*admin.result())
                self._secrets.save(self.data)
            if token is not None:
                self._secrets = self._secrets.with_token(token.result())
                self._secrets.save(self.data)

    def write_facts(self) -> None:
        """Write run.json, and the enrolment token alone for agents, readable by their owner only."""
        ports = self.ports
        token_file = self.data / TOKEN_FILE
        secrets.write_private(token_file, self._secrets.enrolment_token + "\n")
        self.facts = {
            "api_url": _api_url(ports),
            "opamp_url": _opamp_url(self._scheme("ws"), ports.opamp[0]),
            "opamp_http_url": _opamp_url(self._scheme("http"), ports.opamp[0]),
            "opamp_urls": [_opamp_url(self._scheme("ws"), port) for port in ports.opamp],
            "opamp_http_urls": [_opamp_url(self._scheme("http"), port) for port in ports.opamp],
            "files_url": f"http://{LOOPBACK}:{ports.files}",
            "nats_url": self.addresses.nats,
            "redis_url": self.addresses.redis,
            "postgres_url": self.admin_url,
            "admin_user": self._secrets.admin_user,
            "admin_password": self._secrets.admin_password,
            "enrolment_token": self._secrets.enrolment_token,
            "enrolment_token_file": str(token_file),
            "ops_urls": {
                "agent-state": f"http://{LOOPBACK}:{ports.agent_state_ops}",
                "config-service": f"http://{LOOPBACK}:{ports.config_service_ops}",
                "package-service": f"http://{LOOPBACK}:{ports.package_service_ops}",
                "api-gateway": f"http://{LOOPBACK}:{ports.api_gateway_ops}",
                **{
                    f"{OPAMP_GATEWAY}-{number}": f"http://{LOOPBACK}:{port}"
                    for number, port in enumerate(ports.opamp_ops, start=1)
                },
            },
            "ports": ports.named(),
            "pids": {
                "runner": os.getpid(),
                **{name: process.pid for name, process in self.processes.items()},
            },
            "data_dir": str(self.data),
        }
        secrets.write_private(self.data / RUN_FILE, json.dumps(self.facts, indent=2) + "\n")

    @property
    def logs(self) -> Path:
        """The folder of all logs."""
        return self.data / "logs"

    @property
    def admin_url(self) -> str:
        """The superuser's address of the platform's database."""
        if self.postgres is not None:
            return self.postgres.url(DATABASE)
        parts = urlsplit(self.external.postgres_url)
        database = parts.path.strip("/")
        return urlunsplit(parts._replace(path=f"/{DATABASE if database in ('', 'postgres') else database}"))

    @property
    def addresses(self) -> services.Addresses:
        """Where services find the servers."""
        return services.Addresses(
            nats=self.external.nats_url if self.nats is None else self.nats.url,
            redis=self.external.redis_url if self.redis is None else self.redis.url,
            postgres={service: self._url_of(service) for service in OWNERS},
            s3=self.external.s3 if self.s3 is None else ObjectStore(self.s3.url, ACCESS_KEY, self.s3.secret_key),
        )

    def _scheme(self, plain: str) -> str:
        """Tell how agents' doors are spoken to; secure when gateways are told to speak TLS."""
        return f"{plain}s" if self.settings.get(TLS_SETTING) else plain

    def _url_of(self, service: str) -> str:
        parts = urlsplit(self.admin_url)
        where = parts.netloc.rpartition("@")[2]
        login = f"{service.replace('-', '_')}:{quote(self._password_of(service), safe='')}"
        return urlunsplit(parts._replace(netloc=f"{login}@{where}"))

    def _password_of(self, service: str) -> str:
        return str(getattr(self._secrets, service.replace("-", "_")))

    def _ports_needed(self) -> dict[str, int]:
        elsewhere = {
            "postgres": self.external.postgres_url,
            "nats": self.external.nats_url,
            "nats_monitor": self.external.nats_url,
            "redis": self.external.redis_url,
            "s3": self.external.s3.endpoint,
        }
        running = {name for name, process in self.processes.items() if process.alive}
        return {} if running else {name: port for name, port in self.ports.named().items() if not elsewhere.get(name)}

    def _settings_of(self, service: str) -> dict[str, str]:
        own = services.settings_of(service, self.addresses, self.ports, self.data / "signing-key.pem")
        if service == AGENT_STATE:
            own |= services.identity_settings(self._authority, _opamp_url(self._scheme("ws"), self.ports.opamp[0]))
        return {**own, **self.settings}

    def _services(self) -> dict[str, Process]:
        ops = {
            AGENT_STATE: self.ports.agent_state_ops,
            CONFIG_SERVICE: self.ports.config_service_ops,
            PACKAGE_SERVICE: self.ports.package_service_ops,
            API_GATEWAY: self.ports.api_gateway_ops,
        }
        result = {
            service: services.service_process(
                service, service.replace("-", "_"), self._settings_of(service), port, self.logs
            )
            for service, port in ops.items()
        }
        for number, port in enumerate(self.ports.opamp_ops, start=1):
            settings = {**services.gateway_settings(number, self.addresses, self.ports), **self.settings}
            name = f"{OPAMP_GATEWAY}-{number}"
            result[name] = services.service_process(name, "opamp_gateway", settings, port, self.logs)
        return result


def _api_url(ports: Ports) -> str:
    return f"http://{LOOPBACK}:{ports.api}"


def _opamp_url(scheme: str, port: int) -> str:
    return f"{scheme}://{LOOPBACK}:{port}{OPAMP_PATH}"
