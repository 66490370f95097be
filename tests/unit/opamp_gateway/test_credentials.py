"""What a request shows, and what of it counts."""

from __future__ import annotations

import base64
import hashlib

import pytest
from gatewaylab.speech import OTHER, UID

from contracts.tokens import sealed
from opamp_gateway.credentials import ClientCertificate, Credential, proof_of, token_of

TOKEN = {"authorization": "Bearer oet_1_x"}
TOKEN_HASH = hashlib.sha256(b"oet_1_x").digest()


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer oet_1_x"},
        {"authorization": "bearer   oet_1_x "},
        {"authorization": "Secret-Key oet_1_x"},
        {"authorization": "Basic " + base64.b64encode(b"agent:oet_1_x").decode()},
        {"secret-key": "oet_1_x"},
    ],
)
def test_token_is_found_in_every_place_agents_put_it(headers: dict[str, str]) -> None:
    """And only its hash goes on."""
    assert token_of(headers) == "oet_1_x"
    assert proof_of(headers, "").token_hash == TOKEN_HASH


@pytest.mark.parametrize(
    "headers", [{}, {"authorization": "Digest x"}, {"authorization": "Basic ?"}, {"secret-key": " "}]
)
def test_no_token_is_no_token(headers: dict[str, str]) -> None:
    """Schemes nobody speaks and empty values count as none."""
    assert token_of(headers) == ""
    assert proof_of(headers, "").token_hash == b""


def test_proof_holds_what_the_request_shows() -> None:
    """A token's hash, where it came from, and whom the head names."""
    proof = proof_of(TOKEN, "192.0.2.1", uid=UID)

    assert (proof.secret, proof.remote_ip, proof.instance_uid) == (TOKEN_HASH, "192.0.2.1", UID)
    assert proof_of({}, "192.0.2.1").secret == b""


def test_certificate_and_token_are_shown_together() -> None:
    """Unless an outside authority only secures the transport; a verdict on both is none on the certificate alone."""
    own, outside = ClientCertificate(b"c" * 32, UID), ClientCertificate(b"o" * 32, outside_ca=True)

    both, alone = proof_of(TOKEN, "", own), proof_of({}, "", own)
    assert (both.certificate_sha256, both.token_hash) == (b"c" * 32, TOKEN_HASH)
    assert (alone.certificate_sha256, alone.token_hash) == (b"c" * 32, b"")
    assert len({both.secret, alone.secret, TOKEN_HASH}) == 3
    assert proof_of(TOKEN, "", outside).secret == TOKEN_HASH
    assert proof_of({}, "", outside).secret == b"o" * 32
    assert proof_of({}, "", outside).outside_ca


def test_slip_of_the_pen_shows_in_the_proof() -> None:
    """A text of the platform's form whose checksum does not fit; beside a certificate that opens, it is no matter."""
    token = sealed("oet_" + "1" * 12 + "_" + "a" * 48)

    assert not proof_of({"secret-key": token}, "").mistyped
    assert proof_of({"secret-key": token.replace("a", "b", 1)}, "").mistyped
    assert not proof_of(TOKEN, "").mistyped
    wrong = {"secret-key": token.replace("a", "b", 1)}
    assert not proof_of(wrong, "", ClientCertificate(b"c" * 32, UID)).mistyped
    assert proof_of(wrong, "", ClientCertificate(b"o" * 32, outside_ca=True)).mistyped


def test_proof_can_name_its_agent_later() -> None:
    """The body of a poll says who speaks."""
    proof = proof_of(TOKEN, "")

    assert proof.naming(OTHER).instance_uid == OTHER
    assert proof.naming(b"") is proof


def test_credential_is_general_unless_bound_or_bounded() -> None:
    """Only then does one verdict hold for all who show it."""
    assert Credential("t", "c").is_general
    assert not Credential("t", "c", bound_uid=UID).is_general
    assert not Credential("t", "c", needs_admission=True).is_general
