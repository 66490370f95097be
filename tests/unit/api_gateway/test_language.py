"""Sentences for people."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from api_gateway.language import Language, language_of, problems_of, summary
from api_gateway.models.accounts import Registration
from api_gateway.models.agents import AgentQuery
from servicekit.errors import Problem


def problems(model: Any, data: object, language: Language) -> list[Problem]:
    """Let a model refuse data."""
    with pytest.raises(ValidationError) as caught:
        model.model_validate(data)
    return problems_of(caught.value.errors(include_url=False), language)


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "en"),
        ("", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("zh;q=1", "zh"),
        ("en,zh", "en"),
        ("de", "en"),
        ("zho", "en"),
    ],
)
def test_chinese_for_those_who_ask_for_it_first(header: str | None, language: str) -> None:
    """Everybody else reads English."""
    assert language_of(header) == language


def test_faults_name_the_field_and_never_the_value() -> None:
    """A refused password does not come back in the answer."""
    found = problems(Registration, {"username": "jo", "email": "x", "password": "seven77", "admin": True}, "en")

    assert found == [
        Problem("username", "must have at least 3 characters"),
        Problem("email", "does not have the expected form"),
        Problem("password", "must have at least 8 characters"),
        Problem("admin", "is not a field of this request"),
    ]


def test_the_same_in_chinese() -> None:
    """Friendly messages of the original."""
    found = problems(Registration, {"username": "jo", "password": "correct horse"}, "zh")

    assert found == [Problem("username", "长度不能少于 3 个字符"), Problem("email", "为必填项")]
    assert summary("body", found, "zh") == "请求内容有误: username长度不能少于 3 个字符"


def test_a_place_inside_a_list_is_told() -> None:
    """Which of several values is wrong."""
    found = problems(AgentQuery, {"status": ["online", "gone"]}, "en")

    assert found == [Problem("status[1]", "must be one of 'online', 'offline' or 'error'")]
    assert (
        summary("query", found, "en") == "the query has errors: status[1] must be one of 'online', 'offline' or 'error'"
    )


def test_a_fault_of_the_whole_is_told_without_a_field() -> None:
    """Two parameters that exclude each other."""
    found = problems(AgentQuery, {"cursor": "c", "offset": 2}, "en")

    assert summary("query", found, "en") == "the query has errors: give cursor or offset, not both"
    assert summary("query", [], "en") == "the query has errors"


def test_an_unforeseen_fault_keeps_the_librarys_words() -> None:
    """No table is ever complete."""
    fault: Any = {"type": "brand_new", "loc": ("a",), "msg": "Something new", "input": 1}
    short: Any = {"type": "less_than", "loc": ("a",), "msg": "Too much", "input": 1, "ctx": {}}

    assert problems_of([fault, short], "en") == [Problem("a", "Something new"), Problem("a", "Too much")]
