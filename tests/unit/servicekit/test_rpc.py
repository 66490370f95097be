from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from servicekit.errors import Invalid, Kind, Problem, class_of
from servicekit.rpc import MAX_DETAILS, decode_error, encode_error


@given(
    kind=st.sampled_from(list(Kind)),
    public=st.text(),
    field=st.text(),
    retry=st.none() | st.floats(0, 1e6),
)
def test_any_error_survives_the_journey(kind: Kind, public: str, field: str, retry: float | None) -> None:
    """Whatever text an error holds, it is the same error on the other side, and the headers are single lines."""
    public = public.encode("utf-8", "ignore").decode()
    field = field.encode("utf-8", "ignore").decode()
    error = class_of(kind)(public, details=[Problem(field, "wrong", line=1)], retry_after_seconds=retry)

    headers = encode_error(error)
    back = decode_error(headers)

    assert back is not None
    assert (back.kind, back.public, back.details, back.retry_after_seconds) == (kind, public, error.details, retry)
    assert not any("\n" in value or "\r" in value for value in headers.values())


def test_an_answer_without_error_headers_is_no_error() -> None:
    """Ordinary answers decode to no error."""
    assert decode_error(None) is None
    assert decode_error({"Other": "x"}) is None


def test_details_are_bounded() -> None:
    """Thousands of problems do not become thousands of header bytes."""
    error = Invalid("bad", details=[Problem(str(number), "wrong") for number in range(5000)])
    back = decode_error(encode_error(error))
    assert back is not None
    assert len(back.details) == MAX_DETAILS
