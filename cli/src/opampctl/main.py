"""The door: which commands there are, and how their failures are told."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.markup import escape
from typer.core import TyperGroup

from opampctl import __version__
from opampctl.commands import (
    agents,
    campaigns,
    config,
    config_apply,
    connection_settings,
    identity,
    login,
    package_offers,
    package_signatures,
    packages,
    packages_transfer,
    telling,
    tokens,
)
from opampctl.commands import conformance as conformance_command
from opampctl.commands import simulate as simulate_command
from opampctl.exits import CommandError
from opampctl.output import err
from opampctl.session import open_session
from opampctl.settings import CONTEXT_VARIABLE, URL_VARIABLE

HELP = """
The command line of the OpAMP Platform.

Exit codes: 0 done, 1 refused, 2 wrong usage, 3 not logged in, 4 not allowed, 5 not found,
6 conflict, 7 server unreachable, 8 done for some only.

OPAMPCTL_URL and OPAMPCTL_TOKEN stand in for a login, for instance in CI.
"""


class _Commands(TyperGroup):
    """Tells a CommandError as a sentence and an exit code instead of a traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; click's own usage errors go their own way."""
        try:
            return super().invoke(ctx)
        except CommandError as error:
            tell(error)
            ctx.exit(error.code)


app = typer.Typer(
    cls=_Commands,
    name="opampctl",
    help=HELP,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.command("login", help=login.LOGIN_HELP)(login.login)
app.command("logout")(login.logout)
app.command("whoami")(login.whoami)
app.command("contexts")(login.list_contexts)
for command_name, command in (*identity.COMMANDS.items(), *telling.COMMANDS.items()):
    agents.app.command(command_name)(command)
app.add_typer(agents.app, name="agents")
config.app.command("apply", help=config_apply.APPLY_HELP)(config_apply.apply)
config.app.command("push")(config_apply.push)
config.app.command("status")(config_apply.status)
app.add_typer(config.app, name="config")
packages.app.command("upload")(packages_transfer.upload)
packages.app.command("download")(packages_transfer.download)
for command_name, command in package_offers.COMMANDS.items():
    packages.app.command(command_name)(command)
for command_name, command in package_signatures.COMMANDS.items():
    packages.app.command(command_name)(command)
packages.app.add_typer(package_signatures.keys, name="keys")
packages.app.add_typer(package_signatures.manifest, name="manifest")
app.add_typer(packages.app, name="packages")
app.add_typer(campaigns.app, name="campaigns")
app.add_typer(tokens.app, name="tokens")
app.add_typer(connection_settings.app, name="settings")
app.add_typer(connection_settings.ca, name="ca")
app.command("conformance", help=conformance_command.HELP)(conformance_command.conformance)
app.command("simulate", help=simulate_command.EXAMPLES)(simulate_command.simulate)


def tell(error: CommandError) -> None:
    """Say on stderr what is wrong and what to do."""
    console = err()
    console.print(f"[bold red]Error:[/] {escape(error.sentence)}")
    for line in error.details:
        console.print(f"  {escape(line)}")
    if error.hint:
        console.print(escape(error.hint))


@app.command()
def version() -> None:
    """Print the version."""
    print(f"opampctl {__version__}")


@app.callback()
def main(
    context: typer.Context,
    *,
    url: Annotated[str | None, typer.Option(help=f"Address of the API gateway; also {URL_VARIABLE}.")] = None,
    context_name: Annotated[
        str | None, typer.Option("--context", help=f"Which remembered login to use; also {CONTEXT_VARIABLE}.")
    ] = None,
    show_version: Annotated[bool, typer.Option("--version", help="Print the version and end.")] = False,
) -> None:
    """Take the options that stand before the command."""
    if show_version:
        version()
        raise typer.Exit
    context.obj = open_session(url, context_name)
