"""From the words of a command line to a run over an agent."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from opampctl.conformance.as_server.agents import Agent, AgentAtLarge, CommandAgent
from opampctl.conformance.as_server.authority import Authority
from opampctl.conformance.as_server.scene import BAD_CONFIG, GOOD_CONFIG, LIMIT_BYTES
from opampctl.conformance.as_server.suite import AgentSuite, Options, Progress

if TYPE_CHECKING:
    from collections.abc import Callable

    from opampctl.conformance.as_server.agents import Urls
    from opampctl.conformance.verdict import Result

DEFAULT_LISTEN = "127.0.0.1:4320"


class WordsError(ValueError):
    """An option is not understood; the text says which."""


@dataclass(frozen=True)
class Words:
    """The options of the command, as they were written."""

    listen: str = DEFAULT_LISTEN
    agent_command: str = ""
    agent_output: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    good_config: Path | None = None
    bad_config: Path | None = None
    limit_bytes: int = LIMIT_BYTES
    only: frozenset[str] = frozenset()


def listen_address(text: str) -> tuple[str, int]:
    """
    Read HOST:PORT.

    Raises:
        WordsError: It is none.
    """
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit():
        raise WordsError(f"{text!r} is no address to listen on: write it like {DEFAULT_LISTEN}")
    return host.strip("[]"), int(port)


def tls_context(certificate: Path | None, key: Path | None, authority: Authority) -> ssl.SSLContext | None:
    """
    Make the server's side of TLS, which takes certificates of *authority*; None when there is to be none.

    Raises:
        WordsError: One file is missing, or they do not fit.
    """
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise WordsError("--tls-cert and --tls-key go together")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key)
        context.load_verify_locations(cadata=authority.pem.decode())
        context.verify_mode = ssl.CERT_OPTIONAL
    except (OSError, ssl.SSLError) as error:
        raise WordsError(f"{certificate} and {key} are no certificate and its key: {error}") from error
    return context


def examine(
    words: Words, *, progress: Progress | None = None, listening: Callable[[Urls], None] | None = None
) -> list[Result]:
    """
    Run the suite.

    Raises:
        WordsError: An option is not understood.

        Absent: No agent came.

        OSError: The address cannot be listened on.
    """
    host, port = listen_address(words.listen)
    authority = Authority()
    tls = tls_context(words.tls_cert, words.tls_key, authority)
    with contextlib.ExitStack() as stack:
        agent: Agent = AgentAtLarge()
        if words.agent_command:
            output = stack.enter_context(words.agent_output.open("wb")) if words.agent_output else None
            agent = CommandAgent(words.agent_command, output)
            if not agent.transports:
                raise WordsError("--agent-command names none of {ws_url}, {http_url} and {url}")
        options = Options(
            agent,
            host,
            port,
            tls,
            authority=authority if tls is not None else None,
            name="localhost" if tls is not None and host.startswith("127.") else "",
            only=words.only,
            good_config=words.good_config.read_text(encoding="utf-8") if words.good_config else GOOD_CONFIG,
            bad_config=words.bad_config.read_text(encoding="utf-8") if words.bad_config else BAD_CONFIG,
            limit_bytes=words.limit_bytes,
        )
        return asyncio.run(AgentSuite(options, progress=progress, listening=listening).run())
