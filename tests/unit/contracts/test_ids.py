"""Ids and how they are written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.ids import DEFAULT_TENANT, format_uid, is_tenant_id, parse_uid


@given(st.binary(min_size=16, max_size=16))
def test_any_uid_survives_being_written(uid: bytes) -> None:
    """Any 16 bytes have a text, and the text leads back to them."""
    assert parse_uid(format_uid(uid)) == uid


def test_uid_is_read_in_every_spelling() -> None:
    """Hyphens are optional and case does not matter."""
    uid = bytes.fromhex("019a00000000700080000000000000ff")

    assert parse_uid("019A0000-0000-7000-8000-0000000000FF") == uid
    assert parse_uid("019a00000000700080000000000000ff") == uid


@pytest.mark.parametrize("text", ["", "019a", "z" * 32, "0" * 31, "0" * 33])
def test_other_text_is_no_uid(text: str) -> None:
    """Anything that does not name 16 bytes is refused with ValueError."""
    with pytest.raises(ValueError, match=r"UUID|hexadecimal"):
        parse_uid(text)


@pytest.mark.parametrize("text", ["default", "a", "team-7", "a" * 63])
def test_slug_is_a_tenant_id(text: str) -> None:
    """Lower-case slugs may stand in subjects, keys and tables."""
    assert is_tenant_id(text)


@pytest.mark.parametrize("text", ["", "-a", "a-", "A", "a.b", "a*", ">", "a b", "a" * 64])
def test_other_text_is_no_tenant_id(text: str) -> None:
    """Whatever could break a subject or a key is refused."""
    assert not is_tenant_id(text)


def test_the_default_tenant_is_a_tenant_id() -> None:
    """The tenant everything belongs to today obeys its own rule."""
    assert is_tenant_id(DEFAULT_TENANT)
