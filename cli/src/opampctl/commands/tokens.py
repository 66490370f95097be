"""`tokens`: what agents show when they connect."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from opampctl.client import Client, quoted
from opampctl.commands.shared import Limit, ListAll, Output, collect, duration, label_pairs
from opampctl.output import Format, ago, err, out, pairs, show_data, show_table
from opampctl.quantities import describe_seconds
from opampctl.session import session_of

PATH = "/enrolment-tokens"


class Issues(StrEnum):
    """Kinds of credential an agent may be given of its own."""

    NONE = "none"
    BEARER = "bearer"
    JWT = "jwt"


app = typer.Typer(no_args_is_help=True, help="Enrolment tokens: what agents show when they connect.")


@app.command("create")
def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="For people.")],
    *,
    lifetime: Annotated[
        float, typer.Option(parser=duration, metavar="DURATION", help="How long it is valid, e.g. 30d.")
    ] = "forever",  # type: ignore[assignment]  # typer parses the default
    max_uses: Annotated[int, typer.Option(min=0, help="Agents it may enrol; 0 = any number.")] = 0,
    cidr: Annotated[
        list[str] | None, typer.Option(metavar="NETWORK", help="Agents may come from here only; repeatable.")
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option("--label", "-l", metavar="KEY=VALUE", help="Stamped on its agents; repeatable."),
    ] = None,
    group: Annotated[str, typer.Option(help="Stamped on its agents as the label `group`.")] = "",
    require_approval: Annotated[
        bool, typer.Option("--require-approval", help="Its agents wait until somebody approves them.")
    ] = False,
    ephemeral: Annotated[
        float, typer.Option(parser=duration, metavar="DURATION", help="Forget its agents after so long offline.")
    ] = "forever",  # type: ignore[assignment]  # typer parses the default
    issues: Annotated[Issues, typer.Option(help="Own credential its agents are given on first use.")] = Issues.NONE,
    credential_lifetime: Annotated[
        float, typer.Option(parser=duration, metavar="DURATION", help="How long such a credential is valid.")
    ] = "forever",  # type: ignore[assignment]  # typer parses the default
    output: Output = Format.TABLE,
) -> None:
    """
    Make an enrolment token; its secret is shown this once.

    For example:

      opampctl tokens create edge-sites --lifetime 30d

      opampctl tokens create site-7 --max-uses 100 --cidr 10.7.0.0/16 --label site=7 --issues bearer

      opampctl tokens create autoscaled --ephemeral 2h --group batch

      opampctl tokens create visitors --require-approval --issues jwt --credential-lifetime 7d
    """
    body: dict[str, object] = {"name": name, "lifetime_seconds": _seconds(lifetime)}
    rules = {
        "max_uses": max_uses,
        "cidrs": cidr or [],
        "labels": label_pairs(label),
        "group": group,
        "requires_approval": require_approval,
        "ephemeral_seconds": _seconds(ephemeral),
        "issues": "" if issues is Issues.NONE else issues.value,
        "credential_lifetime_seconds": _seconds(credential_lifetime),
    }
    body |= {rule: value for rule, value in rules.items() if value}

    async def work(client: Client) -> dict[str, object]:
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

    async def work(client: Client) -> list[dict[str, Any]]:
        return await collect(client.items(PATH, "tokens", "Cannot list tokens", {}, None if everything else limit))

    tokens = session_of(context).run(work)
    if output is not Format.TABLE:
        show_data({"tokens": tokens}, output)
        return
    rows = [
        (
            token["id"],
            token["name"],
            _state(token),
            f"{token.get('uses', 0)}/{token['max_uses']}" if token.get("max_uses") else token.get("uses", 0),
            _rules(token),
            token.get("created_by"),
            ago(str(token.get("created_at") or "")),
            token.get("expires_at") or "never",
        )
        for token in tokens
    ]
    columns = ("id", "name", "state", "uses", "rules", "by", "created", "expires")
    show_table(columns, rows, empty="There are no enrolment tokens.")


@app.command("revoke")
def revoke(
    context: typer.Context, token_id: Annotated[str, typer.Argument(help="Its id, from `tokens list`.")]
) -> None:
    """
    Revoke an enrolment token: connections that live on it end at once, and nobody is let in by it again.

    Agents keep the credentials of their own that it led to.

    Example: opampctl tokens revoke 7f3c
    """

    async def work(client: Client) -> None:
        await client.call("DELETE", f"{PATH}/{quoted(token_id)}", f"Cannot revoke token {token_id}")

    session_of(context).run(work)
    err().print(f"Token {token_id} is revoked.")


def _seconds(duration: float) -> int:
    """0 stands for no end."""
    return 0 if duration == float("inf") else max(1, round(duration))


def _state(token: dict[str, Any]) -> str:
    if token.get("revoked_at"):
        return "revoked"
    return "used up" if token.get("max_uses") and token.get("uses", 0) >= token["max_uses"] else "valid"


def _rules(token: dict[str, Any]) -> str:
    """Write what a token asks of agents and gives them, in one line."""
    issues = token.get("issues") or "none"
    stamps = dict(token.get("labels") or {}) | ({"group": token["group"]} if token.get("group") else {})
    parts = (
        f"from {' '.join(token['cidrs'])}" if token.get("cidrs") else "",
        f"stamps {pairs(stamps)}" if stamps else "",
        "needs approval" if token.get("requires_approval") else "",
        f"gone after {describe_seconds(float(token['ephemeral_seconds']))}" if token.get("ephemeral_seconds") else "",
        f"issues {issues}" if issues != "none" else "",
    )
    return "; ".join(part for part in parts if part)
