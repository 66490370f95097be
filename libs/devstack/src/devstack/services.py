"""How each service of ours is started: its module, its settings, where it says that it is ready."""

from __future__ import annotations

import os
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from devstack.ports import LOOPBACK
from devstack.processes import Process

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from devstack.authority import Authority
    from devstack.ports import Ports

AGENT_STATE = "agent-state"
CONFIG_SERVICE = "config-service"
PACKAGE_SERVICE = "package-service"
API_GATEWAY = "api-gateway"
OPAMP_GATEWAY = "opamp-gateway"
OWNERS = (AGENT_STATE, CONFIG_SERVICE, PACKAGE_SERVICE, API_GATEWAY)
"""Services with a schema and a role of their own."""


@dataclass(frozen=True)
class Addresses:
    """Where the servers are that services use; each with its login."""

    nats: str
    redis: str
    postgres: Mapping[str, str]
    """By service."""

    s3: ObjectStore = field(default_factory=lambda: ObjectStore(""))


@dataclass(frozen=True)
class ObjectStore:
    """Where an object store is and how to get in."""

    endpoint: str
    access_key: str = ""
    secret_key: str = ""


def environment(extra: Mapping[str, str]) -> dict[str, str]:
    """Return our own environment with *extra* over it."""
    return {**os.environ, "PYTHONUNBUFFERED": "1", **extra}  # noqa: TID251  # children inherit it


def settings_of(service: str, addresses: Addresses, ports: Ports, signing_key: Path) -> dict[str, str]:
    """Return the settings of a service that owns a schema, as environment variables."""
    prefix = service.replace("-", "_").upper()
    ops_port = {
        AGENT_STATE: ports.agent_state_ops,
        CONFIG_SERVICE: ports.config_service_ops,
        PACKAGE_SERVICE: ports.package_service_ops,
        API_GATEWAY: ports.api_gateway_ops,
    }[service]
    result = {
        f"{prefix}_NATS_URL": addresses.nats,
        f"{prefix}_POSTGRES_URL": addresses.postgres[service],
        f"{prefix}_OPS_HOST": LOOPBACK,
        f"{prefix}_OPS_PORT": str(ops_port),
    }
    if service == CONFIG_SERVICE:
        result[f"{prefix}_REDIS_URL"] = addresses.redis
    if service == PACKAGE_SERVICE:
        result |= {
            f"{prefix}_HOST": LOOPBACK,
            f"{prefix}_PORT": str(ports.files),
            f"{prefix}_S3_ENDPOINT": addresses.s3.endpoint,
            f"{prefix}_S3_ACCESS_KEY": addresses.s3.access_key,
            f"{prefix}_S3_SECRET_KEY": addresses.s3.secret_key,
        }
    if service == API_GATEWAY:
        result |= {
            f"{prefix}_HOST": LOOPBACK,
            f"{prefix}_PORT": str(ports.api),
            f"{prefix}_SIGNING_KEY_FILE": str(signing_key),
            f"{prefix}_PACKAGE_SERVICE_ADDRESS": f"http://{LOOPBACK}:{ports.files}",
        }
    return result


def identity_settings(authority: Authority, opamp_url: str) -> dict[str, str]:
    """Return what agent-state makes agents' own credentials and certificates with, and where it sends them."""
    prefix = AGENT_STATE.replace("-", "_").upper()
    return {
        f"{prefix}_CREDENTIAL_KEY_FILE": str(authority.credential_key),
        f"{prefix}_CA_KEY_FILE": str(authority.ca_key),
        f"{prefix}_CA_CERTIFICATE_FILE": str(authority.ca_certificate),
        f"{prefix}_OPAMP_PUBLIC_URL": opamp_url,
    }


def gateway_settings(number: int, addresses: Addresses, ports: Ports) -> dict[str, str]:
    """Return the settings of the gateway with this number, from 1."""
    return {
        "OPAMP_GATEWAY_NATS_URL": addresses.nats,
        "OPAMP_GATEWAY_REDIS_URL": addresses.redis,
        "OPAMP_GATEWAY_HOST": LOOPBACK,
        "OPAMP_GATEWAY_PORT": str(ports.opamp[number - 1]),
        "OPAMP_GATEWAY_OPS_HOST": LOOPBACK,
        "OPAMP_GATEWAY_OPS_PORT": str(ports.opamp_ops[number - 1]),
    }


def service_process(name: str, package: str, settings: Mapping[str, str], ops_port: int, logs: Path) -> Process:
    """Describe the process of a service; it is ready when it says so on its ops port."""
    return Process(
        name=name,
        argv=[sys.executable, "-m", package],
        env=environment(settings),
        log_path=logs / f"{name}.log",
        ready=answers(f"http://{LOOPBACK}:{ops_port}/health/ready"),
    )


def answers(url: str) -> Callable[[], bool]:
    """Make a question: does a GET of *url* succeed right now?"""

    def ask() -> bool:
        try:
            with urllib.request.urlopen(url, timeout=2.0) as answer:  # noqa: S310  # our own http address
                return bool(answer.status == 200)  # noqa: PLR2004  # OK
        except (OSError, urllib.error.HTTPError, ValueError):
            return False

    return ask
