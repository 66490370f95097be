"""Tokens: asked once, remembered for a while, good ones trusted while nobody can be asked."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest
from gatewaylab.speech import OTHER, UID

from opamp_gateway.credentials import Credential, Proof
from opamp_gateway.identity_desk import AT_ONCE, IdentityDesk
from opamp_gateway.shelf import Verdict
from servicekit.clock import FakeClock
from servicekit.errors import Unauthenticated, Unavailable
from world.eventually import wait_until

GOOD, BAD = Proof(token_hash=b"g" * 32), Proof(token_hash=b"b" * 32)


class Lab:
    """A desk and the service behind it."""

    def __init__(self, remembered: int = 10) -> None:
        self.clock = FakeClock()
        self.asked = 0
        self.away = False
        self.revoked = False
        self.expires_at = 0.0
        self.open = asyncio.Event()
        self.open.set()
        self.shape = Credential("acme", "t-1")
        self.cache_seconds = 60.0
        self.batches: list[list[Proof]] = []
        self.desk = IdentityDesk(self.authenticate, self.clock, good_seconds=30, bad_seconds=5, remembered=remembered)

    async def authenticate(self, proofs: Sequence[Proof]) -> list[Verdict]:
        """Answer as agent-state would."""
        self.asked += 1
        self.batches.append(list(proofs))
        await self.open.wait()
        if self.away:
            raise Unavailable("away")
        return [
            Verdict(refusal="nobody's")
            if self.revoked or proof.token_hash == BAD.token_hash
            else Verdict(replace(self.shape, expires_at=self.expires_at), cache_seconds=self.cache_seconds)
            for proof in proofs
        ]


async def test_good_token_is_asked_about_once() -> None:
    """Everybody who knocks with it meanwhile waits for the same answer."""
    lab = Lab()
    lab.open.clear()
    asking = [asyncio.ensure_future(lab.desk.ask(GOOD)) for _ in range(3)]
    await asyncio.sleep(0)
    lab.open.set()

    assert {credential.tenant_id for credential in await asyncio.gather(*asking)} == {"acme"}
    assert lab.desk.known(GOOD) == Credential("acme", "t-1")
    assert lab.asked == 1


async def test_mistyped_token_is_refused_without_asking() -> None:
    """The refusal says what happened to it, whether anybody can be asked or not."""
    lab = Lab()
    lab.away = True
    with pytest.raises(Unauthenticated, match="mistyped"):
        await lab.desk.ask(replace(GOOD, mistyped=True))
    assert lab.asked == 0


async def test_bad_token_is_remembered_for_a_moment() -> None:
    """A fleet with a wrong token does not become a flood of questions."""
    lab = Lab()
    for _ in range(3):
        with pytest.raises(Unauthenticated):
            await lab.desk.ask(BAD)
    assert lab.asked == 1
    assert lab.desk.known(BAD) is None

    await lab.clock.advance(6)
    with pytest.raises(Unauthenticated):
        await lab.desk.ask(BAD)
    assert lab.asked == 2


async def test_revoked_token_stops_working() -> None:
    """After as long as a good verdict lasts."""
    lab = Lab()
    await lab.desk.ask(GOOD)
    lab.revoked = True
    await lab.clock.advance(31)

    assert lab.desk.known(GOOD) is None
    with pytest.raises(Unauthenticated):
        await lab.desk.ask(GOOD)


async def test_good_token_stays_good_while_nobody_can_be_asked() -> None:
    """agent-state away never keeps a known agent out."""
    lab = Lab()
    await lab.desk.ask(GOOD)
    lab.away = True
    await lab.clock.advance(1000)

    assert (await lab.desk.ask(GOOD)).credential_id == "t-1"


async def test_unknown_token_waits_outside_while_nobody_can_be_asked() -> None:
    """Not known and not to be asked: come back later, for all who wait."""
    lab = Lab()
    lab.away = True
    lab.open.clear()
    asking = [asyncio.ensure_future(lab.desk.ask(GOOD)) for _ in range(2)]
    await asyncio.sleep(0)
    lab.open.set()

    found = await asyncio.gather(*asking, return_exceptions=True)
    assert [type(error) for error in found] == [Unavailable, Unavailable]


async def test_expired_token_is_refused_even_if_remembered() -> None:
    """The date is checked here."""
    lab = Lab()
    lab.expires_at = lab.clock.now().timestamp() + 10
    await lab.desk.ask(GOOD)
    assert lab.desk.known(GOOD) is not None
    await lab.clock.advance(11)

    assert lab.desk.known(GOOD) is None
    with pytest.raises(Unauthenticated):
        await lab.desk.ask(GOOD)


async def test_memory_of_verdicts_is_bounded() -> None:
    """Guessing tokens does not fill the memory."""
    lab = Lab(remembered=1)
    await lab.desk.ask(GOOD)
    await lab.desk.ask(Proof(token_hash=b"h" * 32))

    assert lab.desk.known(GOOD) is None


async def test_general_verdict_serves_every_agent_with_the_token() -> None:
    """A fleet with one token asks once, wherever its agents come from."""
    lab = Lab()
    await lab.desk.ask(GOOD)

    assert lab.desk.known(replace(GOOD, remote_ip="192.0.2.1", instance_uid=UID)) == lab.shape
    assert lab.asked == 1


@pytest.mark.parametrize(
    "shape", [Credential("acme", "t", bound_uid=UID), Credential("acme", "t", needs_admission=True)]
)
async def test_particular_verdict_serves_its_own_proof_only(shape: Credential) -> None:
    """Bound or bounded: another agent is asked about."""
    lab = Lab()
    lab.shape = shape
    mine, other = replace(GOOD, instance_uid=UID), replace(GOOD, instance_uid=OTHER)
    await lab.desk.ask(mine)

    assert lab.desk.known(mine) == shape
    assert lab.desk.known(other) is None


async def test_verdict_for_once_is_not_remembered() -> None:
    """cache_seconds 0."""
    lab = Lab()
    lab.cache_seconds = 0.0
    await lab.desk.ask(GOOD)

    assert lab.desk.known(GOOD) is None


async def test_many_are_asked_about_at_once() -> None:
    """What comes while a question is under way gathers; no more than so many in one question."""
    lab = Lab()
    proofs = [Proof(token_hash=bytes([number % 256, number // 256]) * 16) for number in range(600)]
    found = await asyncio.gather(*(lab.desk.ask(proof) for proof in proofs))

    assert len(found) == 600
    assert sum(map(len, lab.batches)) == 600
    assert max(map(len, lab.batches)) == AT_ONCE
    assert len(lab.batches) <= 4


async def test_second_agent_with_an_unknown_token_waits_for_the_first() -> None:
    """What holds for all of them is found out once."""
    lab = Lab()
    lab.open.clear()
    asking = [
        asyncio.ensure_future(lab.desk.ask(replace(GOOD, instance_uid=bytes([number]) * 16))) for number in range(50)
    ]
    await asyncio.sleep(0)
    lab.open.set()
    await asyncio.gather(*asking)

    assert [len(batch) for batch in lab.batches] == [1]


async def test_named_credential_is_forgotten_and_general_verdicts_are_asked_for_again() -> None:
    """A revoked one is not even good while agent-state is away; an innocent one is."""
    lab = Lab()
    await lab.desk.ask(GOOD)
    lab.desk.forget("acme", (), (UID,))
    assert lab.desk.known(GOOD) is None
    lab.away = True
    assert (await lab.desk.ask(GOOD)).credential_id == "t-1"

    lab.desk.forget("acme", ("t-1",), ())
    with pytest.raises(Unavailable):
        await lab.desk.ask(GOOD)


@pytest.mark.parametrize(("ids", "uids"), [(("t",), ()), ((), (UID,))])
async def test_particular_verdicts_are_forgotten_by_credential_and_by_agent(
    ids: tuple[str, ...], uids: tuple[bytes, ...]
) -> None:
    """Others stay."""
    lab = Lab()
    lab.shape = Credential("acme", "t", bound_uid=UID)
    await lab.desk.ask(GOOD)
    lab.shape = Credential("acme", "u", bound_uid=OTHER)
    other = Proof(token_hash=b"o" * 32)
    await lab.desk.ask(other)

    lab.desk.forget("acme", ids, uids)

    assert (lab.desk.known(GOOD), lab.desk.known(other)) == (None, lab.shape)


async def test_change_for_the_whole_tenant_asks_for_everything_again() -> None:
    """As when its first connection settings are made: who knocks next is asked about, who cannot be asked gets in."""
    lab = Lab()
    lab.shape = Credential("acme", "t", bound_uid=UID)
    await lab.desk.ask(GOOD)

    lab.desk.forget("acme", (), ())

    assert lab.desk.known(GOOD) is None
    lab.away = True
    assert (await lab.desk.ask(GOOD)).credential_id == "t"


async def test_barred_agent_is_refused_with_the_state_it_is_in() -> None:
    """Rejected or revoked: said as such."""
    lab = Lab()
    lab.shape = Credential("acme", "t", approval="revoked")

    with pytest.raises(Unauthenticated, match="revoked"):
        await lab.desk.ask(GOOD)


async def test_broken_answer_leaves_nobody_waiting() -> None:
    """Fewer verdicts than proofs count as no answer."""
    lab = Lab()

    async def short(_: Sequence[Proof]) -> list[Verdict]:
        return []

    desk = IdentityDesk(short, lab.clock, good_seconds=30, bad_seconds=5)
    with pytest.raises(Unavailable):
        await desk.ask(GOOD)
    await desk.close()


async def test_verdict_from_before_a_change_is_not_remembered() -> None:
    """It was under way when somebody was revoked: good for that once at most."""
    lab = Lab()
    lab.open.clear()
    asking = asyncio.ensure_future(lab.desk.ask(GOOD))
    await wait_until(lambda: lab.asked == 1)
    lab.desk.forget("acme", ("t-1",), ())
    lab.open.set()

    assert (await asking).credential_id == "t-1"
    assert lab.desk.known(GOOD) is None


async def test_strangers_do_not_push_out_the_good() -> None:
    """Refusals have a place of their own."""
    lab = Lab(remembered=2)
    lab.shape = Credential("acme", "t", bound_uid=UID)
    await lab.desk.ask(GOOD)
    for number in range(5):
        with pytest.raises(Unauthenticated):
            await lab.desk.ask(replace(BAD, instance_uid=bytes([number]) * 16))

    assert lab.desk.known(GOOD) is not None
