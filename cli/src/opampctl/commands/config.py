"""`config`: configurations, their versions, and where they are applied."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Annotated, Any

import typer

from opampctl.client import Client, quoted
from opampctl.commands.agents import show_attempts
from opampctl.commands.shared import Limit, ListAll, Output, Yes, collect, confirm
from opampctl.exits import CommandError, Exit
from opampctl.manifest import manifest_of, read_drafts, read_text
from opampctl.output import Format, ago, err, pairs, show_data, show_fields, show_table
from opampctl.session import session_of

if TYPE_CHECKING:
    from collections.abc import Iterable

PATH = "/configurations"

app = typer.Typer(no_args_is_help=True, help="Configurations: their versions, and where they are applied.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the configuration.")]


@app.command("list")
def list_configurations(
    context: typer.Context,
    *,
    search: Annotated[str, typer.Option("--search", "-s", help="Part of the name.")] = "",
    sort: Annotated[str, typer.Option(help="name, created_at, updated_at or priority; - turns it round.")] = "",
    limit: Limit = 100,
    everything: ListAll = False,
    output: Output = Format.TABLE,
) -> None:
    """List configurations, without their bodies."""
    params = {"search": search, "sort": sort, "body": False}

    async def work(client: Client) -> list[dict[str, Any]]:
        wanted = None if everything else limit
        return await collect(client.items(PATH, "configurations", "Cannot list configurations", params, wanted))

    found = session_of(context).run(work)
    if output is not Format.TABLE:
        show_data({"configurations": found}, output)
        return
    show_table(
        ("name", "version", "type", "selector", "priority", "hash", "changed", "by"),
        [
            (
                item.get("name"),
                item.get("version"),
                item.get("content_type"),
                pairs(item.get("selector")),
                item.get("priority"),
                str(item.get("config_hash", ""))[:12],
                ago(item.get("updated_at")),
                item.get("created_by"),
            )
            for item in found
        ],
        empty="There are no configurations. Make one: opampctl config apply --help",
    )


@app.command("get")
def get(
    context: typer.Context,
    name: Name,
    *,
    version: Annotated[int | None, typer.Option(min=1, help="An earlier version.")] = None,
    raw: Annotated[bool, typer.Option("--raw", help="Print nothing but what agents receive.")] = False,
    output: Output = Format.TABLE,
) -> None:
    """
    Show a configuration.

    -o yaml writes a manifest that `config apply -f` takes back; -o json is everything as the API gives it.

    Examples: opampctl config get edge --version 3; opampctl config get edge --raw > edge.yaml
    """
    found = session_of(context).run(lambda client: fetch(client, name, version))
    if raw:
        print(found.get("raw_config", ""), end="")
        return
    if output is not Format.TABLE:
        show_data(manifest_of(found) if output is Format.YAML else found, output)
        return
    show_fields(
        {
            "Name": found.get("name") or found.get("configuration_name"),
            "Title": found.get("display_name"),
            "Description": found.get("description"),
            "Version": found.get("version"),
            "Type": found.get("content_type"),
            "Selector": pairs(found.get("selector")) or "none: it goes only where it is assigned",
            "Priority": found.get("priority"),
            "Hash": found.get("config_hash"),
            "By": found.get("created_by"),
            "Comment": found.get("change_description"),
            "Changed": ago(found.get("updated_at") or found.get("created_at")),
            "Last applied": ago(found["last_applied_at"]) if found.get("last_applied_at") else None,
        }
    )
    print()
    print(found.get("raw_config", ""))


@app.command("history")
def history(
    context: typer.Context, name: Name, *, limit: Limit = 20, everything: ListAll = False, output: Output = Format.TABLE
) -> None:
    """Show the versions of a configuration, newest first."""

    async def work(client: Client) -> list[dict[str, Any]]:
        path, wanted = f"{PATH}/{quoted(name)}/history", None if everything else limit
        return await collect(client.items(path, "histories", f"Cannot show the history of {name}", {}, wanted))

    versions = session_of(context).run(work)
    if output is not Format.TABLE:
        show_data({"histories": versions}, output)
        return
    show_table(
        ("version", "hash", "selector", "priority", "by", "when", "comment"),
        [
            (
                item.get("version"),
                str(item.get("config_hash", ""))[:12],
                pairs(item.get("selector")),
                item.get("priority"),
                item.get("created_by"),
                ago(item.get("created_at")),
                item.get("change_description")
                or (f"rollback to {item['rolled_back_to']}" if item.get("rolled_back_to") else ""),
            )
            for item in versions
        ],
    )


@app.command("apply-history")
def apply_history(
    context: typer.Context,
    name: Name,
    *,
    status: Annotated[list[str] | None, typer.Option(help="Only these outcomes, e.g. failed; repeatable.")] = None,
    limit: Limit = 20,
    everything: ListAll = False,
    output: Output = Format.TABLE,
) -> None:
    """Show on which agents a configuration was applied and what became of it, newest first."""

    async def work(client: Client) -> list[dict[str, Any]]:
        path, what = f"{PATH}/{quoted(name)}/apply-history", f"Cannot show where {name} was applied"
        wanted = None if everything else limit
        return await collect(client.items(path, "histories", what, {"status": status or []}, wanted))

    attempts = session_of(context).run(work)
    if output is Format.TABLE:
        show_attempts(attempts, "agent_id")
    else:
        show_data({"histories": attempts}, output)


@app.command("rollback")
def rollback(
    context: typer.Context,
    name: Name,
    version: Annotated[int, typer.Argument(min=1, help="The version to go back to.")],
    *,
    comment: Annotated[str, typer.Option("--comment", "-m", help="Why.")] = "",
    output: Output = Format.TABLE,
) -> None:
    """
    Make a new version with the content of an earlier one.

    Example: opampctl config rollback edge 3 -m "version 4 drops spans"
    """

    async def work(client: Client) -> dict[str, Any]:
        path, what = f"{PATH}/{quoted(name)}/rollback/{version}", f"Cannot roll {name} back to version {version}"
        made: dict[str, Any] = (await client.call("POST", path, what, body={"comment": comment})).body
        return made

    made = session_of(context).run(work)
    if output is Format.TABLE:
        err().print(f"{name} is at version {made.get('version')}, with the content of version {version}.")
    else:
        show_data(made, output)


@app.command("delete")
def delete(context: typer.Context, name: Name, *, yes: Yes = False) -> None:
    """Delete a configuration with its versions; agents that run it keep it until something else matches."""
    confirm(f"Delete configuration {name} with its history?", yes=yes)
    session_of(context).run(
        lambda client: client.call("DELETE", f"{PATH}/{quoted(name)}", f"Cannot delete configuration {name}")
    )
    err().print(f"Configuration {name} is deleted.")


@app.command("diff")
def diff(
    context: typer.Context,
    name: Name,
    *,
    first: Annotated[int | None, typer.Option("--from", min=1, help="A version; default: the one before.")] = None,
    second: Annotated[int | None, typer.Option("--to", min=1, help="A version; default: the current one.")] = None,
    file: Annotated[
        str | None, typer.Option("--file", "-f", help="Compare the current version with this file.")
    ] = None,
) -> None:
    """
    Show what differs between two versions, or between the current version and a file. Ends with 1 when anything does.

    Examples: opampctl config diff edge --from 2 --to 5; opampctl config diff edge -f edge.yaml
    """

    async def work(client: Client) -> tuple[dict[str, Any], dict[str, Any]]:
        right = await fetch(client, name, second)
        if file is not None:
            fields = read_drafts(file, read_text(file), name=name)[0].fields
            return right, {**right, **fields, "version": file}
        older = first if first is not None else int(right["version"]) - 1
        if older < 1:
            sentence = f"{name} has one version only."
            raise CommandError(sentence, Exit.NOT_FOUND)
        return await fetch(client, name, older), right

    left, right = session_of(context).run(work)
    lines = list(differences(left, right))
    for line in lines:
        colour = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")
        typer.secho(line, fg=colour or None)
    if lines:
        raise typer.Exit(1)


async def fetch(client: Client, name: str, version: int | None) -> dict[str, Any]:
    """Read a configuration, or one version of it."""
    if version is None:
        found: dict[str, Any] = (await client.get(f"{PATH}/{quoted(name)}", f"Cannot show {name}")).body
        return found
    path = f"{PATH}/{quoted(name)}/history/{version}"
    earlier: dict[str, Any] = (await client.get(path, f"Cannot show version {version} of {name}")).body
    return earlier


def differences(left: dict[str, Any], right: dict[str, Any]) -> Iterable[str]:
    """Yield a unified diff of what agents receive, after lines for the other fields that differ."""
    for field in ("display_name", "description", "content_type", "selector", "priority"):
        old, new = left.get(field), right.get(field)
        if (old or None) != (new or None):
            yield f"-{field}: {pairs(old) if isinstance(old, dict) else old}"
            yield f"+{field}: {pairs(new) if isinstance(new, dict) else new}"
    yield from difflib.unified_diff(
        str(left.get("raw_config", "")).splitlines(),
        str(right.get("raw_config", "")).splitlines(),
        f"version {left.get('version')}",
        f"version {right.get('version')}" if isinstance(right.get("version"), int) else str(right.get("version")),
        lineterm="",
    )
