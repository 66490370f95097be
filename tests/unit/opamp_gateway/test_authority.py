"""The platform's authority: on, off, away; and the TLS of the door."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from gatewaylab.authority import Authority, der
from gatewaylab.fakes import Lab
from gatewaylab.speech import UID, answer, full, message, said

from opamp.v1 import opamp_pb2 as opamp
from opamp_gateway.authority import AuthorityWatch, door_context
from servicekit.errors import Unavailable

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
    assert len(context.get_ca_certs()) == 1


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
