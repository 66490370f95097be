"""The words of the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from opampctl.conformance.as_server.authority import Authority
from opampctl.conformance.as_server.run import Words, WordsError, examine, listen_address, tls_context


def test_addresses_are_host_and_port() -> None:
    """IPv6 stands in brackets."""
    assert listen_address("127.0.0.1:4320") == ("127.0.0.1", 4320)
    assert listen_address("[::1]:1") == ("::1", 1)
    with pytest.raises(WordsError, match="no address to listen on"):
        listen_address("4320")


def test_certificate_and_key_go_together(tmp_path: Path) -> None:
    """One without the other, or files that are neither, are refused; neither is no TLS."""
    file = tmp_path / "file.pem"
    file.write_text("nonsense")

    assert tls_context(None, None, Authority()) is None
    with pytest.raises(WordsError, match="go together"):
        tls_context(file, None, Authority())
    with pytest.raises(WordsError, match="no certificate and its key"):
        tls_context(file, file, Authority())


def test_command_without_an_address_is_refused() -> None:
    """An agent that is not told where to go cannot be examined."""
    with pytest.raises(WordsError, match="names none of"):
        examine(Words(agent_command="agent"))
