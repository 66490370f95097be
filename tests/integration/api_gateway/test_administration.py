"""create-admin, as a person or a script runs it."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

import orjson

from api_gateway.permissions import Role


async def run(url: str, *arguments: str) -> tuple[int, str, str]:
    """Run `python -m api_gateway` to its end."""
    environment = {**os.environ, "API_GATEWAY_POSTGRES_URL": url}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "api_gateway",
        *arguments,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def test_the_first_admin_gets_a_password_nobody_chose(postgres: Any) -> None:
    """On an empty database; printed once as JSON; a second time it says so and changes nothing."""
    url = postgres.url_for("api-gateway")

    status, out, _ = await run(url, "create-admin", "--username", "admin", "--json")
    again, out_again, err_again = await run(url, "create-admin", "--username", "ADMIN", "--json")
    text_status, text, _ = await run(url, "create-admin", "--username", "second")

    odd_status, _, odd = await run(url, "create-admin", "--username", "root user")

    made = orjson.loads(out)
    assert (odd_status, "3 to 32" in odd) == (2, True)
    assert status == 0
    assert set(made) == {"username", "password"}
    assert len(made["password"]) >= 24
    assert (again, out_again) == (3, "")
    assert "already" in err_again
    assert text_status == 0
    assert "not shown again" in text


async def test_the_admin_logs_in(api: Any, postgres: Any) -> None:
    """What was printed is good for a login, with every right."""
    _, out, _ = await run(postgres.url_for("api-gateway"), "create-admin", "--username", "admin", "--json")

    session = await api.login("admin", orjson.loads(out)["password"])

    assert session["user"]["role"] == Role.ADMIN


async def test_settings_are_shown_without_secrets() -> None:
    """Every variable with its sentence."""
    status, out, _ = await run("postgresql://u:hush@nowhere/db", "settings")

    assert status == 0
    assert "API_GATEWAY_SIGNING_KEY_FILE" in out
    assert "hush" not in out
