"""Whatever happens to an agent's credentials in whatever order: no lock-out by offers, no way back for the dead."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from agent_state.credential import LIVE, Credential, authenticates, ended_by_use, to_offer

START = datetime(2026, 11, 20, 12, tzinfo=UTC)
LIFE = timedelta(days=30)

ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("offer"), st.just(0)),
        st.tuples(st.just("use"), st.integers(0, 9)),
        st.tuples(st.just("revoke"), st.integers(0, 9)),
        st.tuples(st.just("pass days"), st.integers(1, 40)),
    ),
    max_size=40,
)


class Agent:
    """An agent's credentials, as the store would keep them."""

    def __init__(self) -> None:
        self.now = START
        self.all: list[Credential] = []
        self.used = 0

    def offer(self) -> None:
        """Make a candidate."""
        version = len(self.all) + 1
        self.all.append(
            Credential("t", f"k{version}", b"u" * 16, "bearer", "candidate", b"", version, self.now, self.now + LIFE)
        )

    def use(self, which: int) -> None:
        """Connect with one, if it lets in."""
        if which >= len(self.all) or not authenticates(self.all[which], self.now):
            return
        used = self.all[which]
        ended = {one.id for one in ended_by_use(used, self.all)}
        self.all = [
            replace(one, state="superseded")
            if one.id in ended
            else replace(one, state="current")
            if one.id == used.id
            else one
            for one in self.all
        ]
        self.used = max(self.used, used.version)

    def revoke(self, which: int) -> None:
        """End one for good."""
        if which < len(self.all) and self.all[which].state in LIVE:
            self.all[which] = replace(self.all[which], state="revoked")


@given(ACTS)
def test_what_authenticates_follows_from_use_alone(acts: list[tuple[str, int]]) -> None:
    """
    The dead stay dead; offers end nothing; nothing older than what was used lets in.

    And the current one, once used, lets in until something newer is used, it is revoked or runs out.
    """
    agent = Agent()
    dead: set[str] = set()
    for act, argument in acts:
        letting_in = {one.id for one in agent.all if authenticates(one, agent.now)}
        match act:
            case "offer":
                agent.offer()
                assert letting_in < {one.id for one in agent.all if authenticates(one, agent.now)}
            case "use":
                agent.use(argument)
            case "revoke":
                agent.revoke(argument)
            case _:
                agent.now += timedelta(days=argument)

        now_in = {one.id for one in agent.all if authenticates(one, agent.now)}
        assert not dead & now_in
        dead |= {one.id for one in agent.all} - now_in
        assert all(one.version >= agent.used for one in agent.all if one.id in now_in)
        assert sum(one.state == "current" for one in agent.all) <= 1
        chosen = to_offer(agent.all, agent.now)
        assert (chosen is not None) == bool(now_in)
        if chosen is not None:
            assert chosen.version == max(one.version for one in agent.all if one.id in now_in)
