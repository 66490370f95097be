"""
Write the secret files of a new installation; docker-compose.yml mounts them from deploy/compose/secrets.

A file that exists is left alone, so running this twice changes nothing. The folder is closed to other
users (0700); the files in it are readable (0444), because Compose mounts each with the mode it has here and
the containers run as other users. Needs Python only.
"""

from __future__ import annotations

import argparse
import base64
import secrets
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "deploy" / "compose" / "secrets"
DATABASE_SERVICES = ("agent_state", "config_service", "package_service", "api_gateway")
ED25519_PKCS8 = bytes.fromhex("302e020100300506032b657004220420")
"""What stands before the 32 bytes of an Ed25519 private key in its PKCS #8 form (RFC 8410)."""


def password() -> str:
    """Make 256 bits of password that need no escaping in a URL, a shell or a configuration file."""
    return secrets.token_hex(32)


def signing_key() -> str:
    """Make an Ed25519 private key as PEM."""
    text = base64.b64encode(ED25519_PKCS8 + secrets.token_bytes(32)).decode()
    return f"-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n"


class Secrets:
    """The files of one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.written: list[str] = []

    def keep(self, name: str, text: str) -> str:
        """Return what the file holds, writing *text* first when there is no such file."""
        path = self._folder / name
        if not path.exists():
            path.write_text(text)
            path.chmod(0o444)
            self.written.append(name)
        return path.read_text()


def make(folder: Path) -> list[str]:
    """Write what is missing and tell which files were written."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    files = Secrets(folder)
    admin = files.keep("postgres_admin_password", password())
    files.keep("postgres_admin_url", f"postgresql://postgres:{admin}@postgres:5432/fleet")
    for service in DATABASE_SERVICES:
        own = files.keep(f"{service}_password", password())
        files.keep(f"{service}_postgres_url", f"postgresql://{service}:{own}@postgres:5432/fleet")
    bus = files.keep("nats_password", password())
    files.keep("nats_auth", f'user: "fleet"\npassword: "{bus}"\n')
    files.keep("nats_url", f"nats://fleet:{bus}@nats:4222")
    cache = files.keep("redis_password", password())
    files.keep("redis_auth", f"requirepass {cache}\n")
    files.keep("redis_url", f"redis://:{cache}@redis:6379/0")
    files.keep("minio_root_user", "fleet")
    files.keep("minio_root_password", password())
    files.keep("signing_key", signing_key())
    files.keep("agent_credential_key", password())
    return files.written


def main() -> None:
    """Make the folder complete and say what was done."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the files go")
    folder = parser.parse_args().folder
    written = make(folder)
    print(f"{folder}: {len(written)} secret files written" if written else f"{folder}: complete, nothing written")


if __name__ == "__main__":
    main()
