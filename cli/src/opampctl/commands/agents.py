"""`agents`: who is connected, how they fare, what they run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from opampctl.client import Client, quoted
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
from opampctl.output import Format, ago, err, out, pairs, show_data, show_fields, show_table
from opampctl.quantities import describe_seconds
from opampctl.session import session_of

if TYPE_CHECKING:
    from collections.abc import Sequence

app = typer.Typer(no_args_is_help=True, help="Agents: who is connected, how they fare, what they run.")

AgentName = Annotated[
    str, typer.Argument(metavar="AGENT", help="Id, or a part of id, name or host that fits one only.")
]

LIST_HELP = """
List agents.

Examples:

  opampctl agents list --status error

  opampctl agents list --label deployment.environment.name=prod --sort -last_seen_at

  opampctl agents list --search edge --all -o json

  opampctl agents list --approval pending
"""


@app.command("list", help=LIST_HELP)
def list_agents(
    context: typer.Context,
    *,
    status: Annotated[list[str] | None, typer.Option(help="online, offline or error; repeatable.")] = None,
    health: Annotated[list[str] | None, typer.Option(help="unknown, healthy or unhealthy; repeatable.")] = None,
    config_state: Annotated[
        list[str] | None, typer.Option(help="unset, applying, applied or failed; repeatable.")
    ] = None,
    approval: Annotated[
        list[str] | None, typer.Option(help="approved, pending, rejected or revoked; repeatable.")
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option("--label", "-l", metavar="KEY=VALUE", help="Has this label; repeatable, all must fit."),
    ] = None,
    search: Annotated[str, typer.Option("--search", "-s", help="Part of name, host, version or id.")] = "",
    sort: Annotated[str, typer.Option(help="Field such as name or -last_seen_at (newest first).")] = "",
    limit: Limit = 100,
    everything: ListAll = False,
    watch: Watch = False,
    output: Output = Format.TABLE,
) -> None:
    """List agents."""
    labels = label_pairs(label)
    params: dict[str, Any] = {"status": status or [], "health": health or [], "config_state": config_state or []}
    params["approval"] = approval or []
    params |= {"search": search, "sort": sort, **{f"label.{key}": value for key, value in labels.items()}}

    async def work(client: Client) -> None:
        async def show() -> bool:
            entries = client.items("/agents", "agents", "Cannot list agents", params, None if everything else limit)
            agents = await collect(entries)
            if output is Format.TABLE:
                if watch and out().is_terminal:
                    out().clear()
                _show_agents(agents)
            else:
                show_data({"agents": agents}, output)
            return False

        await repeat(show, watch=watch)

    session_of(context).run(work)


@app.command("summary")
def summary(context: typer.Context, *, output: Output = Format.TABLE) -> None:
    """Count agents by status, health and configuration."""
    counts = session_of(context).run(lambda client: client.get("/agents/status/summary", "Cannot count agents")).body
    if output is not Format.TABLE:
        show_data(counts, output)
        return
    show_fields(
        {
            "Agents": counts.get("total"),
            "Status": pairs(counts.get("status_counts")),
            "Link": pairs(counts.get("link_counts")),
            "Health": pairs(counts.get("health_counts")),
            "Configuration": pairs(counts.get("config_counts")),
        }
    )


@app.command("get")
def get(context: typer.Context, agent: AgentName, *, output: Output = Format.TABLE) -> None:
    """
    Show everything known of one agent.

    Example: opampctl agents get edge-prod-00017
    """

    async def work(client: Client) -> dict[str, Any]:
        agent_id = await find_agent(client, agent)
        reply = await client.get(f"/agents/{quoted(agent_id)}", f"Cannot show agent {agent}")
        found: dict[str, Any] = reply.body
        return found

    found = session_of(context).run(work)
    if output is not Format.TABLE:
        show_data(found, output)
        return
    configuration = found.get("configuration") or {}
    show_fields(
        {
            "Id": found.get("id"),
            "Name": found.get("name"),
            "Version": found.get("version"),
            "Host": found.get("hostname"),
            "System": " ".join(filter(None, (found.get("type"), found.get("architecture")))),
            "Status": found.get("status"),
            "Approval": found.get("approval"),
            "Health": found.get("health_state"),
            "Health error": found.get("health_error"),
            "Configuration": found.get("configuration_name"),
            "Chosen by": configuration.get("reason"),
            "State": found.get("config_state"),
            "Configuration error": found.get("config_error"),
            "Last seen": ago(found.get("last_seen_at")),
            "Connected": ago(found.get("last_connected_at")),
            "Disconnected because": found.get("disconnect_reason"),
            "Transport": " from ".join(filter(None, (found.get("transport"), found.get("remote_addr")))),
            "Capabilities": " ".join(found.get("capabilities") or ()),
            "Labels": "\n".join(f"{key}={value}" for key, value in sorted((found.get("labels") or {}).items())),
        }
    )


@app.command("delete")
def delete(context: typer.Context, agent: AgentName, *, yes: Yes = False) -> None:
    """
    Forget an agent and its history; a live one is disconnected, and comes back as new when it connects again.

    Example: opampctl agents delete 0198f1d2-7c1e-7b43-9a51-0d6a3c2f9b10 --yes
    """

    async def work(client: Client) -> str:
        agent_id = await find_agent(client, agent)
        confirm(f"Delete agent {agent_id} with its history?", yes=yes)
        await client.call("DELETE", f"/agents/{quoted(agent_id)}", f"Cannot delete agent {agent}")
        return agent_id

    err().print(f"Agent {session_of(context).run(work)} is deleted.")


@app.command("history")
def history(
    context: typer.Context,
    agent: AgentName,
    *,
    limit: Limit = 20,
    everything: ListAll = False,
    output: Output = Format.TABLE,
) -> None:
    """Show the connections of an agent, newest first."""
    rows = _of_agent(context, agent, "connection-history", None if everything else limit)
    if output is not Format.TABLE:
        show_data({"histories": rows}, output)
        return
    show_table(
        ("connected", "disconnected", "lasted", "reason", "from", "transport"),
        [
            (
                row.get("connected_at"),
                row.get("disconnected_at"),
                describe_seconds(float(row["duration_seconds"])) if row.get("duration_seconds") else "",
                row.get("disconnect_reason"),
                row.get("remote_addr"),
                row.get("transport"),
            )
            for row in rows
        ],
        empty="It has never been connected.",
    )


@app.command("apply-history")
def apply_history(
    context: typer.Context,
    agent: AgentName,
    *,
    limit: Limit = 20,
    everything: ListAll = False,
    output: Output = Format.TABLE,
) -> None:
    """Show the configurations an agent was given and what became of them, newest first."""
    rows = _of_agent(context, agent, "apply-history", None if everything else limit)
    if output is not Format.TABLE:
        show_data({"histories": rows}, output)
        return
    show_attempts(rows, "configuration_name")


@app.command("config")
def config(
    context: typer.Context,
    agent: AgentName,
    *,
    effective: Annotated[bool, typer.Option("--effective", help="Print what the agent says it runs.")] = False,
    output: Output = Format.TABLE,
) -> None:
    """
    Show which configuration an agent should run, why, and how far it is.

    Example: opampctl agents config edge-prod-00017 --effective
    """

    async def work(client: Client) -> dict[str, Any]:
        agent_id = quoted(await find_agent(client, agent))
        what = f"Cannot show the configuration of agent {agent}"
        if effective:
            found: dict[str, Any] = (await client.get(f"/agents/{agent_id}", what)).body.get("effective_config") or {}
        else:
            found = (await client.get(f"/agents/{agent_id}/configuration", what)).body
        return found

    found = session_of(context).run(work)
    if output is not Format.TABLE:
        show_data(found, output)
        return
    if effective:
        for name, file in sorted((found.get("config_map") or {}).items()):
            err().print(f"# {name} ({file.get('content_type') or 'no content type'})")
            print(file.get("body", ""))
        return
    show_fields(
        {
            "Configuration": found.get("configuration_name") or "none",
            "Version": found.get("version"),
            "Chosen by": found.get("reason"),
            "State": found.get("state"),
            "Error": found.get("error_message"),
            "Quarantined": "yes: it failed here before; `opampctl agents retry` offers it again"
            if found.get("quarantined")
            else None,
            "Also matching": ", ".join((found.get("candidates") or ())[1:]),
        }
    )


@app.command("assign")
def assign(
    context: typer.Context,
    agent: AgentName,
    name: Annotated[
        str | None, typer.Argument(metavar="[CONFIGURATION]", help="Left out: no assignment any more.")
    ] = None,
) -> None:
    """
    Give an agent one configuration whatever selectors say, or take that back.

    Example: opampctl agents assign edge-prod-00017 canary
    """

    async def work(client: Client) -> str:
        agent_id = await find_agent(client, agent)
        path, what = f"/agents/{quoted(agent_id)}/configuration", f"Cannot assign a configuration to agent {agent}"
        if name is None:
            await client.call("DELETE", path, what)
        else:
            await client.call("PUT", path, what, body={"configuration_name": name})
        return agent_id

    agent_id = session_of(context).run(work)
    err().print(f"Agent {agent_id} {'follows the selectors again' if name is None else f'gets {name}'}.")


@app.command("retry")
def retry(context: typer.Context, agent: AgentName) -> None:
    """Offer an agent again the configuration that failed on it."""

    async def work(client: Client) -> str:
        agent_id = await find_agent(client, agent)
        path = f"/agents/{quoted(agent_id)}/configuration/retry"
        await client.call("POST", path, f"Cannot offer the configuration to agent {agent} again")
        return agent_id

    err().print(f"Agent {session_of(context).run(work)} is offered its configuration again.")


def show_attempts(rows: Sequence[dict[str, Any]], subject: str) -> None:
    """Print attempts to apply; *subject* is the column that names what differs between them."""
    show_table(
        (subject.removesuffix("_name").removesuffix("_id"), "version", "status", "attempt", "cause", "when", "error"),
        [
            (
                row.get(subject),
                row.get("version"),
                row.get("status"),
                row.get("attempt"),
                row.get("cause"),
                ago(row.get("updated_at") or row.get("created_at")),
                row.get("error_message"),
            )
            for row in rows
        ],
        empty="Nothing has been applied yet.",
    )


def _show_agents(agents: Sequence[dict[str, Any]]) -> None:
    show_table(
        ("id", "name", "host", "version", "status", "configuration", "state", "last seen"),
        [
            (
                agent.get("id"),
                agent.get("name"),
                agent.get("hostname"),
                agent.get("version"),
                agent.get("status") if agent.get("approval", "approved") == "approved" else agent["approval"],
                agent.get("configuration_name"),
                agent.get("config_state"),
                ago(agent.get("last_seen_at")),
            )
            for agent in agents
        ],
        empty="No agent fits. Connect one: opampctl simulate --help",
    )


def _of_agent(context: typer.Context, agent: str, what: str, wanted: int | None) -> list[dict[str, Any]]:
    async def work(client: Client) -> list[dict[str, Any]]:
        agent_id = await find_agent(client, agent)
        path = f"/agents/{quoted(agent_id)}/{what}"
        return await collect(client.items(path, "histories", f"Cannot show the {what} of agent {agent}", {}, wanted))

    return session_of(context).run(work)
