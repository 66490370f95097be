"""Options and steps several commands have in common."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING, Annotated, Any

import typer

from opampctl.exits import CommandError, Exit
from opampctl.output import Format
from opampctl.quantities import parse_duration, parse_pairs, parse_rate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from opampctl.client import Client

Output = Annotated[Format, typer.Option("--output", "-o", help="Shape of the answer.")]
Limit = Annotated[int, typer.Option("--limit", min=1, help="At most so many.")]
ListAll = Annotated[bool, typer.Option("--all", help="Every one, however many pages it takes.")]
Watch = Annotated[bool, typer.Option("--watch", "-w", help="Show again every 2 seconds; Ctrl-C ends it.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]

WATCH_SECONDS = 2.0
_CANDIDATES = 6


def duration(text: str) -> float:
    """Parse a duration option; a wrong one is a usage error with its reason."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def rate(text: str) -> float:
    """Parse a rate option; a wrong one is a usage error with its reason."""
    try:
        return parse_rate(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def label_pairs(texts: list[str] | None) -> dict[str, str]:
    """
    Parse KEY=VALUE options.

    Raises:
        CommandError: One of them is none.
    """
    try:
        return parse_pairs(texts or [])
    except ValueError as error:
        sentence = f"{error}."
        raise CommandError(sentence, Exit.USAGE) from error


async def collect(entries: AsyncIterator[dict[str, Any]]) -> list[dict[str, Any]]:
    """Gather a paged list."""
    return [entry async for entry in entries]


async def find_agent(client: Client, wanted: str) -> str:
    """
    Return the id of the agent somebody means: the id itself, or a part of id, host or name that fits one agent only.

    Raises:
        CommandError: No agent fits, or several do.
    """
    try:
        return str(uuid.UUID(wanted))
    except ValueError:
        pass
    params = {"search": wanted, "limit": _CANDIDATES}
    found = (await client.get("/agents", f"Cannot look for agent {wanted!r}", params)).body["agents"]
    if len(found) == 1:
        return str(found[0]["id"])
    if not found:
        sentence = f"No agent has {wanted!r} in its id, name or host."
        raise CommandError(sentence, Exit.NOT_FOUND, hint="See which there are: opampctl agents list")
    details = tuple(f"{agent['id']}  {agent.get('hostname') or agent.get('name')}" for agent in found)
    sentence = f"Several agents have {wanted!r} in their id, name or host."
    raise CommandError(sentence, Exit.CONFLICT, hint="Name one of them.", details=details)


def confirm(question: str, *, yes: bool) -> None:
    """
    Ask before something is lost.

    Raises:
        typer.Abort: The answer was no.
    """
    if not yes:
        typer.confirm(question, abort=True, err=True)


async def repeat(show: Callable[[], Awaitable[bool]], *, watch: bool) -> None:
    """Show something once or, when watching, until it says that nothing more will change."""
    while not await show() and watch:  # noqa: ASYNC110 - the API is asked, nothing tells us
        await asyncio.sleep(WATCH_SECONDS)
