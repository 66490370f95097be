"""Sentences for people: what is wrong with a field, in English or Chinese."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic_core import ErrorDetails

from servicekit.errors import Problem

Language = Literal["en", "zh"]

MAX_PROBLEMS = 50

_ENGLISH: dict[str, str] = {
    "missing": "is required",
    "extra_forbidden": "is not a field of this request",
    "string_type": "must be text",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "does not have the expected form",
    "literal_error": "must be one of {expected}",
    "enum": "must be one of {expected}",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_parsing_size": "is too large a number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "less_than": "must be less than {lt}",
    "too_long": "must have at most {max_length} entries",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "tuple_type": "must be a list",
    "value_error": "{error}",
}
_CHINESE: dict[str, str] = {
    "missing": "为必填项",
    "extra_forbidden": "不是该请求的字段",
    "string_type": "必须是文本",
    "string_too_short": "长度不能少于 {min_length} 个字符",
    "string_too_long": "长度不能超过 {max_length} 个字符",
    "string_pattern_mismatch": "格式不正确",
    "literal_error": "必须是以下值之一: {expected}",
    "enum": "必须是以下值之一: {expected}",
    "int_type": "必须是整数",
    "int_parsing": "必须是整数",
    "int_from_float": "必须是整数",
    "int_parsing_size": "数值过大",
    "bool_type": "必须是 true 或 false",
    "bool_parsing": "必须是 true 或 false",
    "greater_than_equal": "不能小于 {ge}",
    "less_than_equal": "不能大于 {le}",
    "less_than": "必须小于 {lt}",
    "too_long": "最多 {max_length} 项",
    "dict_type": "必须是对象",
    "model_type": "必须是对象",
    "tuple_type": "必须是列表",
    "value_error": "{error}",
}
_SUMMARIES: dict[str, tuple[str, str]] = {
    "body": ("the document has errors", "请求内容有误"),
    "query": ("the query has errors", "查询参数有误"),
}


def language_of(accept_language: str | None) -> Language:
    """Choose a language: Chinese when it is the first one asked for, else English."""
    first = (accept_language or "").split(",", 1)[0].strip().lower()
    return "zh" if first == "zh" or first.startswith(("zh-", "zh;")) else "en"


def problems_of(faults: Sequence[ErrorDetails], language: Language) -> list[Problem]:
    """Write pydantic's faults as fields and sentences; values never appear, they may be secrets."""
    return [Problem(_field(fault["loc"]), _sentence(fault, language)) for fault in faults[:MAX_PROBLEMS]]


def summary(where: Literal["body", "query"], problems: Sequence[Problem], language: Language) -> str:
    """Write one sentence for all problems of a request."""
    head = _SUMMARIES[where][0 if language == "en" else 1]
    if not problems:
        return head
    first = problems[0]
    joint = " " if language == "en" or first.message.isascii() else ""
    return f"{head}: {first.field}{joint}{first.message}" if first.field else f"{head}: {first.message}"


def _field(location: tuple[int | str, ...]) -> str:
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _sentence(fault: ErrorDetails, language: Language) -> str:
    table = _CHINESE if language == "zh" else _ENGLISH
    template = table.get(fault["type"])
    if template is None:
        return fault["msg"]
    context: Mapping[str, Any] = fault.get("ctx", {})
    try:
        return template.format(**context)
    except KeyError:
        return fault["msg"]
