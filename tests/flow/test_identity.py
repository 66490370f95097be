"""An agent is let in, gets a credential of its own, keeps it, loses it: from its socket to the API and back."""

from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
import uuid
from typing import TYPE_CHECKING, Any

import asyncpg
import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from opamp.v1 import opamp_pb2 as opamp
from opampctl.simulate import Fleet, FleetOptions, Transport
from opampctl.simulate.slots import APPLIED

if TYPE_CHECKING:
    from pathlib import Path

    from opampctl.simulate import SimulatedAgent
    from world.eventually import Eventually
    from world.platform import Platform

WITHIN = 30.0
COMES_BACK_WITHIN = 90.0
"""A gateway that has just started may send an agent away for half a minute."""

BODY = "receivers:\n  otlp: {}\n"
PROTOBUF = {"Content-Type": "application/x-protobuf"}

pytestmark = pytest.mark.timeout(300)


async def token_of(platform: Platform, **rules: Any) -> dict[str, Any]:
    """Make an enrolment token."""
    made: dict[str, Any] = await platform.api.post("/enrolment-tokens", {"name": "flow", **rules})
    return made


def options_of(platform: Platform, token: str, **changes: Any) -> FleetOptions:
    """Make the options of a small fleet that polls often and takes connection settings."""
    chosen: dict[str, Any] = {
        "endpoint": platform.run_json["opamp_url"],
        "token": token,
        "agents": 1,
        "heartbeat_seconds": 1.0,
        "apply_delay_seconds": 0.01,
        "accept_settings": True,
    }
    return FleetOptions(**chosen | changes)


def bearer_of(agent: SimulatedAgent) -> str:
    """Tell what an agent shows at the door."""
    assert agent.extras is not None
    return dict(agent.extras.slots.current.headers).get("Authorization", "").removeprefix("Bearer ")


async def credentials_of(platform: Platform, agent: SimulatedAgent) -> list[dict[str, Any]]:
    """List the credentials of an agent."""
    page: dict[str, Any] = await platform.api.get(f"/agents/{agent.uid_text}/credentials")
    found: list[dict[str, Any]] = page["credentials"]
    return found


def has_its_own(platform: Platform, agent: SimulatedAgent, prefix: str = "oac_") -> Any:
    """Make a question: does the agent use a credential of its own, and does the platform know that?"""

    async def ask() -> bool:
        found = [each["state"] for each in await credentials_of(platform, agent)]
        extras = agent.extras
        assert extras is not None
        standing = (extras.slots.status, extras.slots.error, agent.connected, dict(agent._statistics.errors))
        assert bearer_of(agent).startswith(prefix), standing
        assert (found.count("current"), agent.connected) == (1, True), (found, standing)
        return True

    return ask


def is_shown(platform: Platform, agent: SimulatedAgent, **fields: Any) -> Any:
    """Make a question: does the API show these values of the agent?"""

    async def ask() -> bool:
        found = await platform.api.agent(agent.uid_text)
        return found is not None and all(found[name] == value for name, value in fields.items())

    return ask


def has_moved_from(platform: Platform, fleet: Fleet, gateway: str) -> Any:
    """Make a question: is the agent connected to another gateway process than this one?"""

    async def ask() -> bool:
        found = await platform.api.agent(fleet.agents[0].uid_text)
        assert found is not None
        assert (found["link"], found["gateway_id"] != gateway) == ("connected", True), fleet.snapshot()
        return True

    return ask


def first_message(uid: bytes) -> bytes:
    """Write the least an agent may begin with."""
    return opamp.AgentToServer(instance_uid=uid, capabilities=opamp.AgentCapabilities_ReportsStatus).SerializeToString()


async def knock(platform: Platform, uid: bytes, token: str, ca_file: str | None = None) -> httpx.Response:
    """Poll once, as an agent with *uid* and *token* would."""
    headers = {**PROTOBUF, "Authorization": f"Bearer {token}"}
    verify = ssl.create_default_context(cafile=ca_file)
    async with httpx.AsyncClient(timeout=WITHIN, verify=verify) as client:
        return await client.post(platform.run_json["opamp_http_url"], content=first_message(uid), headers=headers)


@pytest.mark.parametrize("transport", [Transport.WEBSOCKET, Transport.HTTP])
async def test_bounded_token_gives_a_credential_that_lasts_until_it_is_revoked(
    running: Platform, eventually: Eventually, place: str, tmp_path: Path, transport: Transport
) -> None:
    """Kept over a restart of agent and gateway; a revocation closes the connection, and survives a restart, too."""
    # Own credentials come with a heartbeat interval, 30 s unless settings say otherwise.
    often = {"selector": {"place": place}, "settings": {"opamp": {"heartbeat_interval_seconds": 1}}}
    await running.api.put(f"/connection-settings/{place}", often)
    token = await token_of(running, max_uses=1, issues="bearer", labels={"place": place})
    options = options_of(
        running, token["secret"], transport=transport, uid_seed=f"own-{transport}", state_folder=str(tmp_path)
    )
    async with Fleet(options) as fleet:
        agent = fleet.agents[0]
        await eventually(has_its_own(running, agent), within=WITHIN)
        own = bearer_of(agent)

    async with Fleet(options) as fleet:
        agent = fleet.agents[0]
        assert bearer_of(agent) == own
        await eventually(is_shown(running, agent, link="connected"), within=WITHIN)

        before = (await running.api.agent(agent.uid_text) or {})["gateway_id"]
        await running.restart("opamp-gateway")
        await eventually(has_moved_from(running, fleet, before), within=COMES_BACK_WITHIN)
        await eventually(lambda: agent.connected, within=WITHIN)
        assert bearer_of(agent) == own
        assert fleet.statistics.errors["http_401"] == 0

        # No sweep would notice within this test: what cuts it off is the announcement, and nothing waits in between.
        await running.api.post(f"/agents/{agent.uid_text}/revoke", {"comment": "stolen"})
        await eventually(lambda: not agent.connected, within=WITHIN)
        await eventually(lambda: fleet.statistics.errors["http_401"] > 0, within=WITHIN)
        await eventually(is_shown(running, agent, link="disconnected", approval="revoked"), within=WITHIN)

        await running.restart("opamp-gateway")
        for shown in (own, token["secret"]):
            refused = await knock(running, agent.uid, shown)
            assert (refused.status_code, bool(refused.text)) == (401, True)
    assert {each["state"] for each in await credentials_of(running, agent)} == {"revoked"}
    await running.api.delete(f"/connection-settings/{place}")
    tokens = (await running.api.get("/enrolment-tokens"))["tokens"]
    assert next(each["uses"] for each in tokens if each["id"] == token["id"]) == 1


async def test_signed_token_takes_the_place_of_the_enrolment_token(running: Platform, eventually: Eventually) -> None:
    """A JWT of its own works like a bearer; it is rotated without the agent ever being locked out."""
    token = await token_of(running, issues="jwt")
    async with Fleet(options_of(running, token["secret"])) as fleet:
        agent = fleet.agents[0]
        await eventually(has_its_own(running, agent, prefix="ey"), within=WITHIN)
        first = bearer_of(agent)

        await running.api.post(f"/agents/{agent.uid_text}/credentials/rotate")
        await eventually(lambda: bearer_of(agent) != first, within=WITHIN)
        await eventually(has_its_own(running, agent, prefix="ey"), within=WITHIN)

        async def superseded() -> bool:
            return [each["state"] for each in await credentials_of(running, agent)] == ["current", "superseded"]

        await eventually(superseded, within=WITHIN)
        assert fleet.statistics.errors["http_401"] == 0


async def test_the_101st_agent_of_100_is_refused_with_the_reason(running: Platform, eventually: Eventually) -> None:
    """On a poll, and on an upgrade with and without the agent's name; those that are in stay and may come again."""
    token = await token_of(running, max_uses=100)
    async with Fleet(options_of(running, token["secret"], agents=100, accept_settings=False)) as fleet:
        await fleet.wait_connected(within_seconds=60)

        async def all_used() -> bool:
            tokens = (await running.api.get("/enrolment-tokens"))["tokens"]
            return bool(next(each["uses"] for each in tokens if each["id"] == token["id"]) == 100)

        await eventually(all_used, within=WITHIN)
        stranger = bytes(range(16))
        polled = await knock(running, stranger, token["secret"])
        known = await knock(running, fleet.agents[0].uid, token["secret"])
        with pytest.raises(InvalidStatus) as named:
            await upgrade(running, token["secret"], {"OpAMP-Instance-UID": "00010203-0405-0607-0809-0a0b0c0d0e0f"})
        assert (polled.status_code, known.status_code) == (401, 200)
        assert "used" in polled.text
        assert named.value.response.status_code == 401
        assert b"used" in named.value.response.body

        async def nameless_is_refused() -> bool:
            try:
                await upgrade(running, token["secret"], {})
            except InvalidStatus as error:
                return error.response.status_code == 401 and b"used" in error.response.body
            return False

        # The gateway may remember for a moment that the token let somebody in.
        await eventually(nameless_is_refused, within=WITHIN)
        assert fleet.snapshot().connected == 100
    assert await running.api.agent("00010203-0405-0607-0809-0a0b0c0d0e0f") is None


async def upgrade(platform: Platform, token: str, headers: dict[str, str]) -> None:
    """Open a WebSocket and leave again."""
    headers = {"Authorization": f"Bearer {token}", **headers}
    async with connect(platform.run_json["opamp_url"], additional_headers=headers, open_timeout=WITHIN):
        pass


async def test_an_agent_that_waits_gets_its_configuration_once_approved(
    running: Platform, eventually: Eventually, place: str
) -> None:
    """Seen and heard while it waits, offered nothing; approved, it comes back and gets everything."""
    draft = {"name": place, "content_type": "yaml", "raw_config": BODY, "selector": {"place": place}}
    await running.api.post("/configurations", draft)
    token = await token_of(running, requires_approval=True, labels={"place": place})
    async with Fleet(options_of(running, token["secret"])) as fleet:
        agent = fleet.agents[0]
        await eventually(is_shown(running, agent, approval="pending", link="connected"), within=WITHIN)
        waiting = (await running.api.get("/agents", approval="pending"))["agents"]
        fleet.set_health(0, healthy=False, error="disk full")
        await eventually(is_shown(running, agent, health_error="disk full"), within=WITHIN)

        assert agent.uid_text in [each["id"] for each in waiting]
        assert agent.received == []

        await running.api.post(f"/agents/{agent.uid_text}/approve", {"comment": "ours"})
        await eventually(lambda: agent.applied_hash, within=WITHIN)
        await eventually(is_shown(running, agent, approval="approved", config_state="applied"), within=WITHIN)


async def test_a_rejected_agent_is_not_let_in_again(running: Platform, eventually: Eventually) -> None:
    """Its connection ends, and its token opens the door to others only."""
    token = await token_of(running, requires_approval=True)
    async with Fleet(options_of(running, token["secret"])) as fleet:
        agent = fleet.agents[0]
        await eventually(is_shown(running, agent, approval="pending", link="connected"), within=WITHIN)

        await running.api.post(f"/agents/{agent.uid_text}/reject")

        await eventually(lambda: not agent.connected, within=WITHIN)
        await eventually(is_shown(running, agent, approval="rejected", link="disconnected"), within=WITHIN)
        assert (await knock(running, agent.uid, token["secret"])).status_code == 401


async def test_an_ephemeral_agent_vanishes(running: Platform, eventually: Eventually, place: str) -> None:
    """Once it has been offline for long enough, nobody remembers it; its stamped labels were shown till then."""
    token = await token_of(running, ephemeral_seconds=3600, labels={"place": place}, group="batch")
    async with Fleet(options_of(running, token["secret"])) as fleet:
        agent = fleet.agents[0]
        await eventually(
            is_shown(running, agent, ephemeral_seconds=3600, stamped_labels={"place": place, "group": "batch"}),
            within=WITHIN,
        )
        found = (await running.api.get("/agents", **{"label.group": "batch", "label.place": place}))["agents"]
        assert [each["id"] for each in found] == [agent.uid_text]
    await eventually(is_shown(running, agent, link="disconnected"), within=WITHIN)

    # An hour passes: nobody waits for it here.
    connection = await asyncpg.connect(running.run_json["postgres_url"])
    await connection.execute(
        "UPDATE agent_state.agent_identity SET ephemeral_seconds = 1 WHERE agent_uid = $1", agent.uid
    )
    await connection.close()

    async def gone() -> bool:
        return await running.api.agent(agent.uid_text) is None

    await eventually(gone, within=WITHIN)


async def test_clones_with_credentials_end_as_two_agents(
    running: Platform, eventually: Eventually, tmp_path: Path
) -> None:
    """The same image started twice: one keeps the uid, the other is given a new one and a credential for it."""
    token = await token_of(running, issues="bearer")
    first, second = (
        Fleet(options_of(running, token["secret"], uid_seed="clone", state_folder=str(tmp_path / name)))
        for name in ("first", "second")
    )
    async with first:
        await eventually(has_its_own(running, first.agents[0]), within=WITHIN)
        async with second:
            await eventually(lambda: second.agents[0].uid != first.agents[0].uid, within=WITHIN)
            for fleet in (first, second):
                await eventually(has_its_own(running, fleet.agents[0]), within=WITHIN)
                await eventually(is_shown(running, fleet.agents[0], link="connected"), within=WITHIN)

            assert bearer_of(first.agents[0]) != bearer_of(second.agents[0])


async def test_an_agent_with_a_certificate_of_its_own_comes_back_with_it(
    tls_platform: Platform, eventually: Eventually, tmp_path: Path
) -> None:
    """Asked for over the enrolment token, signed by the platform's CA, shown at the next handshake, revocable."""
    token, ca_file = await token_of(tls_platform), str(tls_platform.folder / "tls" / "ca.crt")
    options = options_of(
        tls_platform, token["secret"], csr=True, ca_file=ca_file, uid_seed="csr", state_folder=str(tmp_path)
    )

    async def gateway_takes_requests() -> bool:
        answer = await knock(tls_platform, bytes(16), token["secret"], ca_file)
        capabilities = opamp.ServerToAgent.FromString(answer.content).capabilities
        return bool(capabilities & opamp.ServerCapabilities_AcceptsConnectionSettingsRequest)

    await eventually(gateway_takes_requests, within=WITHIN)
    async with Fleet(options) as fleet:
        agent = fleet.agents[0]
        assert agent.extras is not None
        slots = agent.extras.slots
        await eventually(lambda: slots.current.certificate and slots.status == APPLIED, within=WITHIN)

        async def in_use() -> bool:
            found = await credentials_of(tls_platform, agent)
            return [(each["kind"], each["state"]) for each in found] == [("certificate", "current")]

        await eventually(in_use, within=WITHIN)
        await eventually(is_shown(tls_platform, agent, link="connected"), within=WITHIN)
        authority = (await tls_platform.api.get("/certificate-authority"))["certificates_pem"]
        leaf = x509.load_pem_x509_certificates(slots.current.certificate.encode())[0]
        leaf.verify_directly_issued_by(x509.load_pem_x509_certificate(authority.encode()))

    # The enrolment token is gone; the certificate alone opens the door.
    await tls_platform.api.delete(f"/enrolment-tokens/{token['id']}")
    async with Fleet(options) as fleet:
        agent = fleet.agents[0]
        assert agent.extras is not None
        assert agent.extras.slots.current.certificate
        await eventually(is_shown(tls_platform, agent, link="connected"), within=WITHIN)
        (credential,) = await credentials_of(tls_platform, agent)

        await tls_platform.api.delete(f"/agents/{agent.uid_text}/credentials/{credential['id']}")
        await eventually(lambda: not agent.connected, within=WITHIN)
        await eventually(is_shown(tls_platform, agent, link="disconnected"), within=WITHIN)


TAKES_CREDENTIALS = (
    opamp.AgentCapabilities_ReportsStatus
    | opamp.AgentCapabilities_AcceptsOpAMPConnectionSettings
    | opamp.AgentCapabilities_ReportsHeartbeat
)


async def poll(platform: Platform, uid: bytes, token: str, **said: Any) -> httpx.Response:
    """Poll once, as an agent that takes credentials."""
    message = opamp.AgentToServer(instance_uid=uid, capabilities=TAKES_CREDENTIALS, **said)
    message.agent_description.SetInParent()
    headers = {**PROTOBUF, "Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(timeout=WITHIN) as client:
        url = platform.run_json["opamp_http_url"]
        return await client.post(url, content=message.SerializeToString(), headers=headers)


def credential_in(response: httpx.Response) -> str:
    """Read the bearer text out of an answer."""
    assert response.status_code == 200, response.text
    answer = opamp.ServerToAgent.FromString(response.content)
    (header,) = answer.connection_settings.opamp.headers.headers
    return header.value.removeprefix("Bearer ")


@pytest.mark.parametrize("rules", [{}, {"requires_approval": True, "ephemeral_seconds": 3600}, {"issues": "bearer"}])
async def test_no_other_token_takes_an_agent_over(running: Platform, place: str, rules: dict[str, Any]) -> None:
    """Whoever knows an agent's id and has some token is refused with what to do; the agent notices nothing."""
    uid = uuid.uuid4().bytes
    token = await token_of(running, issues="bearer", max_uses=1, labels={"place": place})
    own = credential_in(await poll(running, uid, token["secret"]))
    other = await token_of(running, **rules)

    refused = await poll(running, uid, other["secret"])

    assert refused.status_code == 401
    assert "another enrolment token" in refused.text
    for shown in (own, token["secret"]):
        assert (await poll(running, uid, shown)).status_code == 200
    assert {each["id"] for each in (await running.api.get("/agents", approval="pending"))["agents"]}.isdisjoint(
        {str(uuid.UUID(bytes=uid))}
    )


async def test_one_use_does_not_make_many_agents(running: Platform, eventually: Eventually) -> None:
    """An agent may move to another id; asking for more makes no more agents, and all end with the first."""
    uid = uuid.uuid4().bytes
    token = await token_of(running, issues="bearer", max_uses=1)
    own = credential_in(await poll(running, uid, token["secret"]))

    async def renamed() -> bytes:
        answer = await poll(running, uid, own, flags=opamp.AgentToServerFlags_RequestInstanceUid)
        return bytes(opamp.ServerToAgent.FromString(answer.content).agent_identification.new_instance_uid)

    heir = await renamed()
    heirs_own = credential_in(await poll(running, heir, own))
    refused = await poll(running, await renamed(), own)
    assert (refused.status_code, "given another id" in refused.text) == (401, True)
    assert (await poll(running, heir, heirs_own)).status_code == 200

    await running.api.post(f"/agents/{uuid.UUID(bytes=uid)}/revoke", {"comment": "stolen"})

    async def is_out() -> bool:
        return (await poll(running, heir, heirs_own)).status_code == 401

    await eventually(is_out, within=WITHIN)


@pytest.fixture
async def tls_platform(own_platform: Platform) -> Platform:
    """Give a platform whose gateway speaks TLS, with a CA of the operator's own for the server."""
    folder = own_platform.folder / "tls"
    make_server_certificate(folder)
    settings = {
        "OPAMP_GATEWAY_TLS_CERTIFICATE_FILE": str(folder / "server.crt"),
        "OPAMP_GATEWAY_TLS_KEY_FILE": str(folder / "server.key"),
        "AGENT_STATE_OPAMP_PUBLIC_CA_FILE": str(folder / "ca.crt"),
    }
    await own_platform.start(settings=settings)
    return own_platform


def make_server_certificate(folder: Path) -> None:
    """Make an authority and with it the certificate of a server on this machine."""
    folder.mkdir(parents=True)
    now = dt.datetime.now(dt.UTC)

    def certificate(name: str, public: Any, issuer: str, signer: Any, *extensions: x509.ExtensionType) -> bytes:
        builder = x509.CertificateBuilder().subject_name(named(name)).issuer_name(named(issuer)).public_key(public)
        builder = builder.serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now - dt.timedelta(hours=1)).not_valid_after(now + dt.timedelta(days=1))
        for extension in extensions:
            builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
        return builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    authority, server = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    identifier = x509.SubjectKeyIdentifier.from_public_key(authority.public_key())
    authority_pem = certificate(
        "test CA",
        authority.public_key(),
        "test CA",
        authority,
        x509.BasicConstraints(ca=True, path_length=0),
        identifier,
    )
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    origin = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)
    (folder / "ca.crt").write_bytes(authority_pem)
    (folder / "server.crt").write_bytes(
        certificate("127.0.0.1", server.public_key(), "test CA", authority, address, origin)
    )
    (folder / "server.key").write_bytes(
        server.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )


def named(text: str) -> x509.Name:
    """Make a name."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


@pytest.fixture
async def running(platform: Platform) -> Platform:
    """Give the file's platform: ephemeral agents are looked for often, connections to be closed hardly ever."""
    settings = {"AGENT_STATE_IDENTITY_UPKEEP_SECONDS": "1", "AGENT_STATE_ACCESS_SWEEP_SECONDS": "3600"}
    await platform.start(settings=settings)
    return platform
