"""Agents that got another uid are known by their first one for a while."""

from __future__ import annotations

from gatewaylab.speech import OTHER, UID

from opamp_gateway import renamed as module
from opamp_gateway.renamed import Renamed


def test_chain_of_names_leads_to_the_first() -> None:
    """Named twice is the same agent still."""
    renamed = Renamed()
    renamed.note(UID, OTHER)
    renamed.note(OTHER, b"n" * 16)

    assert renamed.first_of(b"n" * 16) == UID
    assert renamed.first_of(OTHER) == UID
    assert renamed.first_of(b"x" * 16) == b"x" * 16


def test_memory_is_bounded() -> None:
    """The newest so many."""
    renamed = Renamed()
    for number in range(module._REMEMBERED + 1):
        renamed.note(UID, number.to_bytes(16))

    assert renamed.first_of((0).to_bytes(16)) == (0).to_bytes(16)
    assert renamed.first_of((1).to_bytes(16)) == UID
