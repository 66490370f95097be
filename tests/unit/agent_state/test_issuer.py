from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import jwt
import pytest

from agent_state.credential import Credential
from agent_state.issuer import Issuer, hash_of, new_id
from contracts.ids import format_uid
from contracts.tokens import CHECKSUM_LENGTH, is_mistyped
from world.facts import uid_of

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
MADE = Credential(
    "default", "k0123456789abcdef", uid_of(1), "bearer", "candidate", b"", 3, NOW, NOW + timedelta(days=30)
)


@pytest.mark.parametrize("kind", ["bearer", "jwt"])
def test_the_same_credential_is_always_the_same_text(kind: str) -> None:
    """Another replica with the same key says the same; another key says something else."""
    made = replace(MADE, kind=kind)
    text = Issuer(b"k" * 32).text(made)
    stored = replace(made, proof_hash=hash_of(text))

    assert Issuer(b"k" * 32).text(made) == text
    assert Issuer(b"k" * 32).knows(stored)
    assert not Issuer(b"x" * 32).knows(stored)


@pytest.mark.parametrize(
    "other", [{"uid": uid_of(2)}, {"id": "kffff456789abcdef"}, {"tenant_id": "acme"}], ids=["uid", "id", "tenant"]
)
@pytest.mark.parametrize("kind", ["bearer", "jwt"])
def test_texts_differ_by_agent_tenant_and_credential(kind: str, other: dict[str, object]) -> None:
    """Nobody's secret tells another's."""
    issuer = Issuer(b"k" * 32)
    made = replace(MADE, kind=kind)

    assert issuer.text(made) != issuer.text(replace(made, **other))  # type: ignore[arg-type] # one field each


def test_a_bearer_text_names_its_credential() -> None:
    """Scanners know it by its prefix; 256 bits follow."""
    text = Issuer(b"k" * 32).text(MADE)

    prefix, credential_id, secret = text.split("_", 2)
    assert (prefix, credential_id, len(secret)) == ("oac", MADE.id, 43 + CHECKSUM_LENGTH)
    assert not is_mistyped(text)
    assert is_mistyped(text[:-1] + ("a" if text[-1] != "a" else "b"))


def test_a_jwt_names_agent_tenant_and_times() -> None:
    """Whoever reads it sees whose it is and until when."""
    token = Issuer(b"k" * 32).text(replace(MADE, kind="jwt"))

    claims = jwt.decode(token, options={"verify_signature": False})
    assert jwt.get_unverified_header(token)["alg"] == "EdDSA"
    assert claims == {
        "iss": "opamp-platform",
        "sub": format_uid(MADE.uid),
        "tid": "default",
        "jti": MADE.id,
        "cv": 3,
        "iat": int(NOW.timestamp()),
        "exp": int((NOW + timedelta(days=30)).timestamp()),
    }


def test_certificates_have_no_text() -> None:
    """Only the agent has the key."""
    assert not Issuer(b"k" * 32).knows(replace(MADE, kind="certificate"))


def test_a_short_key_is_refused() -> None:
    """A key that can be guessed is every agent's secret."""
    with pytest.raises(ValueError, match="32 bytes"):
        Issuer(b"short")


def test_ids_cannot_be_mistaken_for_those_of_tokens() -> None:
    """They begin with a letter that is no hexadecimal digit, and hold nothing a text is split at."""
    made = {new_id() for _ in range(100)}

    assert len(made) == 100
    assert all(one[0] == "k" and one[1:].isalnum() for one in made)
