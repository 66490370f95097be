"""Command line: serve, migrate, settings, create-enrolment-token, create-ca."""

from __future__ import annotations

import argparse
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NoReturn

import orjson

from agent_state.app import SERVICE, build
from agent_state.certificates import AUTHORITY_NAME, create_authority
from agent_state.settings import Settings
from agent_state.token_store import TokenStore
from contracts.ids import DEFAULT_TENANT, is_tenant_id
from servicekit import postgres, runner


async def create_enrolment_token(settings: Settings, given: argparse.Namespace) -> int:
    """Make a token and print its text, once."""
    if not is_tenant_id(given.tenant) or not given.name.strip() or given.lifetime_seconds < 0:
        sys.stderr.write("a tenant id, a name and a lifetime of 0 or more seconds are needed\n")
        return 2
    pool = await postgres.connect_pool(settings.postgres_url.get_secret_value(), service=SERVICE, max_size=1)
    async with pool:
        lifetime = timedelta(seconds=given.lifetime_seconds) if given.lifetime_seconds else None
        token, secret = await TokenStore(pool).create(given.tenant, given.name.strip()[:200], "command line", lifetime)
    if given.json:
        sys.stdout.write(orjson.dumps({"id": token.id, "secret": secret}).decode() + "\n")
    else:
        sys.stdout.write(f"enrolment token {token.id} ({token.name}): {secret}\n")
    return 0


async def create_ca(settings: Settings, given: argparse.Namespace) -> int:
    """Make the CA that signs agents' certificates; never over one that is there."""
    del settings
    try:
        key_file, certificate_file = _write_authority(Path(given.directory), given.name)
    except FileExistsError as error:
        sys.stderr.write(f"{error.filename} exists already\n")
        return 3
    except OSError as error:
        sys.stderr.write(f"cannot write to {given.directory}: {error.strerror}\n")
        return 1
    sys.stdout.write(f"AGENT_STATE_CA_KEY_FILE={key_file}\nAGENT_STATE_CA_CERTIFICATE_FILE={certificate_file}\n")
    return 0


def _write_authority(directory: Path, name: str) -> tuple[Path, Path]:
    """Write key and certificate; the key for its owner's eyes only."""
    key_file, certificate_file = directory / "agent-ca.key", directory / "agent-ca.pem"
    key, certificate = create_authority(datetime.now(UTC), name)
    directory.mkdir(parents=True, exist_ok=True)
    for path, content, mode in ((key_file, key, 0o600), (certificate_file, certificate, 0o644)):
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            _ = file.write(content)
    return key_file, certificate_file


def _ca_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--directory", required=True, help="where agent-ca.key and agent-ca.pem are written")
    parser.add_argument("--name", default=AUTHORITY_NAME, help="common name of the CA")


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tenant", default=DEFAULT_TENANT, help="whom agents with this token belong to")
    parser.add_argument("--name", required=True, help="what the token is for")
    parser.add_argument("--lifetime-seconds", type=int, default=0, help="0 = never expires")
    parser.add_argument("--json", action="store_true", help='print {"id", "secret"}')


def main() -> NoReturn:
    """Be agent-state."""
    runner.main(
        SERVICE,
        Settings,
        build,
        migrations="agent_state",
        commands={
            "create-enrolment-token": runner.Command(
                create_enrolment_token, "make a token that lets agents in; prints it once", _arguments
            ),
            "create-ca": runner.Command(create_ca, "make the CA that signs agents' certificates", _ca_arguments),
        },
    )


if __name__ == "__main__":
    main()
