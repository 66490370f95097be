"""`packages offer`, `unoffer`, `offers`, `status`, `retry`: who should have which package, and who has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from opampctl.client import ApiError, quoted
from opampctl.commands.shared import (
    Limit,
    ListAll,
    Output,
    Watch,
    Yes,
    collect,
    confirm,
    find_agent,
    label_pairs,
    repeat,
)
from opampctl.exits import CommandError, Exit
from opampctl.output import Format, ago, err, pairs, show_data, show_table
from opampctl.session import session_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from opampctl.client import Client

PATH = "/package-assignments"
OVER = frozenset(("installed", "failed", "rolled_back", "timed_out"))
"""States in which nothing more comes by itself."""

_CONFLICT = 409
AGAIN = ("failed", "rolled_back", "timed_out")
"""States in which a package may be asked for again."""

Name = Annotated[str, typer.Argument(metavar="OFFER", help="Name of an offer; `packages offers` shows them.")]


def offer(
    context: typer.Context,
    package: Annotated[str, typer.Argument(metavar="PACKAGE", help="Name of a package.")],
    *,
    version: Annotated[
        str | None, typer.Option(help="A version, latest, or latest-N: N versions before the newest.")
    ] = None,
    selector: Annotated[
        list[str] | None, typer.Option("--selector", "-l", metavar="KEY=VALUE", help="Agents with all of these labels.")
    ] = None,
    group: Annotated[list[str] | None, typer.Option(help="Agents of this group; repeatable.")] = None,
    agent: Annotated[
        list[str] | None, typer.Option(help="This agent: its id, or part of its id, name or host; repeatable.")
    ] = None,
    name: Annotated[str, typer.Option(help="Name of the offer; that of the package if not given.")] = "",
    channel: Annotated[str | None, typer.Option(help="stable, or beta: versions before a release, too.")] = None,
    priority: Annotated[int | None, typer.Option(help="The highest decides where several offers meet.")] = None,
    enabled: Annotated[
        bool | None,
        typer.Option(
            "--enabled/--disabled", help="Whether it is in force; disabled, agents remove what no other offer names."
        ),
    ] = None,
    output: Output = Format.TABLE,
) -> None:
    """
    Offer a package to agents, or change an offer; what is not given stays as it is.

    Agents that accept packages get the file for their platform, and are told when a newer one is due.

    Examples:
      opampctl packages offer collector --selector deployment.environment.name=prod

      opampctl packages offer collector --version 1.4.2 --agent edge-7

      opampctl packages offer collector --name collector-beta --channel beta --group canary --priority 10
    """
    given = {
        "version": version,
        "channel": channel,
        "priority": priority,
        "enabled": enabled,
        "selector": label_pairs(selector) if selector else None,
        "groups": group or None,
    }
    draft: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
    wanted = name or package

    async def work(client: Client) -> dict[str, Any]:
        if agent:
            draft["agents"] = [await find_agent(client, each) for each in agent]
        known = await _find(client, wanted)
        if known is None:
            body = {**draft, "name": wanted, "package": package}
            return dict((await client.call("POST", PATH, f"Cannot offer {package}", body=body)).body)
        if known["package"] != package:
            sentence = f"The offer {wanted} is of {known['package']}, not of {package}."
            raise CommandError(sentence, Exit.CONFLICT, hint="Give it another --name.")
        path = f"{PATH}/{quoted(known['id'])}"
        headers = {"If-Match": f'"{known["revision"]}"'}
        return dict((await client.call("PATCH", path, f"Cannot change {wanted}", body=draft, headers=headers)).body)

    made = session_of(context).run(work)
    if output is not Format.TABLE:
        show_data(made, output)
        return
    err().print(f"{made['package']} {made['version']} is offered to {_to_whom(made)} ({made['name']}).")


def unoffer(context: typer.Context, name: Name, *, yes: Yes = False) -> None:
    """Take an offer back; agents it decided for remove the package, unless another offer names it."""
    confirm(f"Take the offer {name} back?", yes=yes)

    async def work(client: Client) -> None:
        known = await _the(client, name)
        await client.call("DELETE", f"{PATH}/{quoted(known['id'])}", f"Cannot take {name} back")

    session_of(context).run(work)
    err().print(f"The offer {name} is taken back.")


def offers(
    context: typer.Context,
    *,
    package: Annotated[str, typer.Option(help="Only those of this package.")] = "",
    limit: Limit = 100,
    everything: ListAll = False,
    output: Output = Format.TABLE,
) -> None:
    """List what is offered to whom, and how far agents are."""

    async def work(client: Client) -> list[dict[str, Any]]:
        wanted = None if everything else limit
        entries = client.items(PATH, "package_assignments", "Cannot list offers", {"package": package}, wanted)
        return await collect(entries)

    found = session_of(context).run(work)
    if output is not Format.TABLE:
        show_data({"package_assignments": found}, output)
        return
    rows = [
        (
            each["name"],
            each["package"],
            f"{each['version']} ({each['channel']})",
            _to_whom(each),
            each["priority"],
            _counts(each["states"]) if each["enabled"] else "disabled",
            ago(each["updated_at"]),
        )
        for each in found
    ]
    columns = ("name", "package", "version", "to", "priority", "agents", "changed")
    show_table(columns, rows, empty="Nothing is offered. Begin: opampctl packages offer PACKAGE --selector KEY=VALUE")


def status(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="[OFFER]", help="Name of an offer.")] = "",
    *,
    agent: Annotated[str, typer.Option(help="The packages of this agent, whoever offered them.")] = "",
    state: Annotated[list[str] | None, typer.Option(help="Only agents in this state; repeatable.")] = None,
    watch: Watch = False,
    limit: Limit = 100,
    everything: ListAll = False,
    output: Output = Format.TABLE,
) -> None:
    """
    Show how far agents are with what they are offered.

    Examples:
      opampctl packages status collector --watch

      opampctl packages status collector --state failed

      opampctl packages status --agent edge-7
    """
    if bool(name) == bool(agent):
        raise CommandError("Name an offer, or give --agent.", Exit.USAGE)

    async def look(client: Client) -> list[dict[str, Any]]:
        if agent:
            path = f"/agents/{quoted(await find_agent(client, agent))}/packages"
            return list((await client.get(path, f"Cannot look at agent {agent}")).body["packages"])
        path = f"{PATH}/{quoted((await _the(client, name))['id'])}/agents"
        wanted = None if everything else limit
        return await collect(client.items(path, "agents", f"Cannot look at {name}", {"state": state or []}, wanted))

    async def work(client: Client) -> None:
        async def show() -> bool:
            found = await look(client)
            _show(found, output)
            return all(each["state"] in OVER for each in found)

        await repeat(show, watch=watch)

    session_of(context).run(work)


def retry(
    context: typer.Context,
    name: Name,
    *,
    agent: Annotated[
        list[str] | None,
        typer.Option(help="Only on this agent, whatever it has now; repeatable. Otherwise on all where it failed."),
    ] = None,
) -> None:
    """
    Offer a package again where it failed, was rolled back, or was never answered.

    What failed before on a named agent is forgotten, whatever it has now: it may be offered again when it is wanted
    again. Agents on which nothing failed are left alone, and counted.

    Example: opampctl packages retry collector --agent edge-7
    """

    async def work(client: Client) -> tuple[int, int]:
        known = await _the(client, name)
        if agent:
            uids = [await find_agent(client, each) for each in agent]
        else:
            path = f"{PATH}/{quoted(known['id'])}/agents"
            found = await collect(client.items(path, "agents", f"Cannot look at {name}", {"state": list(AGAIN)}, None))
            uids = [each["agent_id"] for each in found]
        again = 0
        for uid in uids:
            path = f"/agents/{quoted(uid)}/packages/{quoted(known['package'])}/retry"
            try:
                await client.call("POST", path, f"Cannot offer {known['package']} again to {uid}")
            except ApiError as error:
                if error.status != _CONFLICT or len(uids) == 1:
                    raise
            else:
                again += 1
        return again, len(uids) - again

    again, left = session_of(context).run(work)
    err().print(f"{name} may be tried again on {_agents(again)}.")
    if left:
        err().print(f"On {_agents(left)} nothing of it has failed.")


def _agents(count: int) -> str:
    return "1 agent" if count == 1 else f"{count} agents"


async def _find(client: Client, name: str) -> dict[str, Any] | None:
    found = client.items(PATH, "package_assignments", "Cannot look for the offer", {"search": name}, None)
    return next((each for each in await collect(found) if each["name"] == name), None)


async def _the(client: Client, name: str) -> dict[str, Any]:
    found = await _find(client, name)
    if found is None:
        raise CommandError(f"There is no offer {name}.", Exit.NOT_FOUND, hint="See: opampctl packages offers")
    return found


def _show(found: list[dict[str, Any]], output: Format) -> None:
    if output is not Format.TABLE:
        show_data({"agents": found}, output)
        return
    rows = [
        (
            each["agent_id"],
            each["package"],
            each["version"] or "-",
            each["reported_version"] or "-",
            f"{each['state']} {each['percent']:.0f} %" if each["state"] == "downloading" else each["state"],
            ago(each["since"]),
            each["error_message"],
        )
        for each in found
    ]
    show_table(("agent", "package", "should have", "has", "state", "since", "error"), rows, empty="No agents.")


def _to_whom(offer: dict[str, Any]) -> str:
    parts = [
        pairs(offer["selector"]),
        f"groups {', '.join(offer['groups'])}" if offer["groups"] else "",
        f"{len(offer['agents'])} named agent{'' if len(offer['agents']) == 1 else 's'}" if offer["agents"] else "",
    ]
    return " or ".join(part for part in parts if part) or "nobody"


def _counts(states: dict[str, int]) -> str:
    return ", ".join(f"{count} {state}" for state, count in sorted(states.items())) or "none"


COMMANDS: dict[str, Callable[..., None]] = {
    "offer": offer,
    "unoffer": unoffer,
    "offers": offers,
    "status": status,
    "retry": retry,
}
"""Of `packages`, by their names."""
