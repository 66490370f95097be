"""`config apply`, `config push`, `config status`: from a file to the agents that run it."""

from __future__ import annotations

import asyncio
import contextlib
import math
import sys
from typing import Annotated, Any

import typer

from opampctl.client import ApiError, Client, quoted
from opampctl.commands.config import PATH, Name, differences
from opampctl.commands.shared import Output, Watch, duration, find_agent, label_pairs, repeat
from opampctl.exits import CommandError, Exit
from opampctl.manifest import Draft, read_drafts, read_text
from opampctl.output import Format, err, out, show_data, show_fields, show_table
from opampctl.session import session_of

NOT_FOUND = 404
UNDERWAY = ("pending", "offered", "applying")
_COMPARED = ("display_name", "description", "content_type", "raw_config", "selector", "priority", "platform")

APPLY_HELP = """
Create or update configurations from files.

A file is either the configuration itself, named like the file, or a manifest:

  kind: Configuration
  name: edge
  selector: {deployment.environment.name: prod}
  priority: 10
  raw_config: |
    receivers: ...

Examples:

  opampctl config apply -f edge.yaml --selector deployment.environment.name=prod -m "first version"

  opampctl config apply -f fleet.yaml --dry-run

  cat edge.yaml | opampctl config apply -f - --name edge
"""


def apply(
    context: typer.Context,
    *,
    file: Annotated[list[str], typer.Option("--file", "-f", help="File, or - for standard input; repeatable.")],
    name: Annotated[str | None, typer.Option(help="Name, when it is not that of the file.")] = None,
    selector: Annotated[
        list[str] | None,
        typer.Option("--selector", "-l", metavar="KEY=VALUE", help="Label agents must have; repeatable."),
    ] = None,
    priority: Annotated[int | None, typer.Option(help="The highest wins where several match.")] = None,
    comment: Annotated[str, typer.Option("--comment", "-m", help="Why; kept in the history.")] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check and show what would change, store nothing.")
    ] = False,
    output: Output = Format.TABLE,
) -> None:
    """Create or update configurations from files."""
    labels = label_pairs(selector)
    drafts = [draft for path in file for draft in read_drafts(path, _content(path), name=name)]
    if name is not None and len(drafts) > 1:
        sentence = "--name fits one configuration, and there are several."
        raise CommandError(sentence, Exit.USAGE)
    overrides = {"selector": labels or None, "priority": priority, "comment": comment or None}
    given = {key: value for key, value in overrides.items() if value is not None}
    drafts = [Draft(draft.name, draft.fields | given, draft.source) for draft in drafts]

    async def work(client: Client) -> list[dict[str, Any]]:
        return [await _apply_one(client, draft, dry_run=dry_run) for draft in drafts]

    results = session_of(context).run(work)
    if output is not Format.TABLE:
        show_data({"configurations": results}, output)
        return
    for result in results:
        would = " (dry run, nothing stored)" if dry_run else ""
        out().print(f"{result['name']} {result['action']}, version {result['version']}{would}")
        for line in result["diff"]:
            typer.secho(f"  {line}", fg={"+": "green", "-": "red", "@": "cyan"}.get(line[:1]))


def push(
    context: typer.Context,
    name: Name,
    *,
    agent: Annotated[list[str] | None, typer.Option("--agent", "-a", help="Only to this agent; repeatable.")] = None,
    output: Output = Format.TABLE,
) -> None:
    """
    Offer a configuration now to every connected agent that should run it, or to some of them.

    It happens by itself after every change; this repeats it, and clears an earlier failure.

    Examples: opampctl config push edge; opampctl config push edge --agent edge-prod-00017
    """

    async def work(client: Client) -> dict[str, Any]:
        agents = [await find_agent(client, wanted) for wanted in agent or ()]
        path, what = f"{PATH}/{quoted(name)}/push", f"Cannot push {name}"
        body = {"agent_ids": agents} if agents else None
        result: dict[str, Any] = (await client.call("POST", path, what, body=body)).body
        return result

    result = session_of(context).run(work)
    if output is not Format.TABLE:
        show_data(result, output)
    else:
        out().print(
            f"{name} was offered to {len(result.get('affected_agents') or ())} of {result.get('total', 0)} agents."
        )
        for failure in result.get("failures") or ():
            err().print(f"  {failure.get('agent_id')}: {failure.get('reason')}")
    if result.get("failed"):
        raise typer.Exit(Exit.PARTIAL)


def status(
    context: typer.Context,
    name: Name,
    *,
    watch: Watch = False,
    timeout: Annotated[
        float, typer.Option(parser=duration, metavar="DURATION", help="How long to watch at most.")
    ] = "forever",  # type: ignore[assignment]  # typer parses the default
    output: Output = Format.TABLE,
) -> None:
    """
    Show how many agents should run a configuration and how far they are.

    With --watch it ends when none is on its way any more or none is connected; exit code 8 if any failed or is late.

    Example: opampctl config status edge --watch --timeout 60s
    """

    async def work(client: Client) -> dict[str, Any]:
        last: dict[str, Any] = {}

        async def show() -> bool:
            nonlocal last
            previous, last = (
                last,
                (await client.get(f"{PATH}/{quoted(name)}/status", f"Cannot tell how {name} fares")).body,
            )
            if last != previous:
                _show_status(last, output)
            return not _under_way(last) or not last.get("connected")

        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(None if math.isinf(timeout) else timeout):
                await repeat(show, watch=watch)
        return last

    last = session_of(context).run(work)
    if not watch:
        return
    late = _under_way(last)
    if late:
        err().print(f"{late} agents are not there yet, {last.get('connected', 0)} are connected.")
    counts = last.get("state_counts") or {}
    if late or counts.get("failed") or counts.get("timed_out"):
        raise typer.Exit(Exit.PARTIAL)


async def _apply_one(client: Client, draft: Draft, *, dry_run: bool) -> dict[str, Any]:
    """Create the configuration or make its next version; nothing is sent when nothing differs."""
    params = {"dry_run": True} if dry_run else {}
    path = f"{PATH}/{quoted(draft.name)}"
    try:
        reply = await client.get(path, f"Cannot read {draft.name}")
    except ApiError as error:
        if error.status != NOT_FOUND:
            raise
        what = f"Cannot create {draft.name} from {draft.source}"
        made = (await client.call("POST", PATH, what, params=params, body={"name": draft.name, **draft.fields})).body
        return {"name": draft.name, "action": "created", "version": made["version"], "diff": []}
    current = reply.body
    wanted = {key: value for key, value in draft.fields.items() if key in _COMPARED}
    if all(current.get(key) == value for key, value in wanted.items()):
        return {"name": draft.name, "action": "unchanged", "version": current["version"], "diff": []}
    headers = {"If-Match": reply.etag or f'"{current["version"]}"'}
    what = f"Cannot update {draft.name} from {draft.source}"
    made = (await client.call("PUT", path, what, params=params, body=draft.fields, headers=headers)).body
    version = made["version"]
    if version == current["version"]:
        return {"name": draft.name, "action": "unchanged", "version": version, "diff": []}
    lines = list(differences(current, {**current, **wanted, "version": version}))
    return {"name": draft.name, "action": "updated", "version": version, "diff": lines}


def _under_way(found: dict[str, Any]) -> int:
    counts = found.get("state_counts") or {}
    return sum(int(counts.get(state) or 0) for state in UNDERWAY)


def _show_status(found: dict[str, Any], output: Format) -> None:
    if output is not Format.TABLE:
        show_data(found, output)
        return
    show_fields(
        {"Configuration": found.get("name"), "Agents": found.get("desired"), "Connected": found.get("connected")}
    )
    counts = {state: number for state, number in (found.get("state_counts") or {}).items() if number}
    if counts:
        show_table(("state", "agents"), sorted(counts.items()))


def _content(path: str) -> str:
    return sys.stdin.read() if path == "-" else read_text(path)
