"""Evidence is short, and keeps secrets."""

from __future__ import annotations

from opampctl.conformance.evidence import MOST_LINES, Secrets, Trace, clip


def test_bytes_are_clipped_with_their_length() -> None:
    """Long bytes end in their length, short ones are whole, none are told as such."""
    assert clip(b"\x01\x02") == "0102"
    assert clip(b"") == "(no bytes)"
    assert clip(bytes(200), 2) == "0000... (200 bytes)"


def test_lines_are_in_order_and_bounded() -> None:
    """The oldest lines go, and it is said how many."""
    trace = Trace()
    for number in range(MOST_LINES + 2):
        trace.note(str(number))

    lines = trace.lines()

    assert lines[0] == "# 2 earlier lines left out"
    assert lines[-1] == f"# {MOST_LINES + 1}"


def test_directions_are_marked() -> None:
    """What was sent, received and noted can be told apart."""
    trace = Trace()
    trace.sent("poll", b"\x0a")
    trace.received("HTTP 200", b"\x0b")
    trace.note("pause")

    assert trace.lines() == ("> poll: 0a", "< HTTP 200: 0b", "# pause")


def test_secret_learnt_later_is_masked_too() -> None:
    """A credential is masked in lines noted before it was known to be one."""
    secrets = Secrets()
    trace = Trace(secrets)
    trace.received("offer", b"x Bearer hush y")
    secrets.add("Bearer hush")

    assert b"hush".hex() not in trace.lines()[0]
    assert secrets.masked(b"hush") == b"****"
