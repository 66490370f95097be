from __future__ import annotations

import pytest

from agent_state.enrolment import APPROVALS, Rules, barred_sentence, decide, is_allowed_from, read_network


@pytest.mark.parametrize(
    ("cidrs", "address", "allowed"),
    [
        ((), "", True),
        ((), "nonsense", True),
        (("10.0.0.0/8",), "10.255.0.1", True),
        (("10.0.0.0/8",), "::ffff:10.0.0.1", True),
        (("10.0.0.0/8",), "11.0.0.1", False),
        (("10.0.0.0/8",), "fd00::1", False),
        (("10.0.0.0/8", "fd00::/8"), "fd00::1", True),
        (("10.0.0.0/8",), "", False),
        (("10.0.0.0/8",), "10.0.0.1:4000", False),
    ],
)
def test_addresses_are_compared_with_networks(cidrs: tuple[str, ...], address: str, allowed: bool) -> None:
    """No networks mean anywhere; what is no address lies nowhere; IPv4 within IPv6 is IPv4."""
    assert is_allowed_from(cidrs, address) is allowed


@pytest.mark.parametrize(
    ("text", "network"), [(" 10.0.0.0/8 ", "10.0.0.0/8"), ("10.1.2.3", "10.1.2.3/32"), ("FD00::/8", "fd00::/8")]
)
def test_networks_are_written_one_way(text: str, network: str) -> None:
    """A lone address is a network of one."""
    assert read_network(text) == network


@pytest.mark.parametrize("text", ["", "10.0.0.1/8", "10.0.0.0/33", "example.org", "10.0.0.0/8/8"])
def test_what_is_no_network_is_refused(text: str) -> None:
    """Bits below the prefix are most likely a slip."""
    with pytest.raises(ValueError, match=r".*"):
        read_network(text)


@pytest.mark.parametrize(
    ("rules", "needed"),
    [
        (Rules(), False),
        (Rules(labels={"group": "edge"}), False),
        (Rules(credential_lifetime_seconds=3600), False),
        (Rules(max_uses=1), True),
        (Rules(cidrs=("10.0.0.0/8",)), True),
        (Rules(requires_approval=True), True),
        (Rules(ephemeral_seconds=60), True),
        (Rules(issues="bearer"), True),
    ],
)
def test_tokens_that_only_let_in_need_no_admission(rules: Rules, needed: bool) -> None:
    """Labels alone are stamped by gateways: the hot path stays a single verdict."""
    assert rules.needs_admission is needed


@pytest.mark.parametrize(
    ("before", "decision", "after"),
    [
        ("pending", "approve", "approved"),
        ("rejected", "approve", "approved"),
        ("revoked", "approve", "approved"),
        ("approved", "approve", None),
        ("pending", "reject", "rejected"),
        ("approved", "reject", None),
        ("rejected", "reject", None),
        ("revoked", "reject", None),
    ],
)
def test_decisions(before: str, decision: str, after: str | None) -> None:
    """Whoever is not in can be let in; only who waits can be rejected."""
    assert decide(before, decision) == after


def test_only_the_barred_are_told_why() -> None:
    """Approved and pending agents come in."""
    assert {approval: bool(barred_sentence(approval)) for approval in APPROVALS} == {
        "approved": False,
        "pending": False,
        "rejected": True,
        "revoked": True,
    }
