"""`settings` and `ca`: what agents are offered for OpAMP, their own telemetry and others; who signs certificates."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from opampctl.client import Client, quoted
from opampctl.commands.shared import Limit, ListAll, Output, Yes, collect, confirm
from opampctl.exits import CommandError, Exit
from opampctl.output import Format, ago, err, out, pairs, show_data, show_table
from opampctl.session import session_of

PATH = "/connection-settings"
KIND = "ConnectionSettings"
MEMBERS = ("opamp", "own_metrics", "own_traces", "own_logs")
_FIELDS = ("selector", "priority", "settings")

app = typer.Typer(no_args_is_help=True, help="Connection settings: where agents connect and send their own telemetry.")
ca = typer.Typer(no_args_is_help=True, help="The authority that signs agents' certificates.")

APPLY_HELP = """
Make or replace connection settings from a file, whole.

A file:
    kind: ConnectionSettings
    name: edge
    selector: {deployment.environment.name: prod}
    priority: 10
    settings:
      own_metrics:
        destination_endpoint: https://telemetry.example.org/v1/metrics
        headers: {X-Api-Key: ...}

`settings get NAME -o yaml` writes such a file; a secret that stands there as [REDACTED] stays as it is stored.
Several in one file are parted by `---`.

Examples:

  opampctl settings apply -f edge.yaml

  opampctl settings get edge -o yaml | sed s/prod/dev/ | opampctl settings apply -f -
"""


@app.command("list")
def list_settings(
    context: typer.Context, *, limit: Limit = 100, everything: ListAll = False, output: Output = Format.TABLE
) -> None:
    """
    List connection settings, secrets masked.

    Example: opampctl settings list -o json
    """

    async def work(client: Client) -> list[dict[str, Any]]:
        wanted = None if everything else limit
        entries = client.items(PATH, "connection_settings", "Cannot list connection settings", {}, wanted)
        return await collect(entries)

    found = session_of(context).run(work)
    if output is not Format.TABLE:
        show_data({"connection_settings": found}, output)
        return
    rows = [
        (
            each.get("name"),
            each.get("version"),
            each.get("priority"),
            pairs(each.get("selector")) or "every agent",
            ",".join(_members(each.get("settings") or {})),
            ago(each.get("updated_at")),
        )
        for each in found
    ]
    show_table(
        ("name", "version", "priority", "selector", "sets", "changed"), rows, empty="There are no connection settings."
    )


@app.command("get")
def get(
    context: typer.Context,
    name: Annotated[str, typer.Argument()],
    *,
    output: Annotated[Format, typer.Option("--output", "-o", help="Shape of the answer.")] = Format.YAML,
) -> None:
    """
    Show connection settings as a file `apply` reads, secrets masked; -o json as the API gives them.

    Example: opampctl settings get edge -o yaml > edge.yaml
    """

    async def work(client: Client) -> dict[str, Any]:
        reply = await client.get(f"{PATH}/{quoted(name)}", f"Cannot show connection settings {name}")
        found: dict[str, Any] = reply.body
        return found

    found = session_of(context).run(work)
    if output is Format.JSON:
        show_data(found, output)
        return
    manifest = {"kind": KIND, "name": found["name"], **{field: found[field] for field in _FIELDS}}
    show_data(_without_nulls(manifest), Format.YAML)


@app.command("apply", help=APPLY_HELP)
def apply(
    context: typer.Context,
    file: Annotated[Path, typer.Option("--file", "-f", help="What to apply; `-` for standard input.")],
    *,
    output: Output = Format.TABLE,
) -> None:
    """Make or replace connection settings from a file."""
    drafts = read_manifests(str(file), _read(file))

    async def work(client: Client) -> list[dict[str, Any]]:
        made = []
        for name, body in drafts:
            path = f"{PATH}/{quoted(name)}"
            made.append((await client.call("PUT", path, f"Cannot apply connection settings {name}", body=body)).body)
        return made

    applied = session_of(context).run(work)
    if output is not Format.TABLE:
        show_data({"connection_settings": applied}, output)
        return
    for each in applied:
        err().print(f"Connection settings {each['name']} are at version {each['version']}.")


@app.command("delete")
def delete(context: typer.Context, name: Annotated[str, typer.Argument()], *, yes: Yes = False) -> None:
    """
    Delete connection settings; agents keep what they have until others match them.

    Example: opampctl settings delete edge --yes
    """
    confirm(f"Delete connection settings {name}?", yes=yes)

    async def work(client: Client) -> None:
        await client.call("DELETE", f"{PATH}/{quoted(name)}", f"Cannot delete connection settings {name}")

    session_of(context).run(work)
    err().print(f"Connection settings {name} are deleted.")


@ca.command("show")
def show_ca(context: typer.Context, *, output: Output = Format.TABLE) -> None:
    """
    Print the certificates that agents' certificates are signed with, PEM.

    Example: opampctl ca show > agents-ca.pem
    """
    found = session_of(context).run(lambda client: client.get("/certificate-authority", "Cannot show the CA")).body
    if output is not Format.TABLE:
        show_data(found, output)
    elif found["certificates_pem"]:
        out().print(found["certificates_pem"].rstrip("\n"), markup=False)
    else:
        err().print("This platform issues no certificates.")


def read_manifests(path: str, text: str) -> list[tuple[str, dict[str, Any]]]:
    """
    Read the connection settings of one file: names and bodies.

    Raises:
        CommandError: It is no YAML, or something in it is no connection settings.
    """
    try:
        documents = [document for document in yaml.safe_load_all(text) if document is not None]
    except yaml.YAMLError as error:
        sentence = f"{path} is not YAML: {' '.join(str(error).split())}."
        raise CommandError(sentence, Exit.USAGE) from error
    drafts = []
    for document in documents:
        if not isinstance(document, dict) or document.get("kind") != KIND or not isinstance(document.get("name"), str):
            sentence = f"{path}: every document needs `kind: {KIND}` and a name."
            raise CommandError(sentence, Exit.USAGE, hint="See `opampctl settings apply --help`.")
        unknown = sorted(set(map(str, document)) - {"kind", "name", *_FIELDS})
        if unknown or "settings" not in document:
            fault = f"does not know {', '.join(unknown)}" if unknown else "needs `settings`"
            sentence = f"{path}: {document['name']} {fault}."
            raise CommandError(sentence, Exit.USAGE, hint=f"It may have {', '.join(_FIELDS)}.")
        drafts.append((document["name"], {field: document[field] for field in _FIELDS if field in document}))
    if not drafts:
        sentence = f"{path} is empty."
        raise CommandError(sentence, Exit.USAGE)
    return drafts


def _members(settings: dict[str, Any]) -> list[str]:
    others = sorted(settings.get("other_connections") or ())
    return [member for member in MEMBERS if settings.get(member)] + others


def _without_nulls(value: Any) -> Any:
    """Leave out what is not decided, so that a file shows what it sets."""
    if isinstance(value, dict):
        return {
            key: _without_nulls(item)
            for key, item in value.items()
            if item is not None and (item not in ("", {}, [], False) or key == "selector")
        }
    return value


def _read(file: Path) -> str:
    try:
        return sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        sentence = f"Cannot read {file}: {error}."
        raise CommandError(sentence, Exit.USAGE) from error
