from __future__ import annotations

from datetime import UTC

from hypothesis import given
from hypothesis import strategies as st

from agent_state.errors import InvalidQuery
from agent_state.paging import SORT_COLUMNS, Position, decode_cursor, encode_cursor, is_time

SORTS = st.sampled_from([*SORT_COLUMNS, *(f"-{name}" for name in SORT_COLUMNS), "", "-"])


@given(
    SORTS,
    st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"])),
    st.datetimes(timezones=st.just(UTC)),
    st.binary(min_size=16, max_size=16),
)
def test_cursors_come_back(sort: str, text: str, moment: object, uid: bytes) -> None:
    """Any value a column can hold survives the way to the caller and back."""
    value = moment if is_time(sort.lstrip("-")) else text
    position = Position(value, uid.hex())  # type: ignore[arg-type] # one or the other by is_time
    cursor = encode_cursor(sort, position)

    if len(cursor) <= 2048:
        assert decode_cursor(cursor, sort) == position


@given(st.text(max_size=200), SORTS)
def test_strange_cursors_are_refused_politely(cursor: str, sort: str) -> None:
    """Nothing a caller makes up raises anything but InvalidQuery."""
    try:
        decode_cursor(cursor, sort)
    except InvalidQuery:
        return
