"""Access tokens under abuse, refresh tokens, key files."""

from __future__ import annotations

import base64
import stat
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import orjson
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from api_gateway.errors import TokenRefused
from api_gateway.permissions import Principal, Role
from api_gateway.tokens import (
    AUDIENCE,
    ISSUER,
    AccessTokens,
    KeyFileError,
    SigningKeys,
    load_keys,
    new_refresh_secret,
    read_refresh_secret,
)

PRINCIPAL = Principal("default", str(uuid.uuid4()), "jo", Role.OPERATOR, str(uuid.uuid4()))
KEYS = load_keys(None)
TOKENS = AccessTokens(KEYS, lifetime_seconds=600)


def claims(**changes: Any) -> dict[str, Any]:
    """Make good claims, and then other ones; None takes one away."""
    now = datetime.now(UTC)
    good: dict[str, Any] = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": PRINCIPAL.user_id,
        "iat": now,
        "nbf": now,
        "exp": now + timedelta(minutes=10),
        "jti": "1",
        "sid": PRINCIPAL.session_id,
        "tenant_id": "default",
        "session_version": 1,
        "username": "jo",
        "role": "operator",
    }
    return {name: value for name, value in (good | changes).items() if value is not None}


def signed(body: dict[str, Any], keys: SigningKeys = KEYS, kid: str | None = None) -> str:
    """Sign any claims with a real key."""
    return jwt.encode(body, keys.private, algorithm="EdDSA", headers={"kid": kid or keys.kid})


def unsigned(header: dict[str, Any], body: dict[str, Any], signature: str = "") -> str:
    """Write a token by hand."""
    parts = [base64.urlsafe_b64encode(orjson.dumps(part)).rstrip(b"=").decode() for part in (header, body)]
    return ".".join([*parts, signature])


def test_a_signed_token_tells_who_it_is_for() -> None:
    """What was signed is what is read."""
    token = TOKENS.sign(PRINCIPAL, 7, datetime.now(UTC))

    found = TOKENS.verify(token)

    assert found.principal == PRINCIPAL
    assert found.session_version == 7
    assert jwt.get_unverified_header(token) == {"alg": "EdDSA", "typ": "JWT", "kid": KEYS.kid}


NOW = datetime.now(UTC)


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": NOW - timedelta(minutes=1)},
        {"nbf": NOW + timedelta(days=1)},
        {"iss": "somebody-else"},
        {"aud": "another-api"},
        {"aud": [AUDIENCE, "another-api"]},
        {"sub": "not a uuid"},
        {"sid": "not a uuid"},
        {"role": "root"},
        {"session_version": "x"},
        *({name: None} for name in ("exp", "iat", "nbf", "iss", "aud", "sub", "jti", "sid", "tenant_id", "username")),
    ],
    ids=lambda changes: "-".join(f"{name}={type(value).__name__}" for name, value in changes.items()),
)
def test_a_token_with_wrong_claims_is_refused(changes: dict[str, Any]) -> None:
    """Expired, early, for somebody else, or without something we need: even with a good signature."""
    with pytest.raises(TokenRefused):
        TOKENS.verify(signed(claims(**changes)))


def test_a_clock_half_a_minute_off_is_forgiven() -> None:
    """Machines disagree about the time a little."""
    late = signed(claims(exp=datetime.now(UTC) - timedelta(seconds=10)))

    assert TOKENS.verify(late).principal == PRINCIPAL


def _timeless(body: dict[str, Any]) -> dict[str, Any]:
    return {name: int(value.timestamp()) if isinstance(value, datetime) else value for name, value in body.items()}


def test_a_token_that_chooses_its_algorithm_is_refused() -> None:
    """`none`, and HS256 keyed with the public key everybody may know."""
    raw = KEYS.public[KEYS.kid].public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    pem = KEYS.public[KEYS.kid].public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    body = _timeless(claims())
    forged = [unsigned({"alg": algorithm, "kid": KEYS.kid}, body) for algorithm in ("none", "None", "EdDSA")]
    for key in (raw, pem):
        header = {"alg": "HS256", "typ": "JWT", "kid": KEYS.kid}
        text = unsigned(header, body).rstrip(".")
        signature = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(text.encode(), key)
        forged.append(f"{text}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}")

    for token in forged:
        with pytest.raises(TokenRefused):
            TOKENS.verify(token)


def test_a_token_of_another_key_is_refused_under_any_key_id() -> None:
    """A stranger's key does not become ours by naming ours."""
    stranger = load_keys(None)

    for token in (signed(claims(), stranger), signed(claims(), stranger, kid=KEYS.kid), signed(claims(), kid="?")):
        with pytest.raises(TokenRefused):
            TOKENS.verify(token)


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "....", "é.é.é", "x" * 5000, "e30.e30.", "bnVsbA.e30.x"])
def test_what_is_no_token_is_refused(token: str) -> None:
    """Noise of any length ends in the same refusal."""
    with pytest.raises(TokenRefused):
        TOKENS.verify(token)


def test_an_oversized_token_is_refused_though_well_signed() -> None:
    """Nobody makes us parse a megabyte."""
    with pytest.raises(TokenRefused):
        TOKENS.verify(signed(claims(padding="x" * 5000)))


def test_a_refresh_token_reads_back_and_no_two_are_alike() -> None:
    """Its text holds tenant and id; its digest is what is stored."""
    made = new_refresh_secret("default")

    assert read_refresh_secret(made.text) == made
    assert made.text != new_refresh_secret("default").text
    assert made.digest not in made.text.encode()


@pytest.mark.parametrize("text", ["", "ort", "ort_default_1_2", "xyz_default_" + "0" * 32 + "_" + "0" * 64, "ort_" * 9])
def test_what_is_no_refresh_token_is_refused(text: str) -> None:
    """Anything of another form."""
    with pytest.raises(TokenRefused):
        read_refresh_secret(text)


def test_an_absent_key_file_is_made_for_its_owner_only(tmp_path: Path) -> None:
    """Mode 0600, and the next start reads the same key."""
    path = tmp_path / "deep" / "signing.pem"

    first, second = load_keys(path), load_keys(path)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert first.kid == second.kid
    assert [entry.name for entry in path.parent.iterdir()] == ["signing.pem"]


def test_a_prepended_key_signs_and_the_old_one_still_verifies(tmp_path: Path) -> None:
    """Rotation without logging anybody out."""
    path = tmp_path / "signing.pem"
    old = load_keys(path)
    token = AccessTokens(old, lifetime_seconds=600).sign(PRINCIPAL, 1, datetime.now(UTC))
    new_pem = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(new_pem + path.read_bytes())

    rotated = load_keys(path)

    assert rotated.kid != old.kid
    assert AccessTokens(rotated, lifetime_seconds=600).verify(token).principal == PRINCIPAL


def test_a_useless_key_file_stops_the_start(tmp_path: Path) -> None:
    """Empty, not PEM, another kind of key, or a folder: said in words."""
    other = generate_private_key(SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    for number, content in enumerate((b"", b"hello", other)):
        path = tmp_path / str(number)
        path.write_bytes(content)
        with pytest.raises(KeyFileError):
            load_keys(path)
    with pytest.raises(KeyFileError):
        load_keys(tmp_path)
