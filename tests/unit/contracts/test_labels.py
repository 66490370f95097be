"""Labels from attributes of every type."""

from __future__ import annotations

import pytest

from contracts.labels import (
    MAX_DEPTH,
    MAX_KEY_CHARACTERS,
    MAX_LABELS,
    MAX_VALUE_CHARACTERS,
    labels_of,
    plain_of,
    text_of,
)
from opamp.v1.anyvalue_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opamp.v1.opamp_pb2 import AgentDescription


def attribute(key: str, text: str) -> KeyValue:
    """Write a text attribute."""
    return KeyValue(key=key, value=AnyValue(string_value=text))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (AnyValue(), ""),
        (AnyValue(string_value="edge"), "edge"),
        (AnyValue(bool_value=True), "true"),
        (AnyValue(bool_value=False), "false"),
        (AnyValue(int_value=-7), "-7"),
        (AnyValue(double_value=0.25), "0.25"),
        (AnyValue(bytes_value=b"\x00\xff"), "00ff"),
        (
            AnyValue(array_value=ArrayValue(values=[AnyValue(int_value=1), AnyValue(string_value="ü")])),
            '[1,"ü"]',
        ),
        (
            AnyValue(kvlist_value=KeyValueList(values=[attribute("b", "2"), attribute("a", "1")])),
            '{"a":"1","b":"2"}',
        ),
    ],
)
def test_any_value_becomes_text(value: AnyValue, text: str) -> None:
    """Every type of the protocol has one label text."""
    assert text_of(value) == text


def test_identifying_attributes_win() -> None:
    """The same key twice: the identifying one is what selectors see."""
    description = AgentDescription(
        identifying_attributes=[attribute("service.name", "collector")],
        non_identifying_attributes=[attribute("service.name", "other"), attribute("os.type", "linux")],
    )

    assert labels_of(description) == ({"service.name": "collector", "os.type": "linux"}, 0)


def test_deep_values_are_cut() -> None:
    """A value nested beyond the bound becomes nothing instead of a stack overflow."""
    value = AnyValue(string_value="bottom")
    for _ in range(MAX_DEPTH):
        value = AnyValue(array_value=ArrayValue(values=[value]))

    assert "bottom" not in text_of(value)
    assert plain_of(value.array_value.values[0]) is not None


def test_labels_are_few_and_short() -> None:
    """A thousand attributes, or a list of millions, are no reason to store all that."""
    description = AgentDescription(
        identifying_attributes=[attribute("service.name", "x" * 5000), attribute("k" * 900, "v")],
        non_identifying_attributes=[attribute(f"a{number}", "v") for number in range(1000)],
    )
    numbers = ArrayValue(values=[AnyValue(int_value=number) for number in range(5000)])
    description.non_identifying_attributes.insert(0, KeyValue(key="list", value=AnyValue(array_value=numbers)))

    labels, truncated = labels_of(description)

    assert len(labels) == MAX_LABELS
    assert truncated == 3 + 1003 - MAX_LABELS
    assert labels["service.name"] == "x" * MAX_VALUE_CHARACTERS
    assert labels["k" * MAX_KEY_CHARACTERS] == "v"
    assert len(labels["list"]) == MAX_VALUE_CHARACTERS
    assert "a999" not in labels


def test_the_last_of_a_key_counts_and_nul_is_left_out() -> None:
    """Identifying attributes win, the last of a key counts; NUL, which no database takes, is left out."""
    description = AgentDescription(
        identifying_attributes=[attribute("env", "old"), attribute("env", "prod")],
        non_identifying_attributes=[attribute("env", "x"), attribute("os.type", "linux")],
    )
    assert labels_of(description)[0] == {"env": "prod", "os.type": "linux"}

    nul = AgentDescription(identifying_attributes=[attribute("a\x00b", "c\x00d")])
    assert labels_of(nul)[0] == {"ab": "cd"}
