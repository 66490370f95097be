"""`campaigns`: bring the agents of an offer to another version, stage by stage, and stop when too many fail."""

from __future__ import annotations

import asyncio
import contextlib
import math
import sys
import uuid
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from opampctl.client import quoted
from opampctl.commands.shared import Limit, ListAll, Output, Yes, collect, confirm, duration, repeat
from opampctl.exits import CommandError, Exit
from opampctl.output import Format, ago, err, show_data, show_fields, show_table
from opampctl.plans import (
    describe_stage,
    describe_threshold,
    describe_window,
    parse_stage,
    parse_threshold,
    parse_window,
)
from opampctl.quantities import describe_seconds
from opampctl.session import session_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from opampctl.client import Client

PATH = "/campaigns"
OFFERS = "/package-assignments"
STANDS = frozenset(("draft", "halted", "completed", "aborted"))
"""States in which nothing more comes by itself."""

SETTLED = ("succeeded", "failed", "rolled_back", "left_out")
DEFAULT_STAGES = ("10%", "50%", "100%")
FOREVER = "forever"

Which = Annotated[str, typer.Argument(metavar="CAMPAIGN", help="Its id, or its name if no other has it.")]

app = typer.Typer(no_args_is_help=True, help="Upgrade campaigns: another version, stage by stage.")

CREATE_HELP = """
Write a campaign: the agents of an offer come to another version, stage by stage.

Nothing happens until it is started, with `campaigns start` or --start. The offer pins the version agents have now.

Examples:

  opampctl packages offer collector --version 1.4.2 -l deployment.environment.name=prod

  opampctl campaigns create collector --to 1.5.0 --start

  opampctl campaigns create collector --to 1.5.0 --stage ring=canary --stage 10% --stage 100% --max-in-flight 200
  --watch 10m --fail-at 2% --window "mon-fri 22:00-04:00 Europe/Berlin"
"""


@app.command("create", help=CREATE_HELP)
def create(
    context: typer.Context,
    offer: Annotated[str, typer.Argument(metavar="OFFER", help="Name of an offer; `packages offers` shows them.")],
    *,
    to: Annotated[str, typer.Option("--to", metavar="VERSION", help="The version agents come to.")],
    name: Annotated[str, typer.Option(help="Name of the campaign; OFFER-to-VERSION if not given.")] = "",
    stage: Annotated[
        list[str] | None,
        typer.Option(help="Share of all agents so far (10%), or labels (ring=canary); repeatable, the last one 100%."),
    ] = None,
    max_in_flight: Annotated[int, typer.Option(min=1, help="Agents under way at once, at most.")] = 50,
    watch: Annotated[
        str, typer.Option("--watch", metavar="DURATION", help="How long an agent has to be well before it counts.")
    ] = "5m",
    timeout: Annotated[str, typer.Option(metavar="DURATION", help="How long an agent may take.")] = "1h",
    fail_at: Annotated[
        str, typer.Option(metavar="NUMBER", help="Failures that halt it: agents (20) or a share of a stage (5%).")
    ] = "5%",
    window: Annotated[
        str | None, typer.Option(help="When agents may begin, such as `mon-fri 22:00-04:00 Europe/Berlin`.")
    ] = None,
    rollback: Annotated[
        bool, typer.Option("--rollback/--no-rollback", help="Whether those that failed get the previous version.")
    ] = True,
    begin: Annotated[bool, typer.Option("--start", help="Start it at once.")] = False,
    output: Output = Format.TABLE,
) -> None:
    """Write a campaign."""
    draft = {
        "name": name or _name_of(offer, to),
        "to_version": to,
        "stages": [_read(parse_stage, text) for text in stage or DEFAULT_STAGES],
        "max_in_flight": max_in_flight,
        "watch_seconds": _seconds(watch),
        "timeout_seconds": _seconds(timeout),
        "failure_threshold": _read(parse_threshold, fail_at),
        "window": None if window is None else _read(parse_window, window),
        "rollback": rollback,
    }

    async def work(client: Client) -> dict[str, Any]:
        body = {**draft, "assignment_id": await _offer_id(client, offer)}
        made: dict[str, Any] = (await client.call("POST", PATH, f"Cannot write a campaign for {offer}", body=body)).body
        return await _act(client, made["id"], "start") if begin else made

    made = session_of(context).run(work)
    if output is not Format.TABLE:
        show_data(made, output)
        return
    _show(made)
    if not begin:
        err().print(f"Start it: opampctl campaigns start {made['name']}")


@app.command("list")
def list_campaigns(
    context: typer.Context,
    *,
    state: Annotated[
        list[str] | None, typer.Option(help="draft, running, paused, halted, completed or aborted; repeatable.")
    ] = None,
    package: Annotated[str, typer.Option(help="Only those of this package.")] = "",
    limit: Limit = 100,
    everything: ListAll = False,
    output: Output = Format.TABLE,
) -> None:
    """List campaigns, newest first."""

    async def work(client: Client) -> list[dict[str, Any]]:
        wanted = None if everything else limit
        asked = {"state": state or [], "package": package}
        return await collect(client.items(PATH, "campaigns", "Cannot list campaigns", asked, wanted))

    found = session_of(context).run(work)
    if output is not Format.TABLE:
        show_data({"campaigns": found}, output)
        return
    rows = [
        (
            each["name"],
            each["package"],
            f"{each['from_version']} -> {each['to_version']}",
            each["state"],
            _stage_text(each),
            _counts(each),
            ago(each["created_at"]),
        )
        for each in found
    ]
    columns = ("name", "package", "version", "state", "stage", "agents", "created")
    show_table(columns, rows, empty="No campaigns. Begin: opampctl campaigns create OFFER --to VERSION")


@app.command("show")
def show(context: typer.Context, campaign: Which, *, output: Output = Format.TABLE) -> None:
    """Show one campaign: its plan, and how far its agents are."""
    found = session_of(context).run(lambda client: _the(client, campaign))
    if output is not Format.TABLE:
        show_data(found, output)
        return
    _show(found)


@app.command("start")
def start(context: typer.Context, campaign: Which) -> None:
    """Start a campaign that was written."""
    _steer(context, campaign, "start")


@app.command("pause")
def pause(context: typer.Context, campaign: Which) -> None:
    """Hold a campaign: no further agent begins, those that have begun go on."""
    _steer(context, campaign, "pause")


@app.command("resume")
def resume(context: typer.Context, campaign: Which) -> None:
    """Let a paused or halted campaign go on with the rest; after a halt, failures are counted afresh."""
    _steer(context, campaign, "resume")


@app.command("abort")
def abort(context: typer.Context, campaign: Which, *, yes: Yes = False) -> None:
    """End a campaign: every agent gets the previous version, those that succeeded too."""
    confirm(f"Bring every agent of {campaign} back to the previous version?", yes=yes)
    _steer(context, campaign, "abort")


@app.command("rm")
def remove(context: typer.Context, campaign: Which, *, yes: Yes = False) -> None:
    """Forget a campaign that never began or has ended, and what its agents did."""
    confirm(f"Forget campaign {campaign}?", yes=yes)

    async def work(client: Client) -> None:
        known = await _the(client, campaign)
        await client.call("DELETE", f"{PATH}/{quoted(known['id'])}", f"Cannot forget {campaign}")

    session_of(context).run(work)
    err().print(f"{campaign} is forgotten.")


@app.command("failures")
def failures(context: typer.Context, campaign: Which, *, output: Output = Format.TABLE) -> None:
    """Show which agents failed, those with the very same words together; exit code 8 if any did."""

    async def work(client: Client) -> dict[str, Any]:
        known = await _the(client, campaign)
        path = f"{PATH}/{quoted(known['id'])}/failures"
        found: dict[str, Any] = (await client.get(path, f"Cannot tell the failures of {campaign}")).body
        return found

    found = session_of(context).run(work)
    if output is not Format.TABLE:
        show_data(found, output)
    else:
        _show_failures(found)
    if found["total"]:
        raise typer.Exit(Exit.PARTIAL)


@app.command("watch")
def watch_campaign(
    context: typer.Context,
    campaign: Which,
    *,
    timeout: Annotated[str, typer.Option(metavar="DURATION", help="How long to watch at most.")] = FOREVER,
) -> None:
    """
    Show how a campaign goes until it ends or halts.

    Exit code 0 when it is completed, 8 when it halted, was aborted or is not there in time.
    """
    seconds = duration(timeout)

    async def work(client: Client) -> dict[str, Any]:
        last = await _the(client, campaign)
        with _bar(last) as told:

            async def look() -> bool:
                nonlocal last
                last = (await client.get(f"{PATH}/{quoted(last['id'])}", f"Cannot tell how {campaign} goes")).body
                told(last)
                return last["state"] in STANDS

            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(None if math.isinf(seconds) else seconds):
                    await repeat(look, watch=True)
        if last["state"] == "halted":
            _show_failures((await client.get(f"{PATH}/{quoted(last['id'])}/failures", "Cannot tell failures")).body)
        return last

    last = session_of(context).run(work)
    err().print(_sentence(last))
    if last["state"] == "halted":
        err().print(f"Go on with the rest: opampctl campaigns resume {last['name']}")
    if last["state"] != "completed":
        raise typer.Exit(Exit.PARTIAL)


def _steer(context: typer.Context, campaign: str, action: str) -> None:
    async def work(client: Client) -> dict[str, Any]:
        return await _act(client, (await _the(client, campaign))["id"], action)

    err().print(_sentence(session_of(context).run(work)))


async def _act(client: Client, campaign_id: str, action: str) -> dict[str, Any]:
    path = f"{PATH}/{quoted(campaign_id)}/{action}"
    moved: dict[str, Any] = (await client.call("POST", path, f"Cannot {action} the campaign")).body
    return moved


async def _the(client: Client, wanted: str) -> dict[str, Any]:
    """Find the campaign somebody means by its id or its name."""
    try:
        path = f"{PATH}/{uuid.UUID(wanted)}"
    except ValueError:
        found = client.items(PATH, "campaigns", "Cannot look for the campaign", {"search": wanted}, None)
        named = [each for each in await collect(found) if each["name"] == wanted]
    else:
        return dict((await client.get(path, f"Cannot look at campaign {wanted}")).body)
    if len(named) == 1:
        return named[0]
    if not named:
        raise CommandError(f"There is no campaign {wanted}.", Exit.NOT_FOUND, hint="See: opampctl campaigns list")
    details = tuple(f"{each['id']}  {each['state']}, {ago(each['created_at'])}" for each in named)
    raise CommandError(f"Several campaigns are named {wanted}.", Exit.CONFLICT, hint="Give an id.", details=details)


async def _offer_id(client: Client, name: str) -> str:
    found = client.items(OFFERS, "package_assignments", "Cannot look for the offer", {"search": name}, None)
    for each in await collect(found):
        if name in (each["name"], each["id"]):
            return str(each["id"])
    raise CommandError(f"There is no offer {name}.", Exit.NOT_FOUND, hint="See: opampctl packages offers")


@contextlib.contextmanager
def _bar(first: dict[str, Any]) -> Any:
    """Show progress as it comes: a bar on a terminal, a line per change elsewhere."""
    if not _on_terminal():
        said = ""

        def line(found: dict[str, Any]) -> None:
            nonlocal said
            text = f"{found['state']}, stage {_stage_text(found)}: {_counts(found)}"
            if text != said:
                err().print(text)
            said = text

        yield line
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[counts]}"))
    with Progress(*columns, console=err(), transient=True) as progress:
        task = progress.add_task(first["name"], total=None, counts="")

        def bar(found: dict[str, Any]) -> None:
            agents = found["agents"]
            progress.update(
                task,
                description=f"{found['name']}: {found['state']}, stage {_stage_text(found)}",
                total=sum(agents.values()) or None,
                completed=sum(agents.get(state, 0) for state in SETTLED),
                counts=_counts(found),
            )

        yield bar


def _on_terminal() -> bool:
    return sys.stderr.isatty()


def _show(campaign: dict[str, Any]) -> None:
    show_fields(
        {
            "Id": campaign["id"],
            "Name": campaign["name"],
            "Package": f"{campaign['package']} {campaign['from_version']} -> {campaign['to_version']}",
            "State": campaign["state"],
            "Reason": campaign["reason"],
            "Stage": _stage_text(campaign),
            "Stages": ", ".join(describe_stage(stage) for stage in campaign["stages"]),
            "At once": campaign["max_in_flight"],
            "Watch": describe_seconds(campaign["watch_seconds"]),
            "Timeout": describe_seconds(campaign["timeout_seconds"]),
            "Fails at": describe_threshold(campaign["failure_threshold"]),
            "Window": describe_window(campaign["window"]),
            "Opens": campaign["opens_at"],
            "Rollback": campaign["rollback"],
            "Agents": _counts(campaign),
            "Created": f"{campaign['created_at']} by {campaign['created_by']}",
            "Started": campaign["started_at"],
            "Ended": campaign["ended_at"],
        }
    )


def _show_failures(found: dict[str, Any]) -> None:
    rows = [
        (failure["count"], failure["error_message"], " ".join(failure["agents"][:3]) + _more(failure))
        for failure in found["failures"]
    ]
    show_table(("agents", "error", "such as"), rows, empty="No agent failed.")


def _more(failure: dict[str, Any]) -> str:
    shown = min(3, len(failure["agents"]))
    return f" and {failure['count'] - shown} more" if failure["count"] > shown else ""


def _sentence(campaign: dict[str, Any]) -> str:
    why = f": {campaign['reason']}" if campaign["reason"] else ""
    return f"Campaign {campaign['name']} is {campaign['state']}{why} ({_counts(campaign)})."


def _counts(campaign: dict[str, Any]) -> str:
    counted = {state: count for state, count in sorted(campaign["agents"].items()) if count}
    return ", ".join(f"{count} {state.replace('_', ' ')}" for state, count in counted.items()) or "no agents yet"


def _stage_text(campaign: dict[str, Any]) -> str:
    return f"{campaign['stage']} of {len(campaign['stages'])}" if campaign["stage"] else "-"


def _name_of(offer: str, version: str) -> str:
    text = f"{offer}-to-{version}".lower()
    return "".join(letter if letter.isascii() and (letter.isalnum() or letter in "._-") else "-" for letter in text)[
        :64
    ]


def _read(parse: Callable[[str], Any], text: str) -> Any:
    """Parse an option; a wrong one is a usage error with its reason."""
    try:
        return parse(text)
    except ValueError as error:
        raise CommandError(f"{error}.", Exit.USAGE) from error


def _seconds(text: str) -> int:
    seconds = duration(text)
    if math.isinf(seconds):
        raise CommandError("A campaign cannot wait for ever.", Exit.USAGE, hint="Write 5m or 1h.")
    return math.ceil(seconds)
