"""`agents approve|reject|revoke|credentials|rotate`: who agents are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from opampctl.client import Client, quoted
from opampctl.commands.agents import AgentName
from opampctl.commands.shared import Limit, ListAll, Output, Yes, collect, confirm, find_agent
from opampctl.output import Format, ago, err, show_data, show_fields, show_table
from opampctl.session import session_of

if TYPE_CHECKING:
    from collections.abc import Callable

Comment = Annotated[str, typer.Option("--comment", "-m", help="Why; kept with the decision.")]


def approve(context: typer.Context, agent: AgentName, *, comment: Comment = "", output: Output = Format.TABLE) -> None:
    """
    Approve an agent that waits, or one that was rejected or revoked; it connects again and gets what it is due.

    Example: opampctl agents approve edge-prod-00017 --comment "site 7 is ours"
    """
    _decide(context, agent, "approve", comment, output)


def reject(context: typer.Context, agent: AgentName, *, comment: Comment = "", output: Output = Format.TABLE) -> None:
    """
    Refuse an agent that waits for approval.

    Example: opampctl agents reject edge-prod-00017 --comment "nobody knows it"
    """
    _decide(context, agent, "reject", comment, output)


def revoke(
    context: typer.Context,
    agent: AgentName,
    *,
    credential: Annotated[
        str | None, typer.Option(metavar="ID", help="Only this credential; see `agents credentials`.")
    ] = None,
    comment: Comment = "",
    yes: Yes = False,
) -> None:
    """
    Cut an agent off at once: all its credentials end, and no token lets it in until it is approved anew.

    For example:

      opampctl agents revoke edge-prod-00017 --comment stolen

      opampctl agents revoke edge-prod-00017 --credential k7f3c9a --yes
    """

    async def work(client: Client) -> str:
        agent_id = await find_agent(client, agent)
        path, what = f"/agents/{quoted(agent_id)}", f"Cannot revoke agent {agent}"
        if credential is not None:
            confirm(f"Revoke credential {credential} of agent {agent_id}?", yes=yes)
            await client.call("DELETE", f"{path}/credentials/{quoted(credential)}", what)
        else:
            confirm(f"Cut agent {agent_id} off?", yes=yes)
            await client.call("POST", f"{path}/revoke", what, body={"comment": comment})
        return agent_id

    agent_id = session_of(context).run(work)
    err().print(f"{f'Credential {credential} of agent' if credential else 'Agent'} {agent_id} is revoked.")


def credentials(
    context: typer.Context,
    agent: AgentName,
    *,
    limit: Limit = 20,
    everything: ListAll = False,
    output: Output = Format.TABLE,
) -> None:
    """
    List the credentials of an agent, newest first, those that are no longer good included.

    Example: opampctl agents credentials edge-prod-00017
    """

    async def work(client: Client) -> list[dict[str, Any]]:
        agent_id = await find_agent(client, agent)
        path, what = f"/agents/{quoted(agent_id)}/credentials", f"Cannot list the credentials of agent {agent}"
        return await collect(client.items(path, "credentials", what, {}, None if everything else limit))

    found = session_of(context).run(work)
    if output is not Format.TABLE:
        show_data({"credentials": found}, output)
        return
    rows = [
        (
            each.get("id"),
            each.get("kind"),
            each.get("state"),
            ago(each.get("created_at")),
            each.get("expires_at") or "never",
            ago(each.get("first_used_at")),
            each.get("revoked_by"),
        )
        for each in found
    ]
    columns = ("id", "kind", "state", "created", "expires", "first used", "revoked by")
    show_table(columns, rows, empty="It has no credential of its own.")


def rotate(context: typer.Context, agent: AgentName, *, output: Output = Format.TABLE) -> None:
    """
    Offer an agent a new credential of the same kind; the old one is good until the new one was used.

    Example: opampctl agents rotate edge-prod-00017
    """

    async def work(client: Client) -> dict[str, Any]:
        agent_id = await find_agent(client, agent)
        path = f"/agents/{quoted(agent_id)}/credentials/rotate"
        made: dict[str, Any] = (await client.call("POST", path, f"Cannot rotate the credential of agent {agent}")).body
        return made

    made = session_of(context).run(work)
    if output is not Format.TABLE:
        show_data(made, output)
        return
    err().print(f"Credential {made.get('id')} is offered to agent {made.get('agent_id')}.")


def _decide(context: typer.Context, agent: str, decision: str, comment: str, output: Format) -> None:
    async def work(client: Client) -> dict[str, Any]:
        agent_id = await find_agent(client, agent)
        path, what = f"/agents/{quoted(agent_id)}/{decision}", f"Cannot {decision} agent {agent}"
        decided: dict[str, Any] = (await client.call("POST", path, what, body={"comment": comment})).body
        return decided

    decided = session_of(context).run(work)
    if output is not Format.TABLE:
        show_data(decided, output)
        return
    show_fields({"Id": decided.get("id"), "Name": decided.get("name"), "Approval": decided.get("approval")})


COMMANDS: dict[str, Callable[..., None]] = {
    "approve": approve,
    "reject": reject,
    "revoke": revoke,
    "credentials": credentials,
    "rotate": rotate,
}
"""Below `agents`; registered in main.py."""
