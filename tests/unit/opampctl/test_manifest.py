"""Configuration files: bare ones and manifests."""

from __future__ import annotations

from pathlib import Path

import pytest

from opampctl.exits import CommandError, Exit
from opampctl.manifest import Draft, is_manifest, read_drafts, read_text

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
