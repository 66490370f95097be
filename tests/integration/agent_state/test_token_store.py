from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from agent_state.certificates import FileSigner
from agent_state.identity_store import IdentityStore
from agent_state.token_store import TokenStore, hash_of
from agent_state.verdicts import Shown
from contracts.tokens import CHECKSUM_LENGTH, is_mistyped

if TYPE_CHECKING:
    import asyncpg

    from agent_state.verdicts import StoredToken
    from world.postgres import Database


async def found_by(pool: asyncpg.Pool, text: str) -> StoredToken | None:
    """Look a token up by its text, as the door does."""
    found, _ = await IdentityStore().look_up(pool, [Shown(hash_of(text))])
    return found[0].token


async def test_token_without_end_is_found_by_its_text(pool: asyncpg.Pool) -> None:
    """No lifetime means until revoked; the text is two random parts behind a prefix, and a checksum."""
    token, text = await TokenStore(pool).create("default", "lab", "me", None)

    found = await found_by(pool, text)

    assert found is not None
    assert (found.id, found.tenant_id, found.expires_at) == (token.id, "default", None)
    assert text.split("_")[:2] == ["oet", token.id]
    assert len(text.split("_")[2]) == 48 + CHECKSUM_LENGTH
    assert not is_mistyped(text)
    assert is_mistyped(text[:30] + ("0" if text[30] != "0" else "1") + text[31:])
    assert await found_by(pool, text + "x") is None


async def test_a_lifetime_begins_with_the_token(pool: asyncpg.Pool) -> None:
    """By database time."""
    token, _ = await TokenStore(pool).create("default", "lab", "me", timedelta(hours=1))

    assert token.expires_at == token.created_at + timedelta(hours=1)


async def test_command_line_makes_a_token(postgres: Database, pool: asyncpg.Pool) -> None:
    """`python -m agent_state create-enrolment-token --json` prints id and secret, and the secret verifies."""
    environment = {"AGENT_STATE_POSTGRES_URL": postgres.url_for("agent-state"), "PATH": os.defpath}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "agent_state", "create-enrolment-token", "--name", "lab", "--json"),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await asyncio.wait_for(process.communicate(), 60)

    answer = json.loads(output)
    found = await found_by(pool, answer["secret"])
    assert process.returncode == 0
    assert found is not None
    assert (found.id, found.tenant_id) == (answer["id"], "default")


def test_command_line_makes_an_authority_once(tmp_path: Path) -> None:
    """`create-ca` writes key and certificate, says how to set them, and never writes over them."""
    environment = {"AGENT_STATE_POSTGRES_URL": "postgresql://unused", "PATH": os.defpath}
    command = [sys.executable, "-m", "agent_state", "create-ca", "--directory", str(tmp_path / "ca")]

    made, again = (
        subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        for _ in range(2)
    )

    settings = dict(line.split("=", 1) for line in made.stdout.splitlines())
    assert made.returncode == 0
    key_file = Path(settings["AGENT_STATE_CA_KEY_FILE"])
    signer = FileSigner(key_file.read_bytes(), Path(settings["AGENT_STATE_CA_CERTIFICATE_FILE"]).read_bytes())
    assert "OpAMP Platform agents" in signer.certificate.subject.rfc4514_string()
    assert key_file.stat().st_mode & 0o777 == 0o600
    assert (again.returncode, again.stdout) == (3, "")
    assert "exists already" in again.stderr
