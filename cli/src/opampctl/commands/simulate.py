"""`opampctl simulate`: a fleet of agents from this machine, as many as it has sockets for."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import orjson
import typer
import uvloop
from rich.console import Console
from rich.live import Live
from rich.text import Text

from opampctl.commands.shared import Output, label_pairs
from opampctl.commands.shared import duration as duration_option
from opampctl.commands.shared import rate as rate_option
from opampctl.exits import CommandError, Exit
from opampctl.output import Format, err, print_table, show_data
from opampctl.settings import ENDPOINT_VARIABLE, ENROLMENT_TOKEN_VARIABLE
from opampctl.simulate import (
    Failure,
    Fleet,
    FleetOfProcesses,
    FleetOptions,
    PackageOptions,
    TooManyAgentsError,
    Transport,
)
from opampctl.simulate.options import DEFAULT_ENDPOINT, DEFAULT_ENVIRONMENTS
from opampctl.simulate.package_options import read_platforms
from opampctl.simulate.processes import calm_collector
from opampctl.simulate.report import progress_line, summary_tables

if TYPE_CHECKING:
    from opampctl.simulate.statistics import Snapshot

_LIVE_SECONDS = 0.5
_LINE_SECONDS = 5.0
_READY_SECONDS = 0.25
_LOOK_BACK_SECONDS = 3.0
"""Over at least how long rates and recent errors are told."""
_QUICK_LINES_SECONDS = 1.0

EXAMPLES = """
Connect a fleet of simulated OpAMP agents and keep it alive.

Examples:

  opampctl simulate --agents 1 --token oet_...

  opampctl simulate --agents 5000 --transport mixed --duration 2m -o json

  opampctl simulate --agents 25 --environments prod,staging,dev --reject 1 --uid-seed demo

  opampctl simulate --agents 2000 --churn 20/s --fail-rate 0.05 --apply-delay 1s

  opampctl simulate --agents 10 --accept-settings --components --custom-capability com.example.echo

  opampctl simulate --agents 1000 --packages --platform linux/amd64=3 --platform windows/amd64 --package-fail-share 0.05

  opampctl simulate --endpoint wss://opamp.example.org/v1/opamp --csr --uid-seed site-7 --state-folder ~/.agents

  opampctl simulate --agents 50000 --processes 3 --connect-rate 2000/s

Ctrl-C ends it: every agent says goodbye, then the summary is printed.
"""


def simulate(
    *,
    agents: Annotated[int, typer.Option("--agents", "-n", min=1, help="How many agents.")] = 1,
    endpoint: Annotated[
        str,
        typer.Option(
            envvar=ENDPOINT_VARIABLE, help="OpAMP endpoint (ws, wss, http or https); several parted by commas."
        ),
    ] = DEFAULT_ENDPOINT,
    token: Annotated[
        str, typer.Option(envvar=ENROLMENT_TOKEN_VARIABLE, show_envvar=True, help="Enrolment token of the agents.")
    ] = "",
    token_file: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Read the enrolment token from this file.")
    ] = None,
    transport: Annotated[Transport, typer.Option(help="How the agents speak.")] = Transport.WEBSOCKET,
    http_share: Annotated[float, typer.Option(min=0, max=1, help="Share of HTTP agents when mixed.")] = 0.2,
    environments: Annotated[
        str, typer.Option(help="Values of deployment.environment.name, dealt out in turn.")
    ] = ",".join(DEFAULT_ENVIRONMENTS),
    label: Annotated[
        list[str] | None,
        typer.Option("--label", metavar="KEY=VALUE", help="Further attribute of every agent; repeatable."),
    ] = None,
    heartbeat: Annotated[
        float, typer.Option(parser=duration_option, metavar="DURATION", help="Heartbeat and poll interval.")
    ] = "30s",  # type: ignore[assignment]  # typer parses the default
    duration: Annotated[
        float, typer.Option(parser=duration_option, metavar="DURATION", help="How long to run.")
    ] = "forever",  # type: ignore[assignment]  # typer parses the default
    connect_rate: Annotated[
        float, typer.Option(parser=rate_option, metavar="RATE", help="First connects, e.g. 500/s.")
    ] = "500/s",  # type: ignore[assignment]  # typer parses the default
    reject: Annotated[int, typer.Option(min=0, help="The first so many agents refuse every configuration.")] = 0,
    reject_share: Annotated[float, typer.Option(min=0, max=1, help="Share of agents that refuse, too.")] = 0.0,
    fail_rate: Annotated[float, typer.Option(min=0, max=1, help="Chance that applying fails.")] = 0.0,
    unhealthy_share: Annotated[float, typer.Option(min=0, max=1, help="Share of unhealthy agents.")] = 0.0,
    apply_delay: Annotated[
        float, typer.Option(parser=duration_option, metavar="DURATION", help="Mean time to apply a configuration.")
    ] = "200ms",  # type: ignore[assignment]  # typer parses the default
    churn: Annotated[
        float, typer.Option(parser=rate_option, metavar="RATE", help="Agents that drop their connection, e.g. 5/s.")
    ] = "0/s",  # type: ignore[assignment]  # typer parses the default
    processes: Annotated[
        int, typer.Option(min=1, help="Spread the agents over so many processes (20,000 sockets each).")
    ] = 1,
    seed: Annotated[int, typer.Option(help="Repeats everything random but the ids.")] = 0,
    uid_seed: Annotated[str | None, typer.Option(help="Gives the agents the same ids in every run.")] = None,
    first_index: Annotated[int, typer.Option(min=0, help="Number of the first agent (several processes).")] = 0,
    silent_reconnect: Annotated[
        bool, typer.Option("--no-first-message-on-reconnect", help="Come back silently, as opamp-go does.")
    ] = False,
    answer_repeats: Annotated[
        bool, typer.Option("--answer-repeats", help="Report again when a configuration comes twice.")
    ] = False,
    source_address: Annotated[
        list[str] | None, typer.Option(help="Local address to connect from; repeatable, used in turn.")
    ] = None,
    ca_file: Annotated[Path | None, typer.Option(exists=True, help="Trust this CA (wss, https).")] = None,
    insecure: Annotated[bool, typer.Option("--insecure", help="Do not verify the server's certificate.")] = False,
    accept_settings: Annotated[
        bool,
        typer.Option(
            "--accept-settings", help="Take connection settings: try them, report, go back if they do not work."
        ),
    ] = False,
    csr: Annotated[
        bool, typer.Option("--csr", help="Ask for a certificate for a key of one's own; use it over TLS.")
    ] = False,
    custom_capability: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Announce it, and send its messages back as they came; repeatable."),
    ] = None,
    components: Annotated[
        bool, typer.Option("--components", help="Report available components: their hash, and details when asked.")
    ] = False,
    packages: Annotated[
        bool, typer.Option("--packages", help="Take packages: download, check and install them, and tell how it goes.")
    ] = False,
    platform: Annotated[
        list[str] | None,
        typer.Option(metavar="OS/ARCH[=WEIGHT]", help="What agents run on, spread by weight; repeatable."),
    ] = None,
    install_time: Annotated[
        float, typer.Option(parser=duration_option, metavar="DURATION", help="Mean time to install a package.")
    ] = "200ms",  # type: ignore[assignment]  # typer parses the default
    package_fail_share: Annotated[
        float, typer.Option(min=0, max=1, help="Share of agents on which packages fail.")
    ] = 0.0,
    package_failure: Annotated[
        Failure, typer.Option(help="Where they fail; health: installed, but the agent is unhealthy with it.")
    ] = Failure.INSTALL,
    package_fail_version: Annotated[str, typer.Option(help="Only this version fails.")] = "",
    package_error: Annotated[str, typer.Option(help="What agents say on which packages fail.")] = "",
    package_key: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="Ed25519 public key (PEM): refuse files it has not signed."),
    ] = None,
    download_always: Annotated[
        bool, typer.Option("--download-always", help="Every agent downloads every file; else one for all.")
    ] = False,
    state_folder: Annotated[
        Path | None,
        typer.Option(file_okay=False, help="Keep what agents were given here over restarts; needs --uid-seed."),
    ] = None,
    ready_file: Annotated[
        Path | None, typer.Option(help="Written (JSON) when every agent has been connected at once.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, only the summary.")] = False,
    output: Output = Format.TABLE,
) -> None:
    """Connect a fleet of simulated OpAMP agents and keep it alive."""
    try:
        options = FleetOptions(
            endpoint=endpoint,
            token=token_file.read_text(encoding="utf-8").strip() if token_file else token,
            agents=agents,
            transport=transport,
            http_share=http_share,
            environments=tuple(name.strip() for name in environments.split(",") if name.strip()),
            labels=label_pairs(label),
            heartbeat_seconds=heartbeat,
            connect_rate=connect_rate,
            reject=reject,
            reject_share=reject_share,
            fail_rate=fail_rate,
            unhealthy_share=unhealthy_share,
            apply_delay_seconds=apply_delay,
            churn_per_second=churn,
            seed=seed,
            uid_seed=uid_seed,
            first_index=first_index,
            first_message_on_reconnect=not silent_reconnect,
            answer_repeated_offers=answer_repeats,
            source_addresses=tuple(source_address or ()),
            ca_file=str(ca_file) if ca_file else None,
            verify_tls=not insecure,
            accept_settings=accept_settings,
            csr=csr,
            custom_capabilities=tuple(custom_capability or ()),
            components=components,
            packages=PackageOptions(
                install_seconds=install_time,
                fail_share=package_fail_share,
                failure=package_failure,
                fail_version=package_fail_version,
                error=package_error,
                public_key=package_key.read_text(encoding="utf-8") if package_key else "",
                always_download=download_always,
            )
            if packages
            else None,
            platforms=read_platforms(platform or []),
            state_folder=str(state_folder) if state_folder else None,
        )
        fleet = Fleet(options) if processes == 1 else FleetOfProcesses(options, processes)
    except ValueError as error:
        sentence = f"{str(error)[:1].upper()}{str(error)[1:]}."
        raise CommandError(sentence, Exit.USAGE, hint="See `opampctl simulate --help`.") from error
    try:
        summary = uvloop.run(_run(fleet, duration, quiet=quiet, ready_file=ready_file))
    except TooManyAgentsError as error:
        raise CommandError(str(error), Exit.USAGE) from error
    except OSError as error:
        hint = "Is the address of --endpoint right?"
        sentence = f"Cannot reach {endpoint}: {error.strerror or error}."
        raise CommandError(sentence, Exit.UNAVAILABLE, hint=hint) from error
    if output is Format.TABLE:
        for table in summary_tables(summary):
            print_table(table)
            print()
    else:
        show_data(summary.to_dict(), output)
    if not summary.counters["connects"]:
        raise typer.Exit(Exit.UNAVAILABLE)


async def _run(
    fleet: Fleet | FleetOfProcesses, duration_seconds: float, *, quiet: bool, ready_file: Path | None
) -> Snapshot:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, fleet.stop)
    calm_collector()
    failure: Exception | None = None
    summary = fleet.snapshot()
    async with asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(_watch(fleet, quiet=quiet, ready_file=ready_file))
        try:
            summary = await fleet.run(duration_seconds)
        except (OSError, TooManyAgentsError) as error:
            failure = error  # raised below, where the group cannot wrap it
        watching.cancel()
    if failure is not None:
        raise failure
    return summary


async def _watch(fleet: Fleet | FleetOfProcesses, *, quiet: bool, ready_file: Path | None) -> None:
    """Show progress, on one living line when stderr is a terminal; write the ready file once all are connected."""
    terminal = sys.stderr.isatty()
    step = _LIVE_SECONDS if terminal else _QUICK_LINES_SECONDS
    shown_at, previous = -math.inf, None
    with (
        Live(console=Console(stderr=True), auto_refresh=False, transient=True)
        if terminal and not quiet
        else _Nothing() as live
    ):
        while True:
            await asyncio.sleep(step if ready_file is None else _READY_SECONDS)
            snapshot = fleet.snapshot()
            if ready_file is not None and snapshot.connected == snapshot.agents:
                _write_ready(snapshot, ready_file)
                ready_file = None
            now = asyncio.get_running_loop().time()
            everyone = snapshot.counters["connects"] >= snapshot.agents
            pause = step if terminal or not everyone else _LINE_SECONDS
            if quiet or now - shown_at < pause:
                continue
            line = progress_line(snapshot, previous)
            shown_at = now
            if previous is None or snapshot.elapsed_seconds - previous.elapsed_seconds > _LOOK_BACK_SECONDS:
                previous = snapshot
            if isinstance(live, Live):
                live.update(Text(line), refresh=True)
            else:
                err().print(line)


def _write_ready(snapshot: Snapshot, path: Path) -> None:
    """Write the file whole or not at all: readers wait for its name."""
    draft = path.with_name(path.name + ".part")
    draft.write_bytes(orjson.dumps({"pid": os.getpid(), **snapshot.to_dict()}))
    draft.replace(path)


class _Nothing(contextlib.nullcontext[None]):
    """Stands where a live display would."""
