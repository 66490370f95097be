"""Command line: serve, migrate, settings, create-enrolment-token."""

from __future__ import annotations

import argparse
import sys
from datetime import timedelta
from typing import NoReturn

import orjson

from agent_state.app import SERVICE, build
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
            )
        },
    )


if __name__ == "__main__":
    main()
