"""Query parameters of every list, and of requests that have none."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from api_gateway.models.document import Query
from api_gateway.paging import DEFAULT_LIMIT, MAX_LIMIT


class NoQuery(Query):
    """No parameters."""


class PageQuery(Query):
    """Which part of a list."""

    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT
    """Rows per page."""

    offset: Annotated[int, Field(ge=0, le=2**62)] = 0
    """Rows to skip; for long lists use cursor instead."""

    cursor: Annotated[str, Field(max_length=1024)] = ""
    """next_cursor of the page before, with the other parameters unchanged."""

    @model_validator(mode="after")
    def _one_way_to_page(self) -> PageQuery:
        if self.cursor and self.offset:
            message = "give cursor or offset, not both"
            raise ValueError(message)
        return self


class SearchQuery(PageQuery):
    """Which part of what is found."""

    search: Annotated[str, Field(max_length=200)] = ""
    """Case-insensitive part of a name."""

    q: Annotated[str, Field(max_length=200)] = ""
    """Short for search."""

    @model_validator(mode="after")
    def _one_way_to_search(self) -> SearchQuery:
        if {"q", "search"} <= self.model_fields_set:
            message = "give q or search, not both"
            raise ValueError(message)
        return self
