"""`opampctl conformance`: which requirements of OpAMP a server, or an agent, meets, with the bytes that show it."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated

import typer

from opampctl.client import Client
from opampctl.conformance import Options, Result, Suite, Target, TargetError, Unreachable, Verdict, server_rows
from opampctl.conformance.as_server import Absent, Urls, client_rows
from opampctl.conformance.as_server.run import DEFAULT_LISTEN, Words, WordsError, examine
from opampctl.conformance.heard import Transport
from opampctl.conformance.probe import LIMIT_BYTES
from opampctl.conformance.report import Shape, write_report
from opampctl.conformance.stimulus import ACTIONS, NoStimulus, Stimulus
from opampctl.conformance.stimulus_command import CommandStimulus
from opampctl.conformance.stimulus_rest import RestStimulus
from opampctl.exits import CommandError, Exit
from opampctl.output import err
from opampctl.settings import ENDPOINT_VARIABLE, ENROLMENT_TOKEN_VARIABLE
from opampctl.simulate.options import DEFAULT_ENDPOINT

HELP = (
    """
Examine an OpAMP server: every requirement of the specification that shows on the wire.

It works with any server. Rows for which the server must be moved to act need a way to move it:
the API of an OpAMP Platform (--api-url), or any program (--stimulus-command) that reads one JSON
action on its standard input, answers with a JSON object and ends with 0, or with 3 if it cannot.

Examples:

  opampctl conformance --endpoint ws://127.0.0.1:4320/v1/opamp --token oet_...

  opampctl conformance --endpoint http://127.0.0.1:4320/v1/opamp --only S-008,S-011 --report json

  opampctl conformance --api-url http://127.0.0.1:8080 --api-user admin --api-password-file secret

With --as-server it is the other way round: it listens, and examines the agent that comes. An agent
that it can start itself (--agent-command) is started anew for each scenario; its command line names
{ws_url} or {http_url}, or {url} to be examined over both transports. Others are pointed at --listen.

  opampctl conformance --as-server --agent-command 'my-agent --opamp {url}'

  opampctl conformance --as-server --listen 0.0.0.0:4320 --only C-052,C-065

Exit codes: 0 no MUST or SHOULD row failed, 1 some failed, 2 it could not run.

Actions of a stimulus command:

"""
    + "\n\n".join(f"  {name}: {text}" for name, text in ACTIONS.items())
    + "\n"
)


def conformance(
    *,
    endpoint: Annotated[
        str,
        typer.Option(envvar=ENDPOINT_VARIABLE, help="OpAMP endpoint (ws, wss, http or https): names both transports."),
    ] = DEFAULT_ENDPOINT,
    token: Annotated[
        str, typer.Option(envvar=ENROLMENT_TOKEN_VARIABLE, help="Sent as Authorization: Bearer; enables the 401 rows.")
    ] = "",
    header: Annotated[
        list[str] | None, typer.Option("--header", metavar="NAME:VALUE", help="Further request header; repeatable.")
    ] = None,
    only: Annotated[str, typer.Option(help="Rows to judge, parted by commas; all by default.")] = "",
    report: Annotated[Shape, typer.Option(help="Shape of the report.")] = Shape.TABLE,
    file: Annotated[Path | None, typer.Option("-o", "--output-file", help="Write the report here.")] = None,
    api_url: Annotated[str, typer.Option(help="API of the OpAMP Platform, to move the server to act.")] = "",
    api_token: Annotated[str, typer.Option(envvar="OPAMPCTL_TOKEN", help="Access token for --api-url.")] = "",
    api_user: Annotated[str, typer.Option(help="User for --api-url.")] = "",
    api_password: Annotated[str, typer.Option(envvar="OPAMPCTL_PASSWORD", help="Password of --api-user.")] = "",
    api_password_file: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Read the password from this file.")
    ] = None,
    stimulus_command: Annotated[
        str, typer.Option(help="Program that moves the server: one JSON action on stdin.")
    ] = "",
    limit_bytes: Annotated[
        int, typer.Option(min=1024, help="The server's message size limit, if not 64 MiB.")
    ] = LIMIT_BYTES,
    ca_file: Annotated[Path | None, typer.Option(exists=True, help="Trust this CA (wss, https).")] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure-skip-verify", help="Do not verify the server's certificate.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")] = False,
    as_server: Annotated[
        bool, typer.Option("--as-server", help="Be the server, and examine the agent that comes.")
    ] = False,
    listen: Annotated[str, typer.Option(metavar="HOST:PORT", help="Where to listen as a server.")] = DEFAULT_LISTEN,
    tls_cert: Annotated[Path | None, typer.Option(exists=True, help="Certificate to listen with, PEM.")] = None,
    tls_key: Annotated[Path | None, typer.Option(exists=True, help="Its key, PEM.")] = None,
    agent_command: Annotated[
        str, typer.Option(metavar="CMD", help="Start the agent with this; {ws_url}, {http_url} or {url} stand in it.")
    ] = "",
    agent_output: Annotated[Path | None, typer.Option(dir_okay=False, help="Write what the agent prints here.")] = None,
    good_config: Annotated[
        Path | None, typer.Option(exists=True, help="Configuration the agent takes; a Collector's by default.")
    ] = None,
    bad_config: Annotated[
        Path | None, typer.Option(exists=True, help="Configuration the agent refuses; gibberish by default.")
    ] = None,
) -> None:
    """Examine an OpAMP server row by row, or an agent."""
    if as_server:
        words = Words(
            listen,
            agent_command,
            agent_output,
            tls_cert,
            tls_key,
            good_config,
            bad_config,
            limit_bytes,
            _rows(only, client=True),
        )
        _as_server(words, report, file, quiet=quiet)
        return
    rows = _rows(only)
    try:
        target = Target.parse(
            endpoint,
            token=token,
            headers=_headers(header or []),
            verify_tls=not insecure,
            ca_file=str(ca_file) if ca_file else "",
        )
    except TargetError as error:
        raise CommandError(f"{error}.", Exit.USAGE) from error
    password = api_password_file.read_text(encoding="utf-8").strip() if api_password_file else api_password
    begun = time.monotonic()

    async def run() -> list[Result]:
        async with AsyncExitStack() as stack:
            stimulus: Stimulus = NoStimulus()
            if stimulus_command:
                stimulus = CommandStimulus(stimulus_command)
            elif api_url:
                client = await stack.enter_async_context(Client(api_url, token=api_token or None))
                if not api_token:
                    login = await client.login(api_user, password)
                    client = await stack.enter_async_context(Client(api_url, token=login["token"]))
                stimulus = RestStimulus(client)
            stack.push_async_callback(stimulus.close)
            options = Options(target, rows, stimulus, limit_bytes=limit_bytes)
            return await Suite(options, None if quiet else _progress).run()

    try:
        results = asyncio.run(run())
    except Unreachable as error:
        sentence = f"There is {error}."
        raise CommandError(sentence, Exit.USAGE, hint="Is the address of --endpoint right?") from error
    except CommandError as error:
        raise CommandError(error.sentence, Exit.USAGE, hint=error.hint, details=error.details) from error
    _report(results, report, file, target.url(websocket=True), time.monotonic() - begun)


def _as_server(words: Words, report: Shape, file: Path | None, *, quiet: bool) -> None:
    begun = time.monotonic()

    def listening(urls: Urls) -> None:
        if not words.agent_command:
            err().print(f"Point the agent at {urls.websocket} or {urls.http}; Ctrl-C gives up.")

    def progress(name: str, transport: Transport | None, seconds: float) -> None:
        err().print(f"[bright_black]{name} {transport or ''} {seconds:.1f} s[/]")

    try:
        results = examine(words, progress=None if quiet else progress, listening=None if quiet else listening)
    except WordsError as error:
        raise CommandError(f"{error}.", Exit.USAGE) from error
    except Absent as error:
        sentence = f"There is nothing to judge: {error}."
        raise CommandError(sentence, Exit.USAGE, hint="Is the agent pointed at --listen?") from error
    except OSError as error:
        raise CommandError(f"{words.listen} cannot be listened on: {error}.", Exit.USAGE) from error
    _report(results, report, file, words.agent_command or "the agent", time.monotonic() - begun)


def _report(results: list[Result], report: Shape, file: Path | None, target: str, seconds: float) -> None:
    text = write_report(results, report, target, seconds)
    if file is None:
        typer.echo(text, nl=False)
    else:
        file.write_text(text, encoding="utf-8")
    if any(result.broken for result in results):
        raise typer.Exit(Exit.FAILED)


def _rows(only: str, *, client: bool = False) -> frozenset[str]:
    wanted = frozenset(each.strip().upper() for each in only.split(",") if each.strip())
    known = client_rows() if client else server_rows()
    unknown = sorted(wanted - set(known))
    if unknown:
        sentence = f"There is no row {', '.join(unknown)}."
        raise CommandError(sentence, Exit.USAGE, hint=f"Rows are called {min(known)} to {max(known)}.")
    return wanted


def _headers(texts: list[str]) -> tuple[tuple[str, str], ...]:
    found = []
    for text in texts:
        name, colon, value = text.partition(":")
        if not colon or not name.strip():
            raise CommandError(f"{text!r} is no header.", Exit.USAGE, hint="Write it like X-Tenant:blue")
        found.append((name.strip(), value.strip()))
    return tuple(found)


def _progress(done: int, total: int, result: Result) -> None:
    colour = {Verdict.PASS: "green", Verdict.FAIL: "red"}.get(result.verdict, "bright_black")
    if result.verdict is not Verdict.NOT_TESTABLE:
        err().print(f"[{colour}]{done:>3}/{total} {result.row.id} {result.verdict.value}[/] {result.seconds:.2f} s")
