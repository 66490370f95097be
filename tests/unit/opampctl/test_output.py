"""Tables for people, JSON and YAML for programs."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
import yaml

from opampctl.output import Format, ago, as_text, fit, pairs, show_data, show_fields, show_table

NOW = datetime(2026, 11, 20, 10, 0, 0, tzinfo=UTC)


def test_json_keeps_the_order_of_keys() -> None:
    """Machine output is stable: keys as they came, one newline at the end."""
    text = as_text({"b": 1, "a": [True, None]}, Format.JSON)
    assert json.loads(text) == {"b": 1, "a": [True, None]}
    assert text.index('"b"') < text.index('"a"')
    assert text.endswith("}\n")


def test_yaml_writes_texts_as_blocks() -> None:
    """A configuration in YAML output stays readable, and is the same when read back."""
    value = {"raw_config": "a: 1\nb: 2\n", "label": "true", "n": 1}
    text = as_text(value, Format.YAML)
    assert "raw_config: |\n  a: 1\n  b: 2\n" in text
    assert yaml.safe_load(text) == value


def test_table_has_no_colour_and_no_cut_outside_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """In a pipe every cell is whole and plain, whatever it contains."""
    show_table(("name", "status"), [("x" * 200, "online"), ("[red]odd[/]", None)])
    printed = capsys.readouterr().out
    assert "x" * 200 in printed
    assert "[red]odd[/]" in printed
    assert "\x1b" not in printed


def test_empty_table_speaks_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    """A pipe gets nothing when there is nothing."""
    show_table(("name",), [], empty="Nobody here.")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Nobody here." in captured.err


def test_absent_fields_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    """Only what is known is printed."""
    show_fields({"Name": "edge", "Error": "", "Labels": {"b": 2, "a": 1}, "Live": True})
    printed = capsys.readouterr().out
    assert "Error" not in printed
    assert "a=1,b=2" in printed
    assert "yes" in printed


def test_data_is_printed_in_the_wanted_shape(capsys: pytest.CaptureFixture[str]) -> None:
    """`-o json` prints JSON."""
    show_data({"a": 1}, Format.JSON)
    assert json.loads(capsys.readouterr().out) == {"a": 1}


@pytest.mark.parametrize(
    ("timestamp", "text"),
    [
        (None, "-"),
        ("2026-11-20T09:59:48Z", "12s ago"),
        ("2026-11-20T09:00:00+00:00", "1h ago"),
        ("2026-11-17T10:00:00", "3d ago"),
        ("2026-11-20T09:55:00Z", "5m ago"),
        ("2026-11-20T10:00:05Z", "now"),
        ("yesterday", "yesterday"),
    ],
)
def test_times_are_told_as_distance(timestamp: str | None, text: str) -> None:
    """A time is shown as how long ago it was; what is no time is shown as it is."""
    assert ago(timestamp, NOW) == text


def test_labels_are_sorted() -> None:
    """Labels read the same every time."""
    assert pairs({"b": "2", "a": "1"}) == "a=1,b=2"
    assert pairs(None) == ""


def test_long_columns_make_room_on_a_narrow_terminal() -> None:
    """The widest column gives way first; the first one and short ones never do."""
    assert fit([36, 14, 30, 7], 1000) == [36, 14, 30, 7]
    assert fit([36, 14, 30, 7], 80) == [36, 14, 17, 7]
    assert fit([36, 14, 30, 7], 10) == [36, 9, 9, 7]
    assert fit([50], 10) == [50]
