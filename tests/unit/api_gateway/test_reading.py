"""Bodies, queries and addresses, as hostile clients send them."""

from __future__ import annotations

import contextlib
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.errors import Malformed, Unprocessable
from api_gateway.models.agents import AgentQuery
from api_gateway.models.configurations import ConfigurationChange, ConfigurationQuery, NewConfiguration, PushQuery
from api_gateway.models.paging import NoQuery, SearchQuery
from api_gateway.reading import MAX_DEPTH, client_address, read_body, read_query


@pytest.mark.parametrize("raw", [b"{", b"\xff\xfe", b"[1,]", b"NaN", b'{"a": 01}', b"\x00", b"{}{}"])
def test_what_is_no_json_is_malformed_with_its_position(raw: bytes) -> None:
    """The position of the first fault is told."""
    with pytest.raises(Malformed) as caught:
        read_body(NewConfiguration, raw, "en")

    assert caught.value.details[0].line is not None


@pytest.mark.parametrize("raw", [b"[]", b'"x"', b"1", b"null", b'{"name": 5}', b'{"name": "x", "nmae": 1}', b"{}"])
def test_json_of_the_wrong_shape_is_unprocessable(raw: bytes) -> None:
    """It could be read; it is not a configuration."""
    with pytest.raises(Unprocessable):
        read_body(NewConfiguration, raw, "en")


def test_a_deep_body_is_refused_before_anybody_walks_it() -> None:
    """Recursion is the sender's choice no further than MAX_DEPTH."""
    for opening, closing in ((b"[", b"]"), (b'{"a":', b"}")):
        for depth in (MAX_DEPTH + 1, 900, 100_000):
            raw = opening * depth + b"1" + closing * depth
            with pytest.raises(Malformed):
                read_body(NewConfiguration, raw, "en")


@pytest.mark.parametrize("raw", [b'{"name": "a\\u0000b"}', b'{"name": "a", "selector": {"a\\u0000": "b"}}'])
def test_a_nul_character_is_refused(raw: bytes) -> None:
    """PostgreSQL cannot store it; that is no reason for a 500."""
    with pytest.raises(Unprocessable):
        read_body(NewConfiguration, raw, "en")


def test_fields_only_the_server_sets_are_dropped() -> None:
    """Sending back what was read changes neither version nor hash (mass assignment)."""
    raw = b'{"name": "other", "version": 99, "config_hash": "00", "created_at": "x", "raw_config": "a: 1"}'

    change = read_body(ConfigurationChange, raw, "en")

    assert change.model_dump(exclude_unset=True) == {"raw_config": "a: 1"}


def test_query_values_may_repeat_or_stand_with_commas() -> None:
    """Both spellings of several values, labels, and a sort order."""
    pairs = [
        ("status", "online,error"),
        ("status", "offline"),
        ("label.env", "prod"),
        ("label.a.b", "x=y"),
        ("sort", "-name"),
    ]

    query = read_query(AgentQuery, pairs, "en")

    assert query.status == ("online", "error", "offline")
    assert query.label == {"env": "prod", "a.b": "x=y"}
    assert query.sort == "-name"


@pytest.mark.parametrize(
    ("pairs", "field"),
    [
        ([("limit", "-1")], "limit"),
        ([("limit", "ten")], "limit"),
        ([("limit", "1001")], "limit"),
        ([("limit", "")], "limit"),
        ([("offset", "-5")], "offset"),
        ([("offset", "9" * 40)], "offset"),
        ([("sort", "password")], "sort"),
        ([("status", "gone")], "status[0]"),
        ([("statsu", "online")], "statsu"),
        ([("limit", "1"), ("limit", "2")], "limit"),
        ([("search", "a\x00b")], "search"),
        ([("status", "")], "status"),
        ([("status", "online,")], "status"),
        ([("status", "online"), ("status", " ")], "status"),
        ([("label.env", "")], "label.env"),
        ([("label.", "x")], "label."),
        ([("label.env", "a"), ("label.env", "b")], "label.env"),
    ],
)
def test_a_bad_parameter_is_named(pairs: list[tuple[str, str]], field: str) -> None:
    """Never a silent 0, never a filter that is ignored because it was mistyped."""
    with pytest.raises(Malformed) as caught:
        read_query(AgentQuery, pairs, "en")

    assert field in {problem.field for problem in caught.value.details}


def test_an_empty_agent_id_is_not_every_agent() -> None:
    """A script whose variable is empty must not push to the whole fleet."""
    for pairs in ([("agent_id", "")], [("agent_id", ",")]):
        with pytest.raises(Malformed) as caught:
            read_query(PushQuery, pairs, "en")
        assert {problem.field for problem in caught.value.details} == {"agent_id"}
    assert read_query(PushQuery, [], "en").agent_id == ()


@pytest.mark.parametrize("model", [AgentQuery, ConfigurationQuery])
def test_two_searches_are_refused(model: type[SearchQuery]) -> None:
    """One of them would have been ignored."""
    with pytest.raises(Malformed, match="not both"):
        read_query(model, [("q", "a"), ("search", "b")], "en")
    assert read_query(model, [("q", "a")], "en").q == "a"


def test_labels_are_for_agents_only() -> None:
    """Elsewhere a label filter is an unknown parameter."""
    with pytest.raises(Malformed):
        read_query(NoQuery, [("label.env", "prod")], "en")


@given(st.lists(st.tuples(st.text(max_size=20), st.text(max_size=20)), max_size=5))
def test_no_query_breaks_the_reader(pairs: list[tuple[str, str]]) -> None:
    """Any text is read or refused."""
    with contextlib.suppress(Malformed):
        read_query(AgentQuery, pairs, "zh")


@given(st.binary(max_size=100))
def test_no_body_breaks_the_reader(raw: bytes) -> None:
    """Any bytes are read or refused."""
    with contextlib.suppress(Malformed, Unprocessable):
        read_body(NewConfiguration, raw, "zh")


PROXIES = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


@pytest.mark.parametrize(
    ("peer", "headers", "expected"),
    [
        ("203.0.113.9", ["1.2.3.4"], "203.0.113.9"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.7"], "198.51.100.7"),
        ("10.0.0.1", ["6.6.6.6, 198.51.100.7, 10.0.0.2"], "198.51.100.7"),
        ("10.0.0.1", ["6.6.6.6", "198.51.100.7"], "198.51.100.7"),
        ("10.0.0.1", ["<script>"], "10.0.0.1"),
        ("fd00::1", ["2001:db8::1"], "2001:db8::1"),
        (None, ["1.2.3.4"], ""),
    ],
)
def test_forwarded_addresses_are_believed_from_trusted_proxies_only(
    peer: str | None, headers: list[str], expected: str
) -> None:
    """Nobody escapes the login limit by inventing addresses."""
    assert client_address(peer, headers, PROXIES) == expected
