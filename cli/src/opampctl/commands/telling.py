"""`agents restart|refresh-components|send|connection-settings`: what one agent is told, and what it was offered."""

from __future__ import annotations

import base64
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from opampctl.client import Client, quoted
from opampctl.commands.agents import AgentName
from opampctl.commands.shared import Output, duration, find_agent
from opampctl.exits import CommandError, Exit
from opampctl.output import Format, ago, err, out, show_data, show_fields
from opampctl.session import session_of

if TYPE_CHECKING:
    from collections.abc import Callable


def restart(context: typer.Context, agent: AgentName, *, output: Output = Format.TABLE) -> None:
    """
    Tell an agent to restart.

    Example: opampctl agents restart edge-prod-00017
    """
    told = _tell(context, agent, "restart", f"Cannot restart agent {agent}")
    _show_told(told, output)


def refresh_components(context: typer.Context, agent: AgentName, *, output: Output = Format.TABLE) -> None:
    """
    Ask an agent for the details of its components; `agents get -o json` shows them once it has answered.

    Example: opampctl agents refresh-components edge-prod-00017
    """
    told = _tell(context, agent, "components/refresh", f"Cannot ask agent {agent} for its components")
    _show_told(told, output)


def send(
    context: typer.Context,
    agent: AgentName,
    capability: Annotated[str, typer.Argument(help="Custom capability the agent has announced.")],
    text: Annotated[str | None, typer.Argument(help="Content; left out: none, or --file.")] = None,
    *,
    kind: Annotated[str, typer.Option("--type", help="Type of the message.")] = "",
    file: Annotated[Path | None, typer.Option(help="Content from a file, `-` for standard input.")] = None,
    wait: Annotated[bool, typer.Option("--wait", "-w", help="Wait for the answer and print it.")] = False,
    reply_type: Annotated[str, typer.Option(help="Wait for an answer of this type.")] = "",
    timeout: Annotated[
        float, typer.Option(parser=duration, metavar="DURATION", help="How long to wait, at most 30s.")
    ] = "10s",  # type: ignore[assignment]  # typer parses the default
    output: Output = Format.TABLE,
) -> None:
    """
    Send an agent a custom message, and wait for its answer if asked to.

    For example:

      opampctl agents send edge-prod-00017 com.example.echo hello --wait

      opampctl agents send edge-prod-00017 com.example.inventory --type scan --wait --reply-type result -o json
    """
    body: dict[str, Any] = {"capability": capability, "type": kind}
    if text is not None and file is not None:
        sentence = "Give the content as text or as --file, not both."
        raise CommandError(sentence, Exit.USAGE)
    if file is not None:
        body["data"] = base64.b64encode(_read(file)).decode()
    elif text is not None:
        body["text"] = text
    if wait or reply_type:
        body |= {"await_reply": True, "reply_type": reply_type, "timeout_seconds": timeout}

    async def work(client: Client) -> dict[str, Any]:
        path = f"/agents/{quoted(await find_agent(client, agent))}/custom-messages"
        answer: dict[str, Any] = (await client.call("POST", path, f"Cannot send to agent {agent}", body=body)).body
        return answer

    answer = session_of(context).run(work)
    reply = answer.get("reply")
    if output is not Format.TABLE or reply is None:
        _show_told(answer, output)
    elif reply.get("text") is not None:
        out().print(reply["text"], markup=False)
    else:
        sys.stdout.buffer.write(base64.b64decode(reply["data"]))
        sys.stdout.flush()


def connection_settings(
    context: typer.Context,
    agent: AgentName,
    *,
    retry: Annotated[bool, typer.Option("--retry", help="Offer again what failed.")] = False,
    output: Output = Format.TABLE,
) -> None:
    """
    Show which connection settings an agent is offered, why, and how far it is; secrets are masked.

    For example:

      opampctl agents connection-settings edge-prod-00017

      opampctl agents connection-settings edge-prod-00017 --retry
    """

    async def work(client: Client) -> dict[str, Any]:
        path = f"/agents/{quoted(await find_agent(client, agent))}/connection-settings"
        what = f"Cannot show the connection settings of agent {agent}"
        if retry:
            what = f"Cannot offer connection settings to agent {agent} again"
            found: dict[str, Any] = (await client.call("POST", f"{path}/retry", what)).body
        else:
            found = (await client.get(path, what)).body
        return found

    found = session_of(context).run(work)
    if output is not Format.TABLE:
        show_data(found, output)
        return
    desired = found.get("desired") or {}
    show_fields(
        {
            "Agent": found.get("agent_id"),
            "State": found.get("state"),
            "Error": found.get("error_message"),
            "From": ", ".join(found.get("policies") or ()),
            "Offered": ago(found.get("offered_at")),
            **{
                name: (desired.get(member) or {}).get("destination_endpoint")
                for name, member in (
                    ("OpAMP", "opamp"),
                    ("Own metrics", "own_metrics"),
                    ("Own traces", "own_traces"),
                    ("Own logs", "own_logs"),
                )
            },
            "Other": ", ".join(sorted(desired.get("other_connections") or ())),
        }
    )


def _tell(context: typer.Context, agent: str, path: str, what: str) -> dict[str, Any]:
    async def work(client: Client) -> dict[str, Any]:
        agent_id = await find_agent(client, agent)
        told: dict[str, Any] = (await client.call("POST", f"/agents/{quoted(agent_id)}/{path}", what)).body
        return told

    return session_of(context).run(work)


def _show_told(told: dict[str, Any], output: Format) -> None:
    if output is not Format.TABLE:
        show_data(told, output)
    elif told.get("at_once"):
        err().print(f"Told through gateway {told.get('gateway_id')}.")
    else:
        err().print("It will be told with its next poll.")


def _read(file: Path) -> bytes:
    try:
        return sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        sentence = f"Cannot read {file}: {error.strerror}."
        raise CommandError(sentence, Exit.USAGE) from error


COMMANDS: dict[str, Callable[..., None]] = {
    "restart": restart,
    "refresh-components": refresh_components,
    "send": send,
    "connection-settings": connection_settings,
}
"""Below `agents`; registered in main.py."""
