"""How answers are shown: tables for people, JSON and YAML for programs. Colour only on a terminal."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import orjson
import yaml
from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_COLOURS = {
    "online": "green",
    "healthy": "green",
    "applied": "green",
    "connected": "green",
    "offline": "bright_black",
    "disconnected": "bright_black",
    "applying": "yellow",
    "pending": "yellow",
    "offered": "yellow",
    "error": "red",
    "failed": "red",
    "unhealthy": "red",
    "timed_out": "red",
}


_GAP = 2
_SHORT = 9
"""A column this narrow is never cut."""


class Format(StrEnum):
    """What `-o` understands."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


def out() -> Console:
    """Return the console of answers; plain text when it is no terminal, and then as wide as the text is."""
    terminal = sys.stdout.isatty()
    return Console(highlight=False, soft_wrap=not terminal, width=None if terminal else 10_000)


def err() -> Console:
    """Return the console of everything that is not the answer."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def show_data(value: Any, shape: Format) -> None:
    """Print *value* for a program: keys in the order of the API, no colour, one trailing newline."""
    sys.stdout.write(as_text(value, shape))
    sys.stdout.flush()


def as_text(value: Any, shape: Format) -> str:
    """Write *value* as JSON or YAML."""
    if shape is Format.YAML:
        return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10_000)
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode()


def show_table(columns: Sequence[str], rows: Sequence[Sequence[Any]], *, empty: str = "Nothing found.") -> None:
    """Print rows under their headings; without rows say *empty*, on stderr, so that a pipe stays empty."""
    if not rows:
        err().print(empty)
        return
    terminal = sys.stdout.isatty()
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, _GAP, 0, 0))
    longest = [max(len(column), *(len(_plain(row[at])) for row in rows)) for at, column in enumerate(columns)]
    widths = fit(longest, out().width) if terminal else longest
    for column, width in zip(columns, widths, strict=True):
        table.add_column(column.upper(), overflow="ellipsis", no_wrap=True, min_width=width, max_width=width)
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    print_table(table)


def fit(widths: Sequence[int], available: int) -> list[int]:
    """
    Narrow columns until they fit, the widest first.

    Never the first, which names the thing and is copied from here, and none below what is short anyway.
    """
    fitting = list(widths)
    while sum(fitting) + _GAP * (len(fitting) - 1) > available:
        widest = max(range(1, len(fitting)), key=lambda at: fitting[at], default=0)
        if widest == 0 or fitting[widest] <= _SHORT:
            break
        fitting[widest] -= 1
    return fitting


def show_fields(fields: Mapping[str, Any]) -> None:
    """Print one thing as name and value lines; absent values are left out."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in fields.items():
        if value not in (None, "", {}, []):
            table.add_row(name, _cell(value))
    print_table(table)


def ago(timestamp: str | None, now: datetime | None = None) -> str:
    """Write an RFC 3339 time as its distance from now: `12s ago`; `-` when there is none."""
    if not timestamp:
        return "-"
    try:
        then = datetime.fromisoformat(timestamp)
    except ValueError:
        return timestamp
    if then.tzinfo is None:
        then = then.replace(tzinfo=UTC)
    seconds = int(((now or datetime.now(UTC)) - then).total_seconds())
    if seconds < 0:
        return "now"
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds // size}{unit} ago"
    return f"{seconds}s ago"


def pairs(labels: Mapping[str, Any] | None) -> str:
    """Write labels as `a=1,b=2`, sorted."""
    return ",".join(f"{key}={value}" for key, value in sorted((labels or {}).items()))


def print_table(table: Table) -> None:
    """Print a table; rich pads its last column, which a pipe would carry along."""
    console = out()
    with console.capture() as capture:
        console.print(table)
    sys.stdout.write("".join(f"{line.rstrip()}\n" for line in capture.get().splitlines()))


def _plain(value: Any) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return pairs(value) if isinstance(value, dict) else str(value)


def _cell(value: Any) -> str:
    text = _plain(value)
    colour = _COLOURS.get(text)
    return f"[{colour}]{text}[/]" if colour else escape(text)


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as blocks, so that a configuration stays readable."""


def _block_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _block_text)
