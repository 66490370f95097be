from __future__ import annotations

from servicekit.bulk import FOLD_FROM, Column, rows


def test_few_rows_travel_as_arrays() -> None:
    """One array for each column, the key first, whatever they hold."""
    table = rows("id", {"name": Column("text", ["a", "a"]), "id": Column("bigint", [1, 2])})

    assert table.sql == "(SELECT u.id, u.name FROM unnest($1::bigint[], $2::text[]) AS u (id, name))"
    assert table.arguments == [[1, 2], ["a", "a"]]


def test_what_is_the_same_in_many_rows_travels_once() -> None:
    """As one value; what differs in a single row, and the key, stay arrays."""
    count = FOLD_FROM
    table = rows(
        "id",
        {
            "id": Column("bigint", [7] * count),
            "name": Column("text", ["a"] * count),
            "moment": Column("timestamptz", [None] * count),
            "number": Column("integer", [0] * (count - 1) + [1]),
        },
    )

    assert table.sql == (
        "(SELECT u.id, $2::text AS name, $3::timestamptz AS moment, u.number "
        "FROM unnest($1::bigint[], $4::integer[]) AS u (id, number))"
    )
    assert table.arguments == [[7] * count, "a", None, [0] * (count - 1) + [1]]
