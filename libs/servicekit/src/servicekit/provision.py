"""
Give a service its own role and schema in a shared database.

    PROVISION_PASSWORD=… python -m servicekit.provision --admin-url postgresql://… --service agent-state

Both can come from files instead: PROVISION_ADMIN_URL_FILE and PROVISION_PASSWORD_FILE name them.

Idempotent: run it again to change the password. The role owns its schema and can see no other.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import sys
from pathlib import Path

import asyncpg

PASSWORD_VARIABLE = "PROVISION_PASSWORD"  # noqa: S105 - the name of a variable
ADMIN_URL_VARIABLE = "PROVISION_ADMIN_URL"
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


async def provision(admin_url: str, service: str, password: str) -> str:
    """
    Make or update role and schema of *service*; returns their name.

    Args:
        admin_url: URL of a superuser or of a role that may create roles and schemas.

        service: Name with hyphens or underscores.

        password: What the role logs in with.

    Raises:
        ValueError: The name is not a plain identifier, or the password is empty.
    """
    name = service.replace("-", "_")
    if not _NAME.fullmatch(name) or not password:
        message = "service must be a plain lower-case name and the password must not be empty"
        raise ValueError(message)
    connection = await asyncpg.connect(admin_url, timeout=10)
    try:
        quoted: str = await connection.fetchval("SELECT quote_literal($1)", password)
        database: str = await connection.fetchval("SELECT quote_ident(current_database())")
        async with connection.transaction():
            # Replicas and several services may provision at once.
            await connection.execute("SELECT pg_advisory_xact_lock(hashtext('servicekit.provision'))")
            if not await connection.fetchval("SELECT true FROM pg_roles WHERE rolname = $1", name):
                await connection.execute(f"CREATE ROLE {name} LOGIN")
            await connection.execute(
                f"ALTER ROLE {name} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS PASSWORD {quoted}"
            )
            await connection.execute(f"GRANT {name} TO CURRENT_USER")
            await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {name} AUTHORIZATION {name}")
            await connection.execute(f"REVOKE ALL ON SCHEMA {name} FROM PUBLIC")
            await connection.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
            await connection.execute(f"REVOKE ALL ON DATABASE {database} FROM PUBLIC")
            await connection.execute(f"GRANT CONNECT ON DATABASE {database} TO {name}")
            await connection.execute(f"ALTER ROLE {name} IN DATABASE {database} SET search_path = {name}")
    finally:
        await connection.close()
    return name


def _told(variable: str) -> str:
    """Read a variable, or the file that <variable>_FILE names; empty when neither is set."""
    environment = os.environ  # noqa: TID251 - a command line of its own, no settings class
    path = environment.get(f"{variable}_FILE")
    return Path(path).read_text().strip() if path else environment.get(variable, "")


def main() -> None:
    """Command line of this module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--admin-url", help=f"postgresql:// URL of a superuser; or set {ADMIN_URL_VARIABLE}")
    parser.add_argument("--service", required=True, help="name of the service, e.g. agent-state")
    arguments = parser.parse_args()
    password = _told(PASSWORD_VARIABLE)
    if not password:
        sys.exit(f"set {PASSWORD_VARIABLE} to the password the role shall have")
    admin_url = arguments.admin_url or _told(ADMIN_URL_VARIABLE)
    if not admin_url:
        sys.exit(f"set {ADMIN_URL_VARIABLE} or give --admin-url")
    name = asyncio.run(provision(admin_url, arguments.service, password))
    sys.stdout.write(f"role and schema {name} are ready\n")


if __name__ == "__main__":
    main()
