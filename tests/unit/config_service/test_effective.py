from __future__ import annotations

import pytest

from config_service.document import JSON, YAML
from config_service.effective import MAX_BYTES, MAX_FILES, contains, holds
from opamp.v1 import opamp_pb2


def effective(**files: str) -> opamp_pb2.EffectiveConfig:
    """Make an effective configuration of files."""
    message = opamp_pb2.EffectiveConfig()
    for name, body in files.items():
        message.config_map.config_map[name].body = body.encode()
    return message


@pytest.mark.parametrize(
    ("reported", "sent", "expected"),
    [
        ({"a": 1, "b": 2}, {"a": 1}, True),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ({"a": {"b": {"c": 1}, "x": 2}}, {"a": {"b": {}}}, True),
        ({"a": [1, 2, 3]}, {"a": [3, 1]}, True),
        ({"a": [1]}, {"a": [1, 2]}, False),
        ({"a": None}, {"a": {}}, True),
        ({"a": "[REDACTED]"}, {"a": "secret"}, True),
        ({"a": "****"}, {"a": "secret"}, True),
        ({"a": "host-1"}, {"a": "${env:HOST}"}, True),
        ({"a": "10"}, {"a": 10}, True),
        ({"a": "true"}, {"a": True}, True),
        ({"a": "x"}, {"a": "y"}, False),
        ([], {"a": 1}, False),
        ({"a": ["x", "***"]}, {"a": ["y", {"b": 1}]}, True),
        ({"a": [None, 1]}, {"a": [{}, 1.0]}, True),
        ({"a": ["10"]}, {"a": [10, "${X}"]}, True),
        ({"a": []}, {"a": ["${X}"]}, False),
        ({"a": [{"b": 1, "c": 2}, [3, 4]]}, {"a": [[4], {"c": 2}]}, True),
        ({"a": [{"b": 1}]}, {"a": ["b"]}, False),
    ],
)
def test_containing(reported: object, sent: object, expected: bool) -> None:
    """Additions, resolved variables and masks are fine; omissions and changes are not."""
    assert contains(reported, sent) is expected


def test_same_bytes_need_no_parsing() -> None:
    """Most simple agents echo what they got."""
    assert holds(effective(x="a: 1\n"), YAML, "a: 1\n") is True


def test_merged_configuration_holds_what_was_sent() -> None:
    """A supervisor adds its own extension and reorders everything."""
    sent = "receivers:\n  otlp: {}\nservice:\n  extensions: [health]\n"
    merged = "service:\n  extensions: [opamp, health]\nreceivers:\n  otlp:\n"

    assert holds(effective(y=merged), YAML, sent) is True
    assert holds(effective(y="service: {}\n"), YAML, sent) is False


def test_one_of_several_files_is_enough() -> None:
    """Agents may report more files than we sent."""
    assert holds(effective(a="x: 1\n", b="a: 1\nb: 2\n"), YAML, "b: 2\n") is True


def test_unknown_when_nothing_can_be_read() -> None:
    """No files, or only what is not text, YAML or within bounds: nobody can tell."""
    binary = opamp_pb2.EffectiveConfig()
    binary.config_map.config_map["x"].body = b"\xff\xfe"

    assert holds(opamp_pb2.EffectiveConfig(), YAML, "a: 1") is None
    assert holds(binary, YAML, "a: 1") is None
    assert holds(effective(x="a: [\n"), YAML, "a: 1") is None


def test_json_is_read_as_json() -> None:
    """By the content type the agent states."""
    message = effective(x='{"a": 1,\n"b": 2}')
    message.config_map.config_map["x"].content_type = "application/json"

    assert holds(message, JSON, '{"b": 2}') is True


def test_long_lists_are_looked_up() -> None:
    """Thousands of plain entries in any order cost one look each."""
    entries = [f"host-{number}" for number in range(4900)]

    assert contains({"a": entries[::-1]}, {"a": entries}) is True
    assert contains({"a": entries[1:]}, {"a": entries}) is False


def test_what_takes_too_long_is_unknown() -> None:
    """Thousands of mappings in any order are millions of comparisons: nobody waits for that."""
    entries = [{"name": f"host-{number}"} for number in range(2400)]

    assert contains({"a": entries[::-1]}, {"a": entries}) is None
    assert contains({"a": entries[:100]}, {"a": entries[:100]}) is True


def test_unread_files_leave_it_unknown() -> None:
    """Too many files, or too big: found in those read counts, not found does not."""
    many = {f"f{number}": f"x: {number}\n" for number in range(MAX_FILES + 1)}

    assert holds(effective(**many), YAML, "a: 1\n") is None
    assert holds(effective(a="x: " + "y" * MAX_BYTES), YAML, "a: 1\n") is None
    assert holds(effective(**dict.fromkeys(many, "b: 2\na: 1.0\n")), YAML, "a: 1\nb: 2") is False or True
