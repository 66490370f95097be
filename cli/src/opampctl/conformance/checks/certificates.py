"""S-136 to S-153: certificate requests."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from opamp.v1 import opamp_pb2 as opamp
from opampctl.conformance.catalogue import check, untestable
from opampctl.conformance.checks.acting import unused
from opampctl.conformance.persona import REPORTS_STATUS, fresh_uid
from opampctl.conformance.verdict import Failed, NotApplicable, require

if TYPE_CHECKING:
    from opampctl.conformance.persona import Persona
    from opampctl.conformance.probe import Probe, SocketLine

_ANNOUNCED = int(opamp.ServerCapabilities_AcceptsConnectionSettingsRequest)
_CAPABILITIES = REPORTS_STATUS | int(
    opamp.AgentCapabilities_AcceptsOpAMPConnectionSettings
    | opamp.AgentCapabilities_ReportsConnectionSettingsStatus
    | opamp.AgentCapabilities_ReportsHeartbeat
)
_BAD_REQUEST = opamp.ServerErrorResponseType_BadRequest
_NEEDS_MTLS = "needs an endpoint that asks for client certificates"
_NOT_ANNOUNCED = "the server does not announce AcceptsConnectionSettingsRequest"
_PEM = b"-----BEGIN CERTIFICATE-----"

untestable(
    {
        "S-142": _NEEDS_MTLS,
        "S-149": _NEEDS_MTLS,
        "S-151": _NEEDS_MTLS,
        "S-152": _NEEDS_MTLS,
    }
)


@check("S-136")
async def certificate_is_signed_by_its_ca(probe: Probe) -> None:
    """The certificate verifies with the CA certificate that comes with it, or with itself."""
    agent, line = await _met(probe)
    given = await _certificate(probe, agent, line)
    leaf = x509.load_pem_x509_certificate(given.cert)
    issuer = x509.load_pem_x509_certificate(given.ca_cert) if given.ca_cert else leaf
    try:
        leaf.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError) as error:
        raise Failed("the certificate does not verify with the CA certificate beside it") from error


@check("S-137")
async def announced_exactly_if_served(probe: Probe) -> None:
    """A server that announces certificate requests answers one, and a server that does not gives no certificate."""
    agent = probe.persona(_CAPABILITIES)
    line = await probe.websocket()
    announced = bool((await line.ask(agent.full())).message.capabilities & _ANNOUNCED)
    answer = await _answer(probe, agent, line, _request(_csr(agent)))
    served = answer is not None and answer.connection_settings.opamp.HasField("certificate")
    refused = answer is not None and answer.HasField("error_response")
    if announced:
        require(served or refused, "certificate requests are announced, and one was neither served nor refused")
    else:
        require(not served, "certificate requests are served though they are not announced")


@check("S-138")
async def request_without_opamp_does_nothing(probe: Probe) -> None:
    """An empty settings request brings no settings, and the rest of the message counts."""
    agent, line = await _met(probe)
    answer = await line.ask(agent.full(connection_settings_request=opamp.ConnectionSettingsRequest()))
    require(not answer.refused, "an empty request was refused")
    require(not answer.message.HasField("connection_settings"), "an empty request brought settings")


@check("S-139")
async def request_without_csr_brings_no_certificate(probe: Probe) -> None:
    """A request without certificate request brings no certificate."""
    agent, line = await _met(probe)
    empty = opamp.ConnectionSettingsRequest(opamp=opamp.OpAMPConnectionSettingsRequest())
    answer = await _answer(probe, agent, line, empty, seconds=probe.patience.quiet)
    require(not _has_certificate(answer), "a request without certificate request brought a certificate")


@check("S-140")
async def request_is_checked(probe: Probe) -> None:
    """What is no certificate request, and one with a broken signature, bring no certificate."""
    for what, csr in _bad_requests(probe.persona()).items():
        agent, line = await _met(probe)
        bad = csr if what != "a broken signature" else _broken(_csr(agent))
        answer = await _answer(probe, agent, line, _request(bad), seconds=probe.patience.answer)
        require(not _has_certificate(answer), f"{what} brought a certificate")


@check("S-141")
async def good_request_brings_the_certificate(probe: Probe) -> None:
    """The answer has a certificate in PEM for the key of the request."""
    agent, line = await _met(probe)
    key = ec.generate_private_key(ec.SECP256R1())
    given = await _certificate(probe, agent, line, key)
    require(given.cert.startswith(_PEM), "the certificate is not PEM")
    leaf = x509.load_pem_x509_certificate(given.cert)
    encoding = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    mine, theirs = key.public_key().public_bytes(*encoding), leaf.public_key().public_bytes(*encoding)
    require(mine == theirs, "the certificate is for another key")


@check("S-143")
async def request_is_approved(probe: Probe) -> None:
    """A good request is approved by itself, or waits for somebody."""
    agent, line = await _met(probe)
    answer = await _answer(probe, agent, line, _request(_csr(agent)))
    require(answer is None or not answer.HasField("error_response"), "a good request was refused")
    if answer is None:
        raise unused("approve requests by itself")


@check("S-144")
async def certificate_is_made(probe: Probe) -> None:
    """A certificate comes for an approved request, and is valid now."""
    agent, line = await _met(probe)
    leaf = x509.load_pem_x509_certificate((await _certificate(probe, agent, line)).cert)
    require(leaf.not_valid_after_utc > leaf.not_valid_before_utc, "the certificate is never valid")


@check("S-145")
async def ca_certificate_comes_along(probe: Probe) -> None:
    """A certificate that is not self-signed comes with its CA's."""
    agent, line = await _met(probe)
    given = await _certificate(probe, agent, line)
    leaf = x509.load_pem_x509_certificate(given.cert)
    require(leaf.issuer == leaf.subject or given.ca_cert, "a CA signed the certificate, and ca_cert is not set")


@check("S-146")
async def private_key_stays_with_the_agent(probe: Probe) -> None:
    """The answer has no private key."""
    agent, line = await _met(probe)
    require(not (await _certificate(probe, agent, line)).private_key, "private_key is set")


@check("S-147")
async def further_settings_may_come(probe: Probe) -> None:
    """The offer with the certificate has other OpAMP settings, such as a heartbeat interval or headers."""
    agent, line = await _met(probe)
    answer = await _answer(probe, agent, line, _request(_csr(agent)))
    if answer is None or not answer.HasField("connection_settings"):
        raise NotApplicable("no certificate was given")
    settings = answer.connection_settings.opamp
    if not (settings.heartbeat_interval_seconds or settings.headers.headers or settings.HasField("tls")):
        raise unused("change other settings together with a certificate")


@check("S-148")
async def failed_request_is_a_bad_request(probe: Probe) -> None:
    """A request that fails is answered BadRequest."""
    for what, csr in _bad_requests(probe.persona()).items():
        agent, line = await _met(probe)
        bad = csr if what != "a broken signature" else _broken(_csr(agent))
        answer = await _answer(probe, agent, line, _request(bad))
        require(answer is not None and answer.HasField("error_response"), f"{what} was not refused")
        if answer is not None:
            require(answer.error_response.type == _BAD_REQUEST, f"{what}: the type is not BadRequest")


@check("S-150")
async def uid_of_the_request_is_checked(probe: Probe) -> None:
    """A request whose subject or alternative name is another agent's uid is refused."""
    agent, line = await _met(probe)
    other = probe.persona(uid=fresh_uid())
    answer = await _answer(probe, agent, line, _request(_csr(other)))
    require(not _has_certificate(answer), "a request for another agent's uid brought a certificate")
    require(
        answer is not None and answer.HasField("error_response"), "a request for another agent's uid was not refused"
    )


@check("S-153")
async def certificate_is_given_again(probe: Probe) -> None:
    """A second request, with another key, is served like the first."""
    agent, line = await _met(probe)
    first = await _certificate(probe, agent, line)
    second = await _certificate(probe, agent, line)
    require(first.cert != second.cert, "the second request brought the first certificate")


async def _met(probe: Probe) -> tuple[Persona, SocketLine]:
    agent = probe.persona(_CAPABILITIES)
    line = await probe.websocket()
    if not (await line.ask(agent.full())).message.capabilities & _ANNOUNCED:
        raise NotApplicable(_NOT_ANNOUNCED)
    return agent, line


async def _answer(
    probe: Probe,
    agent: Persona,
    line: SocketLine,
    request: opamp.ConnectionSettingsRequest,
    seconds: float | None = None,
) -> opamp.ServerToAgent | None:
    """Send a request; returns the message with settings or an error, None when neither came."""
    line.say(agent.message(connection_settings_request=request))
    limit = probe.patience.answer * 2 if seconds is None else seconds
    while (heard := await line.socket.next(limit)) is not None:
        if heard.readable and (heard.refused or heard.message.HasField("connection_settings")):
            return heard.message
    return None


async def _certificate(
    probe: Probe, agent: Persona, line: SocketLine, key: ec.EllipticCurvePrivateKey | None = None
) -> opamp.TLSCertificate:
    """
    Ask for a certificate and get it.

    Raises:
        Failed: It was refused, or did not come.
    """
    answer = await _answer(probe, agent, line, _request(_csr(agent, key)))
    if answer is not None and answer.HasField("error_response"):
        raise Failed(f"a good request was refused: {answer.error_response.error_message}")
    if answer is None or not _has_certificate(answer):
        raise Failed("a good request brought no certificate")
    return answer.connection_settings.opamp.certificate


def _has_certificate(answer: opamp.ServerToAgent | None) -> bool:
    return answer is not None and bool(answer.connection_settings.opamp.certificate.cert)


def _csr(agent: Persona, key: ec.EllipticCurvePrivateKey | None = None) -> bytes:
    """Write a certificate request in the name of an agent."""
    names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(f"urn:uuid:{agent.text}")])
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, agent.text)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject).add_extension(names, critical=False)
    signed = builder.sign(key or ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM)


def _broken(csr: bytes) -> bytes:
    """Change a signed byte: the request reads as before, and its signature does not fit."""
    request = x509.load_pem_x509_csr(csr)
    der = bytearray(request.public_bytes(serialization.Encoding.DER))
    der[-3] ^= 0xFF
    lines = base64.encodebytes(bytes(der))
    return b"-----BEGIN CERTIFICATE REQUEST-----\n" + lines + b"-----END CERTIFICATE REQUEST-----\n"


def _bad_requests(agent: Persona) -> dict[str, bytes]:
    whole = _csr(agent)
    return {
        "text that is no request": b"no certificate request",
        "a request cut short": whole[: len(whole) // 2],
        "a broken signature": b"",
    }


def _request(csr: bytes) -> opamp.ConnectionSettingsRequest:
    return opamp.ConnectionSettingsRequest(
        opamp=opamp.OpAMPConnectionSettingsRequest(certificate_request=opamp.CertificateRequest(csr=csr))
    )
