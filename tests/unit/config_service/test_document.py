from __future__ import annotations

import pytest

from config_service.document import JSON, YAML, Component, Document, Draft, Platform, content_hash, remote_config
from opamp.v1 import opamp_pb2


def test_draft_keeps_what_it_does_not_mention() -> None:
    """An edit of one field leaves every other as it was."""
    before = Document("Shown", "Told", JSON, "{}", {"env": "prod"}, 7, Platform(sources=(Component("a", "b"),)))

    after = Draft(priority=8).applied_to(before)

    assert after == Document("Shown", "Told", JSON, "{}", {"env": "prod"}, 8, before.platform)


def test_draft_can_empty_a_field() -> None:
    """Present and empty is another thing than absent."""
    assert not Draft(selector={}).applied_to(Document(selector={"env": "prod"})).selector


@pytest.mark.parametrize(
    "change",
    [
        Draft(display_name="x"),
        Draft(description="x"),
        Draft(content_type=JSON),
        Draft(raw_config="b: 2"),
        Draft(selector={"a": "b"}),
        Draft(priority=1),
        Draft(platform=Platform(sources=(Component("a", "b"),))),
    ],
)
def test_every_field_makes_another_document(change: Draft) -> None:
    """No edit is too small for a version."""
    document = Document(raw_config="a: 1")

    assert change.applied_to(document) != document


def test_hash_is_of_what_agents_receive() -> None:
    """The body and its type decide; names, selectors and priorities do not."""
    one = Document(raw_config="{}", selector={"a": "b"}, display_name="x")

    assert one.config_hash == Document(raw_config="{}", priority=3).config_hash
    assert one.config_hash != Document(raw_config="{}", content_type=JSON).config_hash
    assert one.config_hash != Document(raw_config="{} ").config_hash
    assert len(one.config_hash) == 32


@pytest.mark.parametrize(
    ("content_type", "name", "mime"), [(YAML, "config.yaml", "text/yaml"), (JSON, "config.json", "application/json")]
)
def test_remote_config_has_one_named_file(content_type: str, name: str, mime: str) -> None:
    """The map is never empty and its only key is never the empty name."""
    message = opamp_pb2.AgentRemoteConfig.FromString(remote_config(content_type, "{}"))

    assert list(message.config.config_map) == [name]
    assert message.config.config_map[name].content_type == mime
    assert message.config_hash == content_hash(content_type, "{}")
