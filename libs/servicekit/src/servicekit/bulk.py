"""
Many rows as a table inside one statement.

What differs between rows travels as arrays; in big batches, what is the same in all rows travels as one value, for
packing an array costs more than anything else about it: a change of configuration writes the same to thousands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FOLD_FROM = 200
"""Rows from which equal values are folded: below it costs more statements to be prepared than it saves."""


class Column(NamedTuple):
    """The values of one column, one per row, and their PostgreSQL type."""

    kind: str
    values: Sequence[object]


class Rows(NamedTuple):
    """A table expression and the arguments it refers to."""

    sql: str
    """Belongs into FROM; needs an alias."""

    arguments: list[object]


def rows(key: str, columns: Mapping[str, Column]) -> Rows:
    """
    Write columns as a table expression; its parameters are numbered from 1, the key's array is the first.

    Args:
        key: The column that tells rows apart; never folded.

        columns: Name to values, all of the same length, which is not 0.
    """
    kind, values = columns[key]
    said, arrays, names = [f"u.{key}"], [f"$1::{kind}[]"], [key]
    arguments: list[object] = [values]
    folds = len(values) >= FOLD_FROM
    for name, (column_kind, column) in columns.items():
        if name == key:
            continue
        number = len(arguments) + 1
        if folds and column.count(column[0]) == len(column):
            said.append(f"${number}::{column_kind} AS {name}")
            arguments.append(column[0])
        else:
            said.append(f"u.{name}")
            arrays.append(f"${number}::{column_kind}[]")
            names.append(name)
            arguments.append(column)
    table = f"unnest({', '.join(arrays)}) AS u ({', '.join(names)})"
    return Rows(f"(SELECT {', '.join(said)} FROM {table})", arguments)  # noqa: S608 - names of columns
