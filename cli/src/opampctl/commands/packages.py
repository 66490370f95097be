"""`packages`: files for agents, published by name, version, platform and architecture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from opampctl.client import quoted
from opampctl.commands.shared import Limit, ListAll, Output, Yes, collect, confirm
from opampctl.output import Format, ago, err, show_data, show_fields, show_table
from opampctl.session import session_of

if TYPE_CHECKING:
    from opampctl.client import Client

PATH = "/packages"
Id = Annotated[str, typer.Argument(metavar="ID", help="Id of a published file; `packages list` shows it.")]

app = typer.Typer(no_args_is_help=True, help="Packages: files for agents.")


@app.command("list")
def list_packages(
    context: typer.Context,
    *,
    name: Annotated[str, typer.Option(help="Exactly this name.")] = "",
    version: Annotated[str, typer.Option(help="Exactly this version.")] = "",
    platform: Annotated[str, typer.Option(help="linux, windows or darwin.")] = "",
    arch: Annotated[str, typer.Option(help="amd64, arm64, 386, arm or any.")] = "",
    package_type: Annotated[str, typer.Option("--type", help="top_level or addon.")] = "",
    search: Annotated[str, typer.Option(help="Part of a name or description.")] = "",
    active: Annotated[bool | None, typer.Option("--active/--inactive", help="Only those agents get, or not.")] = None,
    limit: Limit = 100,
    everything: ListAll = False,
    output: Output = Format.TABLE,
) -> None:
    """List published files, newest first."""
    asked = {
        "name": name,
        "version": version,
        "platform": platform,
        "arch": arch,
        "type": package_type,
        "search": search,
        "active": active,
    }

    async def work(client: Client) -> list[dict[str, Any]]:
        wanted = None if everything else limit
        return await collect(client.items(PATH, "packages", "Cannot list packages", asked, wanted))

    packages = session_of(context).run(work)
    if output is not Format.TABLE:
        show_data({"packages": packages}, output)
        return
    columns = ("id", "name", "version", "platform", "type", "size", "state", "created")
    show_table(
        columns,
        [
            (
                package["id"],
                package["name"],
                package["version"],
                f"{package['platform']}/{package['arch']}",
                package["type"],
                size_text(package["file_size"]),
                _state(package),
                ago(package["created_at"]),
            )
            for package in packages
        ],
        empty="No packages. Publish one: opampctl packages upload FILE --name NAME --version VERSION --platform linux",
    )


@app.command("show")
def show(context: typer.Context, package_id: Id, *, output: Output = Format.TABLE) -> None:
    """Show one published file."""

    async def work(client: Client) -> dict[str, Any]:
        return await one(client, package_id)

    package = session_of(context).run(work)
    if output is not Format.TABLE:
        show_data(package, output)
        return
    show_package(package)


@app.command("activate")
def activate(context: typer.Context, package_id: Id) -> None:
    """Let agents have a file (again)."""
    _switch(context, package_id, "activate")


@app.command("deactivate")
def deactivate(context: typer.Context, package_id: Id) -> None:
    """Let agents not have a file any more; people still can."""
    _switch(context, package_id, "deactivate")


@app.command("rm")
def remove(context: typer.Context, package_id: Id, *, yes: Yes = False) -> None:
    """Unpublish a file."""

    async def look(client: Client) -> dict[str, Any]:
        return await one(client, package_id)

    async def work(client: Client) -> None:
        await client.call("DELETE", f"{PATH}/{quoted(package_id)}", f"Cannot remove package {package_id}")

    session = session_of(context)
    label = label_of(session.run(look))
    confirm(f"Remove {label}?", yes=yes)
    session.run(work)
    err().print(f"{label} removed.")


async def one(client: Client, package_id: str) -> dict[str, Any]:
    """Get a published file's data."""
    reply = await client.get(f"{PATH}/{quoted(package_id)}", f"Cannot look at package {package_id}")
    package: dict[str, Any] = reply.body
    return package


def show_package(package: dict[str, Any]) -> None:
    """Print a published file as fields."""
    show_fields(
        {
            "Id": package["id"],
            "Name": package["name"],
            "Version": package["version"],
            "Platform": f"{package['platform']}/{package['arch']}",
            "Type": package["type"],
            "Size": f"{size_text(package['file_size'])} ({package['file_size']} bytes)",
            "SHA-256": package["checksum"],
            "State": _state(package),
            "Description": package["description"],
            "Created": f"{package['created_at']} by {package['created_by']}",
            "Downloads": package["downloads"],
        }
    )


def label_of(package: dict[str, Any]) -> str:
    """Write what people call a file, which is also the name it is downloaded under."""
    return f"{package['name']}-{package['version']}-{package['platform']}-{package['arch']}"


def size_text(size: float) -> str:
    """Write a number of bytes as people read it."""
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:  # noqa: PLR2004 - of the next unit
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"


def _state(package: dict[str, Any]) -> str:
    if package.get("damaged_at"):
        return "damaged"
    return "active" if package["is_active"] else "inactive"


def _switch(context: typer.Context, package_id: str, verb: str) -> None:
    async def work(client: Client) -> dict[str, Any]:
        path = f"{PATH}/{quoted(package_id)}/{verb}"
        package: dict[str, Any] = (await client.call("POST", path, f"Cannot {verb} package {package_id}")).body
        return package

    package = session_of(context).run(work)
    err().print(f"{label_of(package)} is {_state(package)}.")
