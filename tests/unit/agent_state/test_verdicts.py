from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from agent_state.enrolment import Rules
from agent_state.verdicts import Found, Shown, StoredCredential, StoredToken, Verdict, judge
from world.facts import uid_of

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
SOON = NOW + timedelta(seconds=7)
PAST = NOW - timedelta(seconds=1)
TOKEN = StoredToken("acme", "t1", None, revoked=False, uses=0, rules=Rules())
OWN = StoredCredential("acme", "k1", uid_of(1), "bearer", "current", NOW + timedelta(days=1))
BY_TOKEN = Shown(token_hash=b"h" * 32, remote_ip="10.0.0.1")
BY_CERTIFICATE = Shown(certificate_hash=b"c" * 32, certificate_uid=uid_of(1))
BY_OUTSIDE = replace(BY_CERTIFICATE, outside_ca=True)


def token(**changes: Any) -> Found:
    """Find the token, changed."""
    rules = {name: changes.pop(name) for name in list(changes) if name in Rules.__dataclass_fields__}
    return Found(replace(TOKEN, rules=Rules(**rules), **changes))


def judged(shown: Shown, found: Found) -> Verdict:
    """Judge with half a minute to remember."""
    return judge(shown, found, NOW, 30)


@pytest.mark.parametrize(
    ("shown", "found", "words"),
    [
        (Shown(), Found(), "Neither"),
        (BY_TOKEN, Found(), "lets nobody in"),
        (BY_TOKEN, Found(credential=replace(OWN, kind="certificate")), "lets nobody in"),
        (BY_TOKEN, token(revoked=True), "revoked"),
        (BY_TOKEN, token(cidrs=("192.168.0.0/16",)), "not allowed from this address"),
        (BY_TOKEN, token(expires_at=PAST), "expired"),
        (BY_TOKEN, token(max_uses=3, uses=3), "used up"),
        (BY_TOKEN, replace(token(), approval="rejected"), "rejected"),
        (BY_TOKEN, replace(token(), approval="revoked"), "access was revoked"),
        (BY_TOKEN, Found(credential=replace(OWN, state="revoked")), "revoked"),
        (BY_TOKEN, Found(credential=replace(OWN, state="superseded")), "replaced"),
        (BY_TOKEN, Found(credential=replace(OWN, expires_at=NOW)), "expired"),
        (BY_TOKEN, Found(credential=OWN, approval="revoked"), "access was revoked"),
        (BY_CERTIFICATE, Found(), "nobody's"),
        (BY_CERTIFICATE, Found(credential=OWN), "nobody's"),
        (BY_CERTIFICATE, Found(credential=replace(OWN, kind="certificate", state="revoked")), "revoked"),
        (BY_OUTSIDE, Found(approval="rejected"), "rejected"),
        (replace(BY_OUTSIDE, certificate_uid=b""), Found(), "names no agent"),
    ],
)
def test_refusals_say_why(shown: Shown, found: Found, words: str) -> None:
    """An agent's log is where its owner looks first."""
    verdict = judged(shown, found)

    assert words in verdict.refusal
    assert not verdict.bound_uid


@pytest.mark.parametrize(
    ("found", "needed"),
    [
        (token(), False),
        (token(labels={"group": "edge"}), False),
        (token(max_uses=3), True),
        (token(cidrs=("10.0.0.0/8",)), True),
        (token(requires_approval=True), True),
        (token(ephemeral_seconds=60), True),
        (token(issues="jwt"), True),
        (replace(token(), has_guarded=True), True),
        (replace(token(), has_policies=True), True),
        (Found(credential=OWN), False),
        (Found(credential=replace(OWN, state="candidate")), False),
        (Found(credential=OWN, has_guarded=True), False),
        (Found(credential=OWN, has_policies=True), True),
        (Found(credential=OWN, approval="pending"), True),
    ],
)
def test_admission_is_asked_for_only_where_it_decides(found: Found, needed: bool) -> None:
    """The reconnect storm of a plain token or of agents' own credentials costs no more than verdicts."""
    verdict = judged(BY_TOKEN, found)

    assert not verdict.refusal
    assert verdict.needs_admission is needed


def test_what_holds_for_every_agent_says_nothing_of_one() -> None:
    """Remembered by the token alone, a verdict must not carry one agent's labels to the next."""
    found = replace(token(labels={"group": "edge"}), approval="approved", stamped_labels={"group": "core"})

    assert dict(judged(replace(BY_TOKEN, uid=uid_of(1)), found).labels) == {"group": "edge"}


@pytest.mark.parametrize("closed", [{"expires_at": PAST}, {"max_uses": 1, "uses": 1}])
def test_a_closed_token_knows_its_agents(closed: dict[str, Any]) -> None:
    """By name exactly, to be remembered; without one while somebody is away, not to be remembered."""
    named = replace(BY_TOKEN, uid=uid_of(1))

    for shown, found, remembered in (
        (named, token(**closed, enrolled=True, cidrs=("10.0.0.0/8",)), 30),
        (BY_TOKEN, token(**closed, has_absentees=True), 0),
    ):
        verdict = judged(shown, found)
        assert (verdict.refusal, verdict.needs_admission, verdict.cache_seconds) == ("", True, remembered)
        assert verdict.expires_at is None
    assert judged(named, token(**closed, has_absentees=True)).refusal


def test_verdicts_end_with_what_they_are_about() -> None:
    """Nothing is remembered beyond its expiry."""
    assert judged(BY_TOKEN, token(expires_at=SOON)).cache_seconds == 7
    assert judged(BY_TOKEN, Found(credential=replace(OWN, expires_at=SOON))).cache_seconds == 7
    assert judged(BY_TOKEN, token()).cache_seconds == 30
    assert judged(BY_TOKEN, token(max_uses=3)).cache_seconds == 0, "the next knock may find it used up"


@pytest.mark.parametrize("changes", [{"max_uses": 3}, {"max_uses": 3, "uses": 3}, {"max_uses": 3, "expires_at": SOON}])
def test_a_token_is_remembered_for_whom_it_enrolled(changes: dict[str, Any]) -> None:
    """Else its polling agents would be lost whenever agent-state is away; others are asked about each time."""
    named = replace(BY_TOKEN, uid=uid_of(1))

    known = judged(named, token(**changes, enrolled=True))

    assert (known.refusal, known.needs_admission, known.cache_seconds, known.expires_at) == ("", True, 30, None)
    plain = judged(named, token(expires_at=SOON, enrolled=True))
    assert (plain.cache_seconds, plain.expires_at) == (7, SOON), "remembered for all who show it"


def test_an_own_credential_is_bound() -> None:
    """To its agent and tenant, with the labels stamped on it."""
    verdict = judged(BY_TOKEN, Found(credential=OWN, approval="approved", stamped_labels={"group": "edge"}))

    assert (verdict.tenant_id, verdict.credential_id, verdict.bound_uid) == ("acme", "k1", uid_of(1))
    assert dict(verdict.labels) == {"group": "edge"}
    assert verdict.expires_at == OWN.expires_at


def test_an_outside_certificate_is_bound_to_whom_it_names() -> None:
    """Of the default tenant, under an id that is in no table."""
    verdict = judged(BY_OUTSIDE, Found())

    assert (verdict.refusal, verdict.tenant_id, verdict.bound_uid) == ("", "default", uid_of(1))
    assert verdict.credential_id == "x" + ("63" * 16)


def test_a_pending_agent_comes_in_as_pending() -> None:
    """Its status is taken; what that means is the gateway's to obey."""
    assert judged(BY_TOKEN, token(requires_approval=True)).approval == "pending"
    assert judged(BY_TOKEN, replace(token(requires_approval=True), approval="approved")).approval == "approved"


def test_a_certificate_counts_more_than_a_header() -> None:
    """Who shows both is looked up by what was verified, and claims to be whom the certificate names."""
    both = Shown(b"h" * 32, b"c" * 32, uid_of(1), uid=uid_of(2))

    assert (both.proof_hash, both.claimed_uid) == (b"c" * 32, uid_of(1))
