"""Rows nobody outside can judge have a reason each."""

from __future__ import annotations

from opampctl.conformance.as_server.catalogue import reasons_untestable


def test_reasons_are_sentences_a_reader_understands() -> None:
    """Each reason says something, without a full stop."""
    assert reasons_untestable()
    assert all(len(text) > 20 and not text.endswith(".") for text in reasons_untestable().values())
