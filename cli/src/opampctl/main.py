"""The door: which commands there are, and how their failures are told."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.markup import escape

from opampctl import __version__
from opampctl.commands import simulate as simulate_command
from opampctl.exits import CommandError
from opampctl.output import err

HELP = """
The command line of the OpAMP Platform.

Exit codes: 0 done, 1 refused, 2 wrong usage, 3 not logged in, 4 not allowed, 5 not found,
6 conflict, 7 server unreachable, 8 done for some only.
"""


class _Application(typer.Typer):
    """Tells a CommandError as a sentence and an exit code instead of a traceback."""

    def __call__(self, *args: object, **kwargs: object) -> object:
        try:
            return super().__call__(*args, **kwargs)
        except CommandError as error:
            tell(error)
            sys.exit(error.code)


app = _Application(
    name="opampctl", help=HELP, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode="rich"
)
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
    *,
    show_version: Annotated[bool, typer.Option("--version", help="Print the version and end.")] = False,
) -> None:
    """Take the options that stand before the command."""
    if show_version:
        version()
        raise typer.Exit
