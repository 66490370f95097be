"""The platform's authority: on, off, away; and the TLS of the door."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest
from gatewaylab.authority import Authority, der, save
from gatewaylab.fakes import Lab
from gatewaylab.speech import UID, answer, full, message, said

from opamp.v1 import opamp_pb2 as opamp
from opamp_gateway.authority import AuthorityWatch, DoorContext, door_context
from opamp_gateway.certificates import BadCertificate, Trust
from opamp_gateway.credentials import ClientCertificate
from opamp_gateway.presented import certificate_of
from servicekit.errors import Unavailable

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

    from opamp_gateway.gateway import Gateway

CERTIFIES = opamp.ServerCapabilities_AcceptsConnectionSettingsRequest
AUTHORITY = Authority()


class State:
    """agent-state's authority."""

    def __init__(self) -> None:
        self.pem = AUTHORITY.pem
        self.away = False
        self.asked = 0

    async def ask(self) -> str:
        """Answer."""
        self.asked += 1
        if self.away:
            raise Unavailable("away")
        return self.pem


def announced(lab: Lab) -> bool:
    """Say whether agents are told that they may ask for certificates."""
    return bool(answer(lab.gateway.rules.greeting.part).capabilities & CERTIFIES)


@pytest.fixture
def lab() -> Lab:
    """Make a gateway whose greeting is its own."""
    made = Lab()
    made.gateway.rules.greeting.certify(certificates=False)
    return made


async def test_capability_follows_the_authority(lab: Lab) -> None:
    """On, then off; what cannot be found out stays as it is."""
    state = State()
    watch = AuthorityWatch(lab.gateway, state.ask)
    await watch.look()
    assert announced(lab)
    assert lab.gateway.trust.verified(der(AUTHORITY.agent(UID)[0])).outside_ca is False

    state.away = True
    await watch.look()
    assert announced(lab)

    state.away, state.pem = False, ""
    await watch.look()
    assert not announced(lab)


async def test_agents_that_are_here_already_learn_of_the_change(lab: Lab) -> None:
    """With their next answer, once; the heartbeat after that is short again."""
    socket, transport = lab.open()
    socket.data_received(said(full()))
    transport.take()

    await AuthorityWatch(lab.gateway, State().ask).look()
    for number in (1, 2):
        socket.data_received(said(message(sequence_num=number)))

    assert [bool(told.capabilities & CERTIFIES) for told in transport.answers()] == [True, False]


async def test_nonsense_changes_nothing(lab: Lab) -> None:
    """It is looked at again later."""
    state = State()
    state.pem = "-----BEGIN CERTIFICATE-----\n?"
    watch = AuthorityWatch(lab.gateway, state.ask)
    await watch.look()

    assert not announced(lab)


async def test_door_asks_for_certificates_once_there_is_an_authority(lab: Lab, tmp_path: Path) -> None:
    """Before, there is nobody to believe."""
    certificate, key = AUTHORITY.door(tmp_path)
    context = door_context(str(certificate), str(key), "")
    modes = [context.verify_mode]

    await AuthorityWatch(lab.gateway, State().ask, context).look()

    assert [*modes, context.verify_mode] == [ssl.CERT_NONE, ssl.CERT_OPTIONAL]


async def shows(door: DoorContext, gateway: Gateway, client: ssl.SSLContext) -> ClientCertificate | str | None:
    """Connect over TLS; tell what the door makes of the client's certificate, or why the connection failed."""
    seen: list[ClientCertificate | str | None] = []

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            seen.append(certificate_of(gateway, writer.transport, {}, "127.0.0.1"))
        except BadCertificate as error:
            seen.append(str(error))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=door)
    async with server:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", server.sockets[0].getsockname()[1], ssl=client, server_hostname="localhost"
            )
            # The door is served before the connection ends, or never.
            _ = await reader.read()
            writer.close()
    return seen[0] if seen else "no connection"


def client_with(issued: tuple[x509.Certificate, EllipticCurvePrivateKey], *others: Authority) -> ssl.SSLContext:
    """Make the TLS of an agent that shows a certificate and those that vouch for it."""
    context = ssl.create_default_context(cadata=AUTHORITY.pem)
    with TemporaryDirectory() as folder:
        certificate, key = save(*issued, Path(folder), "agent")
        certificate.write_text(certificate.read_text() + "".join(other.pem for other in others))
        context.load_cert_chain(certificate, key)
    return context


async def test_authority_that_was_taken_out_opens_no_door(lab: Lab, tmp_path: Path) -> None:
    """Neither as the platform's nor as an outside one; the new one's certificates count at once."""
    outside, replaced, current = Authority("outside"), Authority("platform"), Authority("platform")
    between = outside.below("between")
    (tmp_path / "ca.pem").write_text(outside.pem)
    lab.gateway.trust = Trust(outside.pem.encode())
    certificate, key = AUTHORITY.door(tmp_path)
    door = door_context(str(certificate), str(key), str(tmp_path / "ca.pem"))
    state = State()
    watch = AuthorityWatch(lab.gateway, state.ask, door)
    old, new = client_with(replaced.agent(UID)), client_with(current.agent(UID))
    others = [client_with(outside.agent(UID)), client_with(between.agent(UID), between)]

    async def seen() -> list[bool | str | None]:
        found = [await shows(door, lab.gateway, client) for client in (old, new, *others)]
        return [one.outside_ca if isinstance(one, ClientCertificate) else one for one in found]

    state.pem = replaced.pem
    await watch.look()
    assert await seen() == [False, "no connection", True, True]
    state.pem = current.pem
    await watch.look()
    assert await seen() == ["no connection", False, True, True]
    state.pem = ""
    await watch.look()
    assert await seen() == ["no connection", "no connection", True, True]


async def test_connection_from_before_the_change_proves_nothing_after_it(lab: Lab, tmp_path: Path) -> None:
    """Its handshake was with an authority that is not believed any more when its request is read."""
    certificate, key = AUTHORITY.door(tmp_path)
    door = door_context(str(certificate), str(key), "")
    state = State()
    await AuthorityWatch(lab.gateway, state.ask, door).look()
    agent = client_with(AUTHORITY.agent(UID))

    lab.gateway.trust.platform_is(Authority("new").pem)

    assert "nobody known" in str(await shows(door, lab.gateway, agent))


async def test_door_whose_files_are_gone_keeps_what_it_has(lab: Lab, tmp_path: Path) -> None:
    """And looks again; the old authority's certificates prove nothing meanwhile."""
    certificate, key = AUTHORITY.door(tmp_path)
    door = door_context(str(certificate), str(key), "")
    state = State()
    watch = AuthorityWatch(lab.gateway, state.ask, door)
    await watch.look()
    kept = key.rename(tmp_path / "kept")

    state.pem = Authority("new").pem
    await watch.look()
    assert announced(lab)
    assert "nobody known" in str(await shows(door, lab.gateway, client_with(AUTHORITY.agent(UID))))

    _ = kept.rename(key)
    await watch.look()
    assert await shows(door, lab.gateway, client_with(AUTHORITY.agent(UID))) == "no connection"


async def test_outside_authority_is_believed_from_the_start(tmp_path: Path) -> None:
    """Named by a setting."""
    outside = tmp_path / "ca.pem"
    outside.write_text(Authority("outside").pem)

    certificate, key = AUTHORITY.door(tmp_path)
    context = door_context(str(certificate), str(key), str(outside))

    assert context.verify_mode == ssl.CERT_OPTIONAL
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2


async def test_watch_looks_soon_until_it_knows(lab: Lab) -> None:
    """Then now and then."""
    state = State()
    state.away = True
    watch = AuthorityWatch(lab.gateway, state.ask)
    running = lab.gateway.errands.run(watch.run(), "watch")
    assert running
    await lab.clock.advance(0.3)
    assert state.asked == 1
    state.away = False
    await lab.clock.advance(0.6)
    assert state.asked == 2
    await lab.clock.advance(3.1)
    assert state.asked == 2
    await lab.clock.advance(30)
    assert state.asked == 3
    await lab.gateway.errands.close()
