"""How requests are read and answers are described: pydantic models in, typed dictionaries out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, model_validator, with_config

view = with_config(ConfigDict(use_attribute_docstrings=True))
"""Marks a TypedDict as an answer; the text beneath a field becomes its description in openapi.json."""


class Document(BaseModel):
    """
    A request body.

    Unknown fields are refused, so that a typing error never passes for a wish. Fields only the server may set are
    dropped instead: a client may send back what it read, and cannot change them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    server_owned: ClassVar[frozenset[str]] = frozenset()

    @model_validator(mode="before")
    @classmethod
    def _drop_server_owned(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and cls.server_owned:
            return {key: value for key, value in data.items() if key not in cls.server_owned}
        return data


class Query(BaseModel):
    """The query parameters of a route; unknown ones are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)
