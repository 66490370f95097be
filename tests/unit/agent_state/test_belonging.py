from __future__ import annotations

import pytest

from agent_state.belonging import Ties, stranger_sentence


@pytest.mark.parametrize(
    ("ties", "keeps_list", "speaks"),
    [
        (Ties(), True, True),
        (Ties(by_token=True, enrolled=True, has_credential=True), True, True),
        (Ties(enrolled=True), True, False),
        (Ties(enrolled=True), False, False),
        (Ties(has_credential=True), True, False),
        (Ties(has_credential=True), False, False),
        (Ties(enrolled=True, has_credential=True, released=True), True, True),
        (Ties(came_by="t1"), True, True),
        (Ties(came_by="t2"), True, False),
        (Ties(came_by="k2"), True, False),
        (Ties(came_by="t2"), False, True),
    ],
)
def test_a_token_speaks_for_its_own_agents_only(ties: Ties, keeps_list: bool, speaks: bool) -> None:
    """For new ones too, and for those a person let go of; one plain token is as good as another."""
    sentence = stranger_sentence("t1", ties, keeps_list=keeps_list)

    assert (sentence == "") is speaks
    assert speaks or ("delete the agent" in sentence and "approve it anew" in sentence)
