"""create-admin: the first administrator, with a password nobody chose, told once."""

from __future__ import annotations

import argparse
import sys

import orjson
from pydantic import ValidationError

from api_gateway.errors import UserExists
from api_gateway.models.accounts import NewUser
from api_gateway.passwords import Passwords, generate_password
from api_gateway.permissions import Role
from api_gateway.settings import ApiGatewaySettings
from api_gateway.store import Users
from contracts.ids import DEFAULT_TENANT
from servicekit.migrate import migrate
from servicekit.postgres import connect_pool

REFUSED = 2
"""Exit status when the name cannot be one."""

EXISTS = 3
"""Exit status when there is such a user already."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what create-admin takes."""
    parser.add_argument("--username", default="admin", help="name of the administrator")
    parser.add_argument("--json", action="store_true", help="print JSON: username and password")


async def create_admin(settings: ApiGatewaySettings, given: argparse.Namespace) -> int:
    """
    Make an administrator and print the generated password.

    Nothing changes when the name is taken (3) or cannot be one (2).

    Migrations are applied first unless the settings forbid it: this is the first thing run on a new database.
    """
    try:
        username = NewUser(username=given.username).username
    except ValidationError:
        sys.stderr.write("a username has 3 to 32 letters, digits, dots, hyphens or underscores\n")
        return REFUSED
    url = settings.postgres_url.get_secret_value()
    if settings.migrate:
        await migrate(url, "api_gateway")
    pool = await connect_pool(url, service="api-gateway", max_size=1)
    try:
        password = generate_password()
        users = Users(pool)
        await users.create(DEFAULT_TENANT, username, "", await Passwords().hash(password), Role.ADMIN)
    except UserExists:
        sys.stderr.write(f"there is a user {username} already; nothing was changed\n")
        return EXISTS
    finally:
        await pool.close()
    if given.json:
        sys.stdout.write(orjson.dumps({"username": username, "password": password}).decode() + "\n")
    else:
        sys.stdout.write(f"username: {username}\npassword: {password}\nThe password is not shown again.\n")
    return 0
