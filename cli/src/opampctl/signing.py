"""Keys, signatures and the memory of manifests, as files on this machine; nothing here needs a server."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from functools import partial
from typing import TYPE_CHECKING, Any

import orjson
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from contracts.package_signing import Seen, key_id_of, statement_of
from opampctl.exits import CommandError, Exit

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from contracts.package_signing import Verify

_PRIVATE = 0o600


def generate_key(path: Path) -> tuple[Path, str]:
    """
    Make a key: its private half into *path*, readable by its owner only, the public half beside it.

    Returns:
        Where the public half is, and the key's id.

    Raises:
        CommandError: One of both exists, or cannot be written.
    """
    key = Ed25519PrivateKey.generate()
    public_path = path.with_name(f"{path.name}.pub")
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    for target, content, mode in ((path, pem, _PRIVATE), (public_path, public, 0o644)):
        try:
            descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        except OSError as error:
            sentence = f"Cannot write {target}: {error.strerror}."
            raise CommandError(sentence) from error
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
    return public_path, key_id_of(key.public_key().public_bytes_raw())


def read_private_key(path: Path) -> Ed25519PrivateKey:
    """Read a private key, PEM without password; raises CommandError."""
    try:
        key = serialization.load_pem_private_key(_read(path), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        sentence = f"{path} holds no Ed25519 private key in PEM without password."
        raise CommandError(sentence, Exit.USAGE, hint="Make one: opampctl packages keys generate FILE")
    return key


def read_public_key(path: Path) -> bytes:
    """Read a public key, PEM or base64 of its 32 bytes; raises CommandError."""
    raw = _read(path)
    try:
        if b"-----BEGIN" in raw:
            key = serialization.load_pem_public_key(raw)
            if isinstance(key, Ed25519PublicKey):
                return key.public_bytes_raw()
        else:
            return Ed25519PublicKey.from_public_bytes(base64.b64decode(raw, validate=False)).public_bytes_raw()
    except (ValueError, binascii.Error, UnsupportedAlgorithm):
        pass
    sentence = f"{path} holds no Ed25519 public key."
    raise CommandError(sentence, Exit.USAGE, hint="PEM, or base64 of its 32 bytes.")


def read_signature(path: Path) -> bytes:
    """Read a signature as it is; raises CommandError."""
    return _read(path)


def digest_of_file(path: Path) -> bytes:
    """Hash a file, chunk by chunk; raises CommandError."""
    try:
        with path.open("rb") as source:
            return hashlib.file_digest(source, "sha256").digest()
    except OSError as error:
        sentence = f"Cannot read {path}: {error.strerror}."
        raise CommandError(sentence, Exit.USAGE) from error


def signer_of(signature: bytes, sha256: bytes, keys: Iterable[bytes]) -> str | None:
    """Name the key, among these public ones, that has signed a file; None = none of them."""
    for public_key in keys:
        if verifies(public_key, signature, statement_of(sha256)):
            return key_id_of(public_key)
    return None


def verifies(public_key: bytes, signature: bytes, message: bytes) -> bool:
    """Say whether a signature over a message is of a key."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def checks_of(keys: Iterable[bytes]) -> dict[str, Verify]:
    """Make of public keys what contracts.package_signing wants for its envelopes."""
    return {key_id_of(key): partial(verifies, key) for key in keys}


class Memory:
    """
    Which manifests were believed here, so that nobody is led back to an older one.

    Args:
        path: A file of ours; made when it is missing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def seen(self, server: str, tenant: str, channel: str) -> Seen | None:
        """Return the newest manifest believed of a tenant's channel; raises CommandError when it cannot be read."""
        entry = self._load().get(f"{server} {tenant} {channel}")
        try:
            return Seen(int(entry["version"]), str(entry["digest"])) if entry is not None else None
        except (KeyError, TypeError, ValueError) as error:
            raise self._damaged() from error

    def remember(self, server: str, tenant: str, channel: str, seen: Seen) -> None:
        """Remember a manifest as the newest, whole or not at all."""
        entries = self._load()
        entries[f"{server} {tenant} {channel}"] = {"version": seen.version, "digest": seen.digest}
        draft = self._path.with_name(f"{self._path.name}.{os.getpid()}.part")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            draft.write_bytes(orjson.dumps(entries, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS))
            draft.replace(self._path)
        except OSError as error:
            sentence = f"Cannot write {self._path}: {error.strerror}."
            raise CommandError(sentence) from error

    def _load(self) -> dict[str, dict[str, Any]]:
        try:
            entries = orjson.loads(self._path.read_bytes())
        except FileNotFoundError:
            return {}
        except OSError as error:
            sentence = f"Cannot read {self._path}: {error.strerror}."
            raise CommandError(sentence) from error
        except orjson.JSONDecodeError as error:
            raise self._damaged() from error
        if not isinstance(entries, dict):
            raise self._damaged()
        return entries

    def _damaged(self) -> CommandError:
        sentence = f"{self._path} is damaged: which manifests were seen here is not known."
        return CommandError(sentence, hint="Look why. Deleting it forgets them: the next manifest is believed first.")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        sentence = f"Cannot read {path}: {error.strerror}."
        raise CommandError(sentence, Exit.USAGE) from error
