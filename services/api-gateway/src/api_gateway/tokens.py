"""
Tokens: short-lived access tokens anybody with the public key can check, and opaque refresh tokens.

Access tokens are JWTs signed with Ed25519; the algorithm, issuer and audience are fixed, so a token cannot
choose how it is checked. Refresh tokens are random; only their SHA-256 is stored.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import secrets
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import jwt
import orjson
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from api_gateway.errors import TokenRefused
from api_gateway.permissions import Principal, Role

ALGORITHM = "EdDSA"
ISSUER = "opamp-platform"
AUDIENCE = "opamp-platform-api"
LEEWAY_SECONDS = 30
MAX_TOKEN_LENGTH = 4096
REFRESH_PREFIX = "ort"
_REFRESH_FORM = re.compile(rf"{REFRESH_PREFIX}_(?P<tenant>[a-z0-9-]{{1,63}})_(?P<id>[0-9a-f]{{32}})_[0-9a-f]{{64}}")
_REQUIRED = ("exp", "iat", "nbf", "iss", "aud", "sub", "jti", "sid", "tenant_id", "session_version")
_PEM_END = "-----END PRIVATE KEY-----"


class KeyFileError(Exception):
    """The signing key file cannot be used; says why."""


@dataclass(frozen=True)
class SigningKeys:
    """The key that signs, and every key that verifies, by key id."""

    kid: str
    private: Ed25519PrivateKey
    public: dict[str, Ed25519PublicKey]


@dataclass(frozen=True)
class Claims:
    """What a good access token says."""

    principal: Principal
    session_version: int


@dataclass(frozen=True)
class RefreshSecret:
    """A refresh token as text for the client and as what is stored of it."""

    text: str
    tenant_id: str
    token_id: uuid.UUID
    digest: bytes


class AccessTokens:
    """Signs and checks access tokens."""

    def __init__(self, keys: SigningKeys, *, lifetime_seconds: int) -> None:
        self._keys = keys
        self.lifetime_seconds = lifetime_seconds

    def sign(self, principal: Principal, session_version: int, now: datetime) -> str:
        """Write an access token."""
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": principal.user_id,
            "iat": now,
            "nbf": now,
            "exp": now + timedelta(seconds=self.lifetime_seconds),
            "jti": uuid.uuid4().hex,
            "sid": principal.session_id,
            "tenant_id": principal.tenant_id,
            "session_version": session_version,
            "user_id": principal.user_id,
            "username": principal.username,
            "role": principal.role.value,
        }
        return jwt.encode(claims, self._keys.private, algorithm=ALGORITHM, headers={"kid": self._keys.kid})

    def verify(self, token: str) -> Claims:
        """
        Check an access token.

        Raises:
            TokenRefused: Too long, not a token, signed by nobody we know or by another algorithm, for somebody
                else, not yet or no longer valid, or without a claim we need.
        """
        refused = TokenRefused("the access token is not valid or has expired; log in or refresh it")
        if len(token) > MAX_TOKEN_LENGTH:
            raise refused
        try:
            key = self._keys.public.get(str(jwt.get_unverified_header(token).get("kid")))
            if key is None:
                raise refused
            claims = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                issuer=ISSUER,
                audience=AUDIENCE,
                leeway=LEEWAY_SECONDS,
                options={"require": list(_REQUIRED), "strict_aud": True},
            )
            principal = Principal(
                tenant_id=_text(claims, "tenant_id"),
                user_id=str(uuid.UUID(_text(claims, "sub"))),
                username=_text(claims, "username"),
                role=Role(_text(claims, "role")),
                session_id=str(uuid.UUID(_text(claims, "sid"))),
            )
            return Claims(principal, int(claims["session_version"]))
        except (jwt.PyJWTError, KeyError, ValueError, TypeError) as error:
            raise refused from error


def load_keys(path: Path | None) -> SigningKeys:
    """
    Read the signing keys, making the file first if it is absent; None makes a key in memory.

    Replicas may do this at once on a shared volume: one file wins, all read it.

    Raises:
        KeyFileError: The file cannot be read or made, or holds no Ed25519 key.
    """
    if path is None:
        return _keys_of([Ed25519PrivateKey.generate()])
    try:
        if not path.exists():
            _create(path)
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        message = f"cannot use {path} for signing keys: {error}"
        raise KeyFileError(message) from error
    private = []
    for block in text.split(_PEM_END):
        if not block.strip():
            continue
        try:
            key = serialization.load_pem_private_key((block + _PEM_END).strip().encode(), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            message = f"{path} holds something that is not a PEM private key"
            raise KeyFileError(message) from error
        if not isinstance(key, Ed25519PrivateKey):
            message = f"{path} holds a private key that is not Ed25519"
            raise KeyFileError(message)
        private.append(key)
    if not private:
        message = f"{path} holds no private key"
        raise KeyFileError(message)
    return _keys_of(private)


def new_refresh_secret(tenant_id: str) -> RefreshSecret:
    """Make a refresh token: ort_<tenant>_<id>_<256 random bits>."""
    token_id = uuid.uuid4()
    text = f"{REFRESH_PREFIX}_{tenant_id}_{token_id.hex}_{secrets.token_hex(32)}"
    return RefreshSecret(text, tenant_id, token_id, _digest(text))


def read_refresh_secret(text: str) -> RefreshSecret:
    """
    Read the text of a refresh token; whether it is good, only the store knows.

    Raises:
        TokenRefused: It does not have the form of one.
    """
    form = _REFRESH_FORM.fullmatch(text)
    if form is None:
        public = "the refresh token is not valid; log in again"
        raise TokenRefused(public)
    return RefreshSecret(text, form["tenant"], uuid.UUID(hex=form["id"]), _digest(text))


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _text(claims: dict[str, object], name: str) -> str:
    value = claims[name]
    if not isinstance(value, str):
        raise TypeError(name)
    return value


def _keys_of(private: list[Ed25519PrivateKey]) -> SigningKeys:
    public = {_thumbprint(key.public_key()): key.public_key() for key in private}
    return SigningKeys(_thumbprint(private[0].public_key()), private[0], public)


def _thumbprint(key: Ed25519PublicKey) -> str:
    """RFC 7638: the key id follows from the key, so replicas agree without talking."""
    raw = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    canonical = orjson.dumps({"crv": "Ed25519", "kty": "OKP", "x": _base64url(raw)})
    return _base64url(hashlib.sha256(canonical).digest())


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _create(path: Path) -> None:
    pem = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            return
    finally:
        draft.unlink()
