"""The register: every requirement as one row of a table, with the level and where it comes from."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

SERVER_ROWS = "server_rows.psv"
BINDING = frozenset({"MUST", "MUST NOT", "SHOULD", "SHOULD NOT"})
"""Levels whose failure is a failure of the suite."""


@dataclass(frozen=True)
class Row:
    """One requirement."""

    id: str
    level: str
    """MUST, MUST NOT, SHOULD, SHOULD NOT or MAY."""

    basis: str
    """K capitalised keyword, L plain wording, P comment in the .proto; + text newer than v0.18.0."""

    maturity: str
    """S stable, B beta, D development."""

    section: str
    """Where the specification says it."""

    requirement: str
    """What is required, in our words."""

    @property
    def binding(self) -> bool:
        """Whether failing it is a failure of the server, not a choice."""
        return self.level in BINDING


def read_rows(name: str) -> dict[str, Row]:
    """Read a table of this package by file name; ids are in the order of the table."""
    text = files(__package__).joinpath(name).read_text(encoding="utf-8")
    rows = [Row(**row) for row in csv.DictReader(text.splitlines(), delimiter="|", quoting=csv.QUOTE_NONE)]
    return {row.id: row for row in rows}


@cache
def server_rows() -> dict[str, Row]:
    """Return the requirements for servers, by id."""
    return read_rows(SERVER_ROWS)
