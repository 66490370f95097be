"""
Whose is an agent that shows an enrolment token. Pure.

A token says that somebody may come in, not who: an id alone is no secret. So an agent that is known already belongs to
the token that enrolled it and to its own credentials, and any other token that names it is refused, until a person
lets go of the agent.
"""

from __future__ import annotations

from dataclasses import dataclass

ANOTHER_TOKEN = (
    "This agent is known by another enrolment token or credential. To enrol it with this one, delete the agent, or "  # noqa: S105 - a sentence
    "revoke and approve it anew."
)


@dataclass(frozen=True, slots=True)
class Ties:
    """What is known of an agent, seen from a token it shows."""

    by_token: bool = False
    """This token enrolled it."""

    enrolled: bool = False
    """Some token did, and a list is kept of it."""

    has_credential: bool = False
    """It has a credential of its own that is good."""

    came_by: str = ""
    """Id of the token or credential of its newest connection; empty = it never came, or the gateway ran open."""

    released: bool = False
    """A person let go of it, and it has not come by a credential of its own since."""

    approved_anew: bool = False
    """That person approved it; else its next token decides whether it must wait."""


def stranger_sentence(token_id: str, ties: Ties, *, keeps_list: bool) -> str:
    """
    Tell why a token does not speak for an agent; empty when it does.

    Args:
        token_id: Of the token shown.

        ties: What is known of the agent.

        keeps_list: Whether the token knows its agents; plain tokens do not, and any of them stands for any other.
    """
    if ties.by_token or ties.released:
        return ""
    if ties.enrolled or ties.has_credential:
        return ANOTHER_TOKEN
    return ANOTHER_TOKEN if keeps_list and ties.came_by not in ("", token_id) else ""
