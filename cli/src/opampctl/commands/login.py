"""`login`, `logout`, `whoami` and `contexts`: who we are, and where."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from opampctl import contexts
from opampctl.client import ApiError, Client, check_url, remember
from opampctl.contexts import Context
from opampctl.exits import CommandError, Exit
from opampctl.output import Format, err, show_data, show_fields, show_table
from opampctl.session import session_of

LOGIN_HELP = """
Log in to a platform and remember it.

Examples:

  opampctl login --url http://127.0.0.1:8080 --username admin

  echo "$PASSWORD" | opampctl login --username admin --password-stdin

  opampctl --context staging login --url https://opamp.staging.example.com --username alice
"""


def login(
    context: typer.Context,
    *,
    url: Annotated[str | None, typer.Option(help="Address of the API gateway.")] = None,
    username: Annotated[str | None, typer.Option("--username", "-u", help="Asked for when left out.")] = None,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input.")
    ] = False,
    ca_file: Annotated[Path | None, typer.Option(exists=True, help="Trust this CA (https).")] = None,
) -> None:
    """Log in to a platform and remember it."""
    session = session_of(context)
    address = check_url(url or session.url)
    name = username or _ask("Username")
    password = _password(session.settings.password, from_stdin=password_stdin)
    trusted = str(ca_file.resolve()) if ca_file else ""

    async def ask() -> dict[str, Any]:
        async with Client(address, ca_file=trusted) as client:
            return await client.login(name, password)

    try:
        answer = asyncio.run(ask())
    except ApiError as error:
        error.hint = "Check name and password." if error.code is Exit.UNAUTHENTICATED else error.hint
        raise
    entry = Context(url=address, username=name, ca_file=trusted)
    remember(entry, answer)
    with contexts.locked(session.store.path):
        session.store.write(entry, make_current=True)
    role = (answer.get("user") or {}).get("role", "")
    err().print(f"Logged in to {address} as {entry.username}{f' ({role})' if role else ''}.")


def logout(context: typer.Context) -> None:
    """End the login: on the server when it can be reached, and on this machine in any case."""
    session = session_of(context)
    entry = session.context
    if entry is None or not entry.token:
        err().print("You are not logged in.")
        return

    async def end() -> None:
        async with Client(entry.url, store=session.store, ca_file=entry.ca_file) as client:
            await client.call("POST", "/auth/logout", "Cannot log out")

    try:
        asyncio.run(end())
    except CommandError as error:
        err().print(f"The server was not told: {error.sentence}")
    with contexts.locked(session.store.path):
        session.store.write(Context(url=entry.url, username=entry.username, ca_file=entry.ca_file))
    err().print(f"Logged out of {entry.url}.")


def whoami(
    context: typer.Context,
    *,
    output: Annotated[Format, typer.Option("--output", "-o", help="Shape of the answer.")] = Format.TABLE,
) -> None:
    """Show who is logged in, where, and with which role."""
    session = session_of(context)
    user = session.run(lambda client: client.get("/me", "Cannot tell who you are")).body
    if output is not Format.TABLE:
        show_data(user, output)
        return
    show_fields(
        {
            "User": user.get("username"),
            "Role": user.get("role"),
            "E-mail": user.get("email"),
            "Server": session.url,
            "Context": session.store.name,
        }
    )


def list_contexts(
    context: typer.Context,
    *,
    use: Annotated[str | None, typer.Option(help="Make this context the current one.")] = None,
    output: Annotated[Format, typer.Option("--output", "-o", help="Shape of the answer.")] = Format.TABLE,
) -> None:
    """List the remembered logins, or choose the one to use."""
    path = session_of(context).store.path
    with contexts.locked(path):
        known = contexts.load(path)
        if use is not None:
            if use not in known.contexts:
                sentence = f"There is no context named {use!r}."
                hint = f"Make it: opampctl --context {use} login --url URL"
                raise CommandError(sentence, Exit.NOT_FOUND, hint=hint)
            known.current = use
            contexts.save(path, known)
    rows = [
        {"name": name, "url": entry.url, "username": entry.username, "current": name == known.current}
        for name, entry in sorted(known.contexts.items())
    ]
    if output is Format.TABLE:
        show_table(
            ("current", "name", "url", "user"),
            [("*" if row["current"] else " ", *list(row.values())[:3]) for row in rows],
        )
    else:
        show_data({"contexts": rows}, output)


def _ask(what: str, *, hide: bool = False) -> str:
    if not sys.stdin.isatty():
        sentence = f"{what} is missing, and there is no terminal to ask at."
        hint = "Use --username NAME and --password-stdin, or set OPAMPCTL_PASSWORD."
        raise CommandError(sentence, Exit.USAGE, hint=hint)
    answer: str = typer.prompt(what, hide_input=hide, err=True)
    return answer


def _password(from_environment: str | None, *, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    return from_environment or _ask("Password", hide=True)
