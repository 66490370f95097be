"""`tokens`: what agents show when they connect."""

from __future__ import annotations

from typing import Annotated

import typer

from opampctl.client import Client, quoted
from opampctl.commands.shared import Limit, ListAll, Output, collect, duration
from opampctl.output import Format, ago, err, out, show_data, show_table
from opampctl.session import session_of

PATH = "/enrolment-tokens"

app = typer.Typer(no_args_is_help=True, help="Enrolment tokens: what agents show when they connect.")


@app.command("create")
def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="For people.")],
    *,
    lifetime: Annotated[
        float, typer.Option(parser=duration, metavar="DURATION", help="How long it is valid, e.g. 30d.")
    ] = "forever",  # type: ignore[assignment]  # typer parses the default
    output: Output = Format.TABLE,
) -> None:
    """
    Make an enrolment token; its secret is shown this once.

    Example: opampctl tokens create edge-sites --lifetime 30d
    """
    seconds = 0 if lifetime == float("inf") else max(1, round(lifetime))

    async def work(client: Client) -> dict[str, object]:
        body = {"name": name, "lifetime_seconds": seconds}
        reply = await client.call("POST", PATH, f"Cannot make token {name!r}", body=body)
        answer: dict[str, object] = reply.body
        return answer

    made = session_of(context).run(work)
    if output is not Format.TABLE:
        show_data(made, output)
        return
    err().print(f"Token {name!r} made; this is the only time its secret is shown:")
    out().print(str(made["secret"]))


@app.command("list")
def list_tokens(
    context: typer.Context, *, limit: Limit = 100, everything: ListAll = False, output: Output = Format.TABLE
) -> None:
    """List enrolment tokens, without their secrets."""

    async def work(client: Client) -> list[dict[str, object]]:
        return await collect(client.items(PATH, "tokens", "Cannot list tokens", {}, None if everything else limit))

    tokens = session_of(context).run(work)
    if output is not Format.TABLE:
        show_data({"tokens": tokens}, output)
        return
    rows = [
        (
            token["id"],
            token["name"],
            "revoked" if token.get("revoked_at") else "valid",
            token.get("created_by"),
            ago(str(token.get("created_at") or "")),
            token.get("expires_at") or "never",
        )
        for token in tokens
    ]
    show_table(("id", "name", "state", "by", "created", "expires"), rows, empty="There are no enrolment tokens.")


@app.command("revoke")
def revoke(
    context: typer.Context, token_id: Annotated[str, typer.Argument(help="Its id, from `tokens list`.")]
) -> None:
    """
    Revoke an enrolment token; agents that show it are refused at their next connect.

    Example: opampctl tokens revoke 7f3c
    """

    async def work(client: Client) -> None:
        await client.call("DELETE", f"{PATH}/{quoted(token_id)}", f"Cannot revoke token {token_id}")

    session_of(context).run(work)
    err().print(f"Token {token_id} is revoked.")
