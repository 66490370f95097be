"""Agents ask for certificates: signed, offered, used, refused."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from agent_state.errors import AgentRefused, CertificateRefused, NothingToRotate
from fleet.api.v1 import identity_pb2 as api
from fleet.events.v1 import facts_pb2
from opamp.v1 import opamp_pb2 as opamp
from world.facts import batch, uid_of

from .identities import TAKES_CREDENTIALS, TENANT, Lab, came

if TYPE_CHECKING:
    import asyncpg

    from .conftest import Applier

KEY = ec.generate_private_key(ec.SECP256R1())


@pytest.fixture
def lab(pool: asyncpg.Pool) -> Lab:
    """Give everything that decides who agents are."""
    return Lab(pool, datetime.now(UTC))


def csr(name: str = "an agent", key: ec.EllipticCurvePrivateKey = KEY) -> bytes:
    """Ask for a certificate."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM)


async def request(lab: Lab, credential_id: str, uid: bytes, **more: Any) -> opamp.ConnectionSettingsOffers | None:
    """Ask as a gateway does for its agent; None = it waits."""
    asked = {
        "csr": csr(),
        "capabilities": TAKES_CREDENTIALS,
        "transport": facts_pb2.TRANSPORT_WEBSOCKET,
        **more,
    }
    reply = await lab.routes.request_certificate(
        api.RequestCertificateRequest(tenant_id=TENANT, credential_id=credential_id, instance_uid=uid, **asked)
    )
    if not reply.connection_settings:
        return None
    offers = opamp.ConnectionSettingsOffers.FromString(reply.connection_settings)
    assert offers.hash == reply.connection_settings_hash
    return offers


def fingerprint(offers: opamp.ConnectionSettingsOffers | None) -> bytes:
    """Tell what gateways see of the offered certificate."""
    assert offers is not None
    return x509.load_pem_x509_certificate(offers.opamp.certificate.cert).fingerprint(hashes.SHA256())


async def show(lab: Lab, sha256: bytes, uid: bytes, *, outside: bool = False) -> api.Verdict:
    """Show a certificate at the door."""
    proof = api.Proof(certificate_sha256=sha256, certificate_uid=uid, outside_ca=outside)
    return (await lab.routes.authenticate_agents(api.AuthenticateAgentsRequest(proofs=[proof]))).verdicts[0]


async def test_an_agent_is_given_the_certificate_it_asks_for(lab: Lab, apply: Applier) -> None:
    """With the CA's, without a key; it lets in, bound to the agent, and takes over when it is used."""
    token_id, _ = await lab.token(max_uses=1)
    await lab.admit(token_id, uid_of(1))

    offers = await request(lab, token_id, uid_of(1))

    assert offers is not None
    assert offers.opamp.destination_endpoint.startswith("wss://")
    assert offers.opamp.certificate.ca_cert.decode() == lab.parts.certification.authority_pem
    assert not offers.opamp.certificate.private_key
    verdict = await show(lab, fingerprint(offers), uid_of(1))
    assert (verdict.refusal, verdict.bound_uid, verdict.needs_admission) == ("", uid_of(1), False)
    (credential,) = await lab.credentials(uid_of(1))
    assert (credential.kind, credential.state, credential.fingerprint) == (
        "certificate",
        "candidate",
        fingerprint(offers).hex(),
    )
    await apply(batch(came(uid_of(1), 5, credential.id)))
    assert (await lab.credentials(uid_of(1)))[0].state == "current"


async def test_renewal_is_served_like_the_first(lab: Lab, apply: Applier) -> None:
    """Over its current certificate; both let in until the new one is used."""
    token_id, _ = await lab.token()
    old = fingerprint(await request(lab, token_id, uid_of(1)))
    (first,) = await lab.credentials(uid_of(1))
    await apply(batch(came(uid_of(1), 5, first.id)))

    new = fingerprint(await request(lab, first.id, uid_of(1)))

    assert not (await show(lab, old, uid_of(1))).refusal
    assert not (await show(lab, new, uid_of(1))).refusal
    await apply(batch(came(uid_of(1), 6, (await lab.credentials(uid_of(1)))[0].id)))
    assert "replaced" in (await show(lab, old, uid_of(1))).refusal
    assert not (await show(lab, new, uid_of(1))).refusal


async def test_a_pending_agent_gets_its_certificate_with_the_approval(lab: Lab, apply: Applier) -> None:
    """The request waits; approved, the agent comes again and finds the certificate in its first answer."""
    token_id, _ = await lab.token(requires_approval=True)
    await lab.admit(token_id, uid_of(1))
    await apply(batch(came(uid_of(1), 5, token_id, withheld=True)))

    assert await request(lab, token_id, uid_of(1)) is None
    assert await lab.credentials(uid_of(1)) == []

    await lab.routes.decide_agent(
        api.DecideAgentRequest(tenant_id=TENANT, instance_uid=uid_of(1), decision="approve", author="ann")
    )
    admitted = await lab.admit(token_id, uid_of(1))
    offers = opamp.ConnectionSettingsOffers.FromString(admitted.connection_settings)
    assert not (await show(lab, fingerprint(offers), uid_of(1))).refusal


async def test_an_agent_given_another_id_goes_on(lab: Lab, apply: Applier) -> None:
    """Its old certificate is good for asking under the new id, as often as it takes, but not for somebody else's id."""
    token_id, _ = await lab.token(max_uses=2, labels={"site": "lab"})
    await lab.admit(token_id, uid_of(1))
    await lab.admit(token_id, uid_of(2))
    await request(lab, token_id, uid_of(1))
    (first,) = await lab.credentials(uid_of(1))
    await apply(batch(came(uid_of(1), 5, first.id), came(uid_of(3), 6, first.id)))

    asked = []
    for _ in range(2):
        assert dict((await lab.admit(first.id, uid_of(3))).labels) == {"site": "lab"}
        asked.append(fingerprint(await request(lab, first.id, uid_of(3))))

    new = asked[-1]
    assert (await show(lab, new, uid_of(3))).bound_uid == uid_of(3)
    with pytest.raises(CertificateRefused, match="another agent"):
        await request(lab, first.id, uid_of(2))
    with pytest.raises(AgentRefused, match="another agent"):
        await lab.admit(first.id, uid_of(2))


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"csr": b""}, "required"),
        ({"csr": b"x" * 20_000}, "larger"),
        ({"csr": csr("00000000-0000-0000-0000-0000000000ff")}, "another agent"),
        ({"capabilities": 0}, "must accept OpAMP connection settings"),
        ({"credential_id": "k404"}, "not valid any more"),
        ({"credential_id": "404"}, "not enrolled"),
    ],
)
async def test_refusals_leave_nothing_behind(lab: Lab, more: dict[str, Any], words: str) -> None:
    """No certificate is kept that nobody was given."""
    token_id, _ = await lab.token(max_uses=1)
    await lab.admit(token_id, uid_of(1))
    credential_id = more.pop("credential_id", token_id)

    with pytest.raises(CertificateRefused, match=words):
        await request(lab, credential_id, uid_of(1), **more)

    assert await lab.credentials(uid_of(1)) == []


async def test_who_was_not_enrolled_gets_no_certificate(lab: Lab) -> None:
    """A token with rules lets nobody around them."""
    token_id, _ = await lab.token(requires_approval=True)

    with pytest.raises(CertificateRefused, match="not enrolled"):
        await request(lab, token_id, uid_of(1))


async def test_a_revoked_agent_gets_no_certificate(lab: Lab) -> None:
    """Whatever connection it still has."""
    token_id, _ = await lab.token(max_uses=1)
    await lab.admit(token_id, uid_of(1))
    await lab.routes.revoke_agent_access(api.RevokeAgentAccessRequest(tenant_id=TENANT, instance_uid=uid_of(1)))

    with pytest.raises(CertificateRefused, match="revoked"):
        await request(lab, token_id, uid_of(1))


async def test_without_an_authority_nothing_is_signed(pool: asyncpg.Pool) -> None:
    """Gateways learn that there is none, and announce nothing."""
    lab = Lab(pool, datetime.now(UTC), ca=False)
    token_id, _ = await lab.token()

    assert not (await lab.routes.get_certificate_authority(api.GetCertificateAuthorityRequest())).certificates_pem
    with pytest.raises(CertificateRefused, match="issues no certificates"):
        await request(lab, token_id, uid_of(1))


async def test_certificates_of_an_outside_authority_are_bound_to_whom_they_name(lab: Lab) -> None:
    """The gateway has checked them; revoking the agent ends them all the same."""
    verdict = await show(lab, b"o" * 32, uid_of(1), outside=True)

    assert (verdict.refusal, verdict.bound_uid, verdict.tenant_id) == ("", uid_of(1), TENANT)
    assert (await lab.admit(verdict.credential_id, uid_of(1))).approval == "approved"
    assert "nobody's" in (await show(lab, b"o" * 32, uid_of(1))).refusal
    await lab.pool.execute(
        "INSERT INTO agent_identity (tenant_id, agent_uid, approval) VALUES ($1, $2, 'revoked')", TENANT, uid_of(1)
    )
    assert "revoked" in (await show(lab, b"o" * 32, uid_of(1), outside=True)).refusal
    with pytest.raises(AgentRefused, match="revoked"):
        await lab.admit(verdict.credential_id, uid_of(1))


async def test_a_token_gets_no_certificate_for_somebody_elses_agent(lab: Lab) -> None:
    """Of two plain tokens the first to ask for an agent's certificate is its token from then on."""
    token_id, _ = await lab.token(issues="bearer")
    plain_id, _ = await lab.token(labels={"site": "lab"})
    other_id, other = await lab.token()
    await lab.admit(token_id, uid_of(1))
    await request(lab, plain_id, uid_of(2))

    for wrong, number in ((plain_id, 1), (other_id, 1), (other_id, 2)):
        with pytest.raises(CertificateRefused, match="another enrolment token"):
            await request(lab, wrong, uid_of(number))
        with pytest.raises(AgentRefused, match="another enrolment token"):
            await lab.admit(wrong, uid_of(number))
    assert (await lab.knock(other)).needs_admission
    assert dict((await lab.admit(plain_id, uid_of(2))).labels) == {"site": "lab"}
    await request(lab, plain_id, uid_of(2))


async def test_a_revoked_token_gets_no_certificate(lab: Lab, pool: asyncpg.Pool) -> None:
    """Its connection may not have ended yet."""
    token_id, _ = await lab.token()
    await pool.execute("UPDATE enrolment_token SET revoked_at = now()")

    with pytest.raises(CertificateRefused, match="revoked"):
        await request(lab, token_id, uid_of(1))


async def test_asking_without_end_makes_no_certificates_without_end(lab: Lab) -> None:
    """The same key gets the same certificate; another key takes its place, and what was never used is not kept."""
    token_id, _ = await lab.token()
    first = last = fingerprint(await request(lab, token_id, uid_of(1)))
    assert fingerprint(await request(lab, token_id, uid_of(1))) == first
    assert len(await lab.credentials(uid_of(1))) == 1

    for _ in range(5):
        other = csr(key=ec.generate_private_key(ec.SECP256R1()))
        last = fingerprint(await request(lab, token_id, uid_of(1), csr=other))

    assert [one.state for one in await lab.credentials(uid_of(1))] == ["candidate", "superseded"]
    assert not (await show(lab, last, uid_of(1))).refusal
    assert (await show(lab, first, uid_of(1))).refusal


async def test_a_certificate_in_use_is_not_replaced_by_asking(lab: Lab, apply: Applier) -> None:
    """Only using the new one ends it."""
    token_id, _ = await lab.token()
    used = fingerprint(await request(lab, token_id, uid_of(1)))
    (first,) = await lab.credentials(uid_of(1))
    await apply(batch(came(uid_of(1), 5, first.id)))

    for _ in range(3):
        await request(lab, first.id, uid_of(1), csr=csr(key=ec.generate_private_key(ec.SECP256R1())))

    assert not (await show(lab, used, uid_of(1))).refusal
    assert [one.state for one in await lab.credentials(uid_of(1))] == ["candidate", "superseded", "current"]


async def test_a_certificate_of_the_authority_before_is_made_anew(lab: Lab, pool: asyncpg.Pool) -> None:
    """For the same key, too: the old authority is about to be taken out."""
    token_id, _ = await lab.token()
    old = fingerprint(await request(lab, token_id, uid_of(1)))

    new = fingerprint(await request(Lab(pool, datetime.now(UTC)), token_id, uid_of(1)))

    assert new != old


async def test_a_certificate_that_may_not_work_leaves_the_bearer_beside_it(lab: Lab, apply: Applier) -> None:
    """Both are told, and the bearer renewed, until the certificate was used; from then on it stands alone."""
    token_id, _ = await lab.token(issues="bearer")
    await lab.admit(token_id, uid_of(1))
    (bearer,) = await lab.credentials(uid_of(1))
    await apply(batch(came(uid_of(1), 5, bearer.id)))

    offers = await request(lab, bearer.id, uid_of(1))

    assert offers is not None
    assert offers.opamp.certificate.cert
    assert [header.key for header in offers.opamp.headers.headers] == ["Authorization"]
    rotate = api.RotateAgentCredentialRequest(tenant_id=TENANT, instance_uid=uid_of(1), author="ann")
    assert (await lab.routes.rotate_agent_credential(rotate)).credential.kind == "bearer"
    certificate = next(one for one in await lab.credentials(uid_of(1)) if one.kind == "certificate")
    await apply(batch(came(uid_of(1), 6, certificate.id)))
    async with lab.pool.acquire() as connection, connection.transaction():
        part = await lab.registry.offers.opamp_part(connection, TENANT, uid_of(1))
    assert part is not None
    assert part.certificate.cert
    assert not part.headers.headers
    with pytest.raises(NothingToRotate):
        await lab.routes.rotate_agent_credential(rotate)


async def test_a_token_beside_a_certificate_that_ended_lets_in(lab: Lab) -> None:
    """An agent may show both; the certificate counts while it is good, and a barred agent is let in by neither."""
    token_id, shown = await lab.token(max_uses=1)
    await lab.admit(token_id, uid_of(1))
    sha256 = fingerprint(await request(lab, token_id, uid_of(1)))
    (credential,) = await lab.credentials(uid_of(1))
    both = api.Proof(token_hash=shown, certificate_sha256=sha256, certificate_uid=uid_of(1))

    async def verdict() -> api.Verdict:
        return (await lab.routes.authenticate_agents(api.AuthenticateAgentsRequest(proofs=[both]))).verdicts[0]

    assert (await verdict()).credential_id == credential.id
    revoke = api.RevokeAgentAccessRequest(tenant_id=TENANT, instance_uid=uid_of(1))
    await lab.routes.revoke_agent_access(
        api.RevokeAgentAccessRequest(tenant_id=TENANT, instance_uid=uid_of(1), credential_id=credential.id)
    )
    assert ((await verdict()).refusal, (await verdict()).credential_id) == ("", token_id)
    await lab.routes.revoke_agent_access(revoke)
    assert "revoked" in (await verdict()).refusal
