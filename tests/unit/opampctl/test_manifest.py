"""Configuration files: bare ones and manifests."""

from __future__ import annotations

from pathlib import Path

import pytest

from opampctl.exits import CommandError, Exit
from opampctl.manifest import Draft, is_manifest, manifest_of, read_drafts, read_text
from opampctl.output import Format, as_text

MANIFEST = "kind: Configuration\nname: edge\npriority: 3\nraw_config: 'a: 1'\n"


def test_bare_file_is_named_after_itself() -> None:
    """A configuration takes its name from the file, and its type from the ending."""
    assert read_drafts("conf/edge.yaml", "a: 1\n") == [
        Draft("edge", {"raw_config": "a: 1\n", "content_type": "yaml"}, "conf/edge.yaml")
    ]


@pytest.mark.parametrize(
    ("path", "text", "content_type"),
    [("a.json", "{}", "json"), ("a.yaml", "{}", "yaml"), ("-", ' {"a": 1}', "json"), ("-", "a: 1", "yaml")],
)
def test_type_is_told_from_ending_or_content(path: str, text: str, content_type: str) -> None:
    """The ending decides; without one the first character does."""
    assert read_drafts(path, text, name="x")[0].fields["content_type"] == content_type


def test_standard_input_needs_a_name() -> None:
    """A bare configuration from a pipe has no name of its own."""
    with pytest.raises(CommandError) as caught:
        read_drafts("-", "a: 1")
    assert caught.value.code is Exit.USAGE
    assert "--name" in caught.value.hint


def test_manifest_may_be_renamed() -> None:
    """--name overrides the one name in a manifest."""
    assert read_drafts("m.yaml", MANIFEST, name="other")[0].name == "other"
    with pytest.raises(CommandError, match="--name fits one"):
        read_drafts("m.yaml", MANIFEST + "---\n" + MANIFEST, name="other")


def test_manifest_may_point_at_a_file(tmp_path: Path) -> None:
    """`file:` is read beside the manifest."""
    (tmp_path / "edge.json").write_text('{"a": 1}')
    text = "kind: Configuration\nname: edge\nfile: edge.json\n"

    fields = read_drafts(str(tmp_path / "m.yaml"), text)[0].fields

    assert fields == {"raw_config": '{"a": 1}', "content_type": "json"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kind: Configuration\n", "needs a name"),
        (MANIFEST + "colour: red\n", "unknown field colour"),
        (MANIFEST + "file: x.yaml\n", "both raw_config and file"),
        (MANIFEST + "---\nkind: Other\n", "says `kind: Configuration`"),
        (MANIFEST + "selector: {a: [}\n", r"line 5, column \d+ is not valid YAML"),
    ],
)
def test_wrong_manifests_are_refused(text: str, message: str) -> None:
    """Each fault is told in a sentence."""
    with pytest.raises(CommandError, match=message) as caught:
        read_drafts("m.yaml", text)
    assert caught.value.code is Exit.USAGE


def test_kind_inside_a_configuration_is_no_manifest() -> None:
    """Only a top-level `kind: Configuration` makes a manifest."""
    assert not is_manifest("receivers:\n  kind: Configuration\n")
    assert not is_manifest("kind: ConfigurationList\n")
    assert is_manifest("# fleet\n---\nkind: 'Configuration'  # ours\nname: a\n")


@pytest.mark.parametrize(
    "text",
    [
        "name: edge\nversion: 3\nraw_config: |\n  receivers: {}\nconfig_hash: 00\n",
        "'config_hash': 00\n",
        '{"name": "edge", "raw_config": "receivers: {}"}',
        '  {"config_hash": "00"}',
    ],
)
def test_answer_of_the_api_is_refused(text: str) -> None:
    """An envelope is never taken for what agents run; the sentence says what is missing."""
    with pytest.raises(CommandError, match="looks like a configuration as the API gives it") as caught:
        read_drafts("edge.yaml", text)
    assert caught.value.code is Exit.USAGE
    assert "`kind: Configuration`" in caught.value.hint


@pytest.mark.parametrize(
    "text", ["receivers:\n  raw_config: 1\n", '{"a": {"config_hash": 1}}', '{"raw_config": broken', "{}"]
)
def test_other_files_are_configurations(text: str) -> None:
    """The keys count at the top level only, and what is no JSON is left to the API to refuse."""
    assert read_drafts("edge.yaml", text)[0].fields["raw_config"] == text


@pytest.mark.parametrize(
    "body",
    [
        "a: 1\n",
        "a: 1",
        "",
        "\n\n a: 1\n",
        "  a: 1\n b: 2\n\n",
        "a: 1 \r\nb: \t2\n",
        "a: 项目 # é\n---\nkind: x\n",
        "x" * 20000,
    ],
)
def test_manifest_of_an_answer_is_read_back(body: str) -> None:
    """Every field a person may write comes back as it was, the body to the byte; what the server made is left out."""
    fields = {
        "display_name": "Edge: 1",
        "description": "",
        "content_type": "yaml",
        "raw_config": body,
        "selector": {"canary": "true", "rack": "7", "a:b": "no"},
        "priority": 10,
        "platform": {"sources": [{"name": "otlp", "type": "", "parameters": {"x": 1}}], "processors": []},
    }
    answer = {
        **fields,
        "name": "edge",
        "version": 7,
        "config_hash": "00",
        "change_description": "why",
        "created_by": "a",
    }

    text = as_text(manifest_of(answer), Format.YAML)

    assert text.startswith("kind: Configuration\nname: edge\n")
    drafts = read_drafts("edge.yaml", text)
    assert [(draft.name, draft.fields) for draft in drafts] == [("edge", fields)]


def test_labels_become_text() -> None:
    """YAML's booleans and numbers are written as labels are."""
    text = MANIFEST + "selector: {canary: true, rack: 7}\n"
    assert read_drafts("m.yaml", text)[0].fields["selector"] == {"canary": "true", "rack": "7"}


def test_unreadable_files_are_told(tmp_path: Path) -> None:
    """Missing files and files that are no text end the command with a sentence."""
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CommandError, match="No such file"):
        read_text(str(tmp_path / "missing"))
    with pytest.raises(CommandError, match="not UTF-8"):
        read_text(str(tmp_path / "binary"))
