"""From bytes to models: JSON bodies within bounds, query parameters, If-Match, the client's address."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Any, TypeVar, get_origin

import orjson
from pydantic import ValidationError

from api_gateway.errors import Malformed, Unprocessable
from api_gateway.language import Language, problems_of, summary
from api_gateway.models.document import Document, Query
from servicekit.errors import Problem

D = TypeVar("D", bound=Document)
Q = TypeVar("Q", bound=Query)

MAX_DEPTH = 32
LABEL_PREFIX = "label."
LABEL_FIELD = "label"
_EMPTY = "must not be empty"
_TWICE = "is given twice"


def read_body(model: type[D], raw: bytes, language: Language) -> D:
    """
    Read a JSON document.

    Raises:
        Malformed: Not JSON, not UTF-8, or nested deeper than MAX_DEPTH.

        Unprocessable: JSON, and not what the model asks for; every fault with its field.
    """
    try:
        data = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        public = "the body is not JSON"
        problem = Problem("body", str(error.msg), line=error.lineno, column=error.colno)
        raise Malformed(public, details=[problem]) from error
    _check_bounds(data)
    try:
        return model.model_validate(data)
    except ValidationError as error:
        problems = problems_of(error.errors(include_url=False, include_input=False), language)
        raise Unprocessable(summary("body", problems, language), details=problems) from error


def read_query(model: type[Q], pairs: Iterable[tuple[str, str]], language: Language) -> Q:
    """
    Read query parameters; fields that hold several values take repeats and commas.

    Raises:
        Malformed: Unknown, repeated, empty or unreadable parameters, each named.
    """
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    for name, text in pairs:
        if "\x00" in text or "\x00" in name:
            problems.append(Problem(name.replace("\x00", ""), "must not contain the character U+0000"))
        elif fault := _take(model, values, name, text):
            problems.append(Problem(name, fault))
    try:
        query = model.model_validate(values)
    except ValidationError as error:
        problems += problems_of(error.errors(include_url=False, include_input=False), language)
    else:
        if not problems:
            return query
    raise Malformed(summary("query", problems, language), details=problems)


def client_address(peer: str | None, forwarded_for: Sequence[str], trusted: Sequence[IPv4Network | IPv6Network]) -> str:
    """
    Tell the address of the client.

    X-Forwarded-For is read from the right for as long as the speaker is a trusted proxy; whatever stands further
    left may be anybody's invention.
    """
    address = peer or ""
    hops = [hop.strip() for header in forwarded_for for hop in header.split(",")]
    while hops and _is_trusted(address, trusted):
        candidate = hops.pop()
        try:
            ip_address(candidate)
        except ValueError:
            break
        address = candidate
    return address


def _check_bounds(data: Any) -> None:
    level: list[Any] = [data]
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for value in level:
            if isinstance(value, str):
                _check_text(value)
            elif isinstance(value, Mapping):
                for key in value:
                    _check_text(key)
                below.extend(value.values())
            elif isinstance(value, list):
                below.extend(value)
        if not below:
            return
        level = below
    public = f"the body is nested deeper than {MAX_DEPTH} levels"
    raise Malformed(public, details=[Problem("body", public)])


def _check_text(text: str) -> None:
    if "\x00" in text:
        public = "the body contains the character U+0000, which cannot be stored"
        raise Unprocessable(public, details=[Problem("body", public)])


def _take(model: type[Query], values: dict[str, Any], name: str, text: str) -> str | None:
    """Put one parameter among *values*; says what is wrong with it."""
    if name.startswith(LABEL_PREFIX) and LABEL_FIELD in model.model_fields:
        return _take_label(values.setdefault(LABEL_FIELD, {}), name.removeprefix(LABEL_PREFIX), text)
    if _holds_several(model, name):
        parts = [part.strip() for part in text.split(",")]
        values.setdefault(name, []).extend(filter(None, parts))
        # No value at all means everything; whoever wrote an empty one meant something else.
        return None if all(parts) else _EMPTY
    if name in values:
        return _TWICE
    values[name] = text
    return None


def _take_label(labels: dict[str, str], key: str, value: str) -> str | None:
    if not key:
        return "must name a label: label.<key>=<value>"
    if key in labels:
        return _TWICE
    labels[key] = value
    return None if value else _EMPTY


def _holds_several(model: type[Query], name: str) -> bool:
    field = model.model_fields.get(name)
    return field is not None and get_origin(field.annotation) is tuple


def _is_trusted(address: str, trusted: Sequence[IPv4Network | IPv6Network]) -> bool:
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in trusted)
