"""What one message led to, as an answer."""

from __future__ import annotations

from gatewaylab.speech import UID, answer

from opamp_gateway import answers
from opamp_gateway.terms import UNKNOWN, Memory, Step

NO = answers.error(UID, answers.BAD_REQUEST, "no")


def test_answer_holds_flags_greeting_and_parts() -> None:
    """Flags of the message and of what goes along are combined."""
    step = Step(UID, flags=1, greeting=answers.Greeting().part)

    told = answer(step.answer(answers.identify(b"n" * 16), flags=2))

    assert (told.flags, bool(told.capabilities)) == (3, True)
    assert told.agent_identification.new_instance_uid == b"n" * 16
    assert (step.asked, step.bare) == (True, False)


def test_error_is_all_there_is() -> None:
    """Nothing goes along, and nothing is asked."""
    step = Step(UID, flags=1, error=NO)

    assert step.answer(b"more", flags=2) == step.reply == NO
    assert (step.asked, step.bare) == (False, False)


def test_agent_is_described_once_a_description_was_published() -> None:
    """The first digest tells."""
    assert not Memory().described
    assert not Memory(digests=UNKNOWN * 8).described
    assert Memory(digests=b"d" * 64).described
