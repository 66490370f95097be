"""Certificates: what an agent asks for, and what it does with what it gets."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from opamp.v1 import opamp_pb2 as opamp
from opampctl.conformance.as_server.catalogue import scenario
from opampctl.conformance.as_server.scene import Halt

if TYPE_CHECKING:
    from opampctl.conformance.as_server.scene import Scene

_HASH_BYTES = 32


@scenario("C-180 C-183 C-184 C-187")
async def certificate_is_asked_for(scene: Scene) -> None:
    """A request is signed with a key that stays at home; the certificate is shown from then on."""
    await scene.meet()
    await scene.full_report()
    said = await scene.log.until(
        lambda: next((each for each in scene.log.since(0) if "connection_settings_request" in each.parts), None),
        scene.patience.quiet,
    )
    if said is None:
        raise Halt("the agent asks for no certificate")
    request = said.message.connection_settings_request
    scene.judge("C-180", request.HasField("opamp"), "the request is for no OpAMP connection")
    csr = request.opamp.certificate_request.csr
    try:
        found = x509.load_pem_x509_csr(csr)
    except ValueError:
        scene.judge("C-183", condition=False, sentence="the request is no CSR in PEM")
        raise Halt("the request is no CSR in PEM") from None
    signed = found.is_signature_valid and b"PRIVATE KEY" not in said.raw
    scene.judge("C-183", signed, "the CSR is not signed with its key, or the key came along")
    scene.judge("C-187", scene.door.uid.hex() in found.subject.rfc4514_string().replace("-", ""), "it has no uid")
    authority = scene.setting.authority
    if authority is None:
        scene.skip("C-184", "the suite does not listen with TLS: --tls-cert")
        return
    issued = authority.issue(found)
    offers = opamp.ConnectionSettingsOffers(hash=secrets.token_bytes(_HASH_BYTES))
    offers.opamp.destination_endpoint = scene.setting.urls.of(scene.transport)
    offers.opamp.heartbeat_interval_seconds = int(scene.patience.interval)
    offers.opamp.certificate.cert = issued.public_bytes(Encoding.PEM)
    offers.opamp.certificate.ca_cert = authority.pem
    knocks = len(scene.log.knocks)
    await scene.tell(opamp.ServerToAgent(connection_settings=offers))
    shown = issued.public_bytes(Encoding.DER)
    came = await scene.log.until(
        lambda: any(each.certificate == shown for each in scene.log.knocks[knocks:]), scene.patience.effect
    )
    scene.judge("C-184", came, "the agent never shows the certificate it was given")
