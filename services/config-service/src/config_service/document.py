"""
A configuration document: what a person writes, what agents receive of it, and when two are the same.

Pure. Versions are made of whole documents: every field here is versioned, so an edit of the selector or of
the display name is as visible in history as an edit of the body.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from opamp.v1 import opamp_pb2

if TYPE_CHECKING:
    from collections.abc import Mapping

YAML = "yaml"
JSON = "json"
CONTENT_TYPES = (YAML, JSON)

FILE_NAMES = {YAML: "config.yaml", JSON: "config.json"}
"""Key in the agent's configuration map; never empty, because some agents merge the empty name last."""

MIME_TYPES = {YAML: "text/yaml", JSON: "application/json"}


@dataclass(frozen=True)
class Component:
    """One source, processor or destination of a platform."""

    name: str
    type: str
    parameters: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Platform:
    """The parts a configuration was composed of; informative, not sent to agents."""

    sources: tuple[Component, ...] = ()
    processors: tuple[Component, ...] = ()
    destinations: tuple[Component, ...] = ()


@dataclass(frozen=True)
class Document:
    """Everything of a configuration that a person may write. Equal documents make no new version."""

    display_name: str = ""
    description: str = ""
    content_type: str = YAML
    raw_config: str = ""
    selector: Mapping[str, str] = field(default_factory=dict)
    priority: int = 0
    platform: Platform = field(default_factory=Platform)

    @property
    def config_hash(self) -> bytes:
        """SHA-256 of what agents receive: 32 bytes, the same for the same file name, type and body."""
        return content_hash(self.content_type, self.raw_config)


@dataclass(frozen=True)
class Draft:
    """An edit: absent fields keep what is there."""

    display_name: str | None = None
    description: str | None = None
    content_type: str | None = None
    raw_config: str | None = None
    selector: Mapping[str, str] | None = None
    priority: int | None = None
    platform: Platform | None = None

    def applied_to(self, document: Document) -> Document:
        """Return *document* with the fields that are present here."""
        present = {name: value for name, value in vars(self).items() if value is not None}
        return replace(document, **present)


def content_hash(content_type: str, raw_config: str) -> bytes:
    """
    Hash the file an agent would receive.

    Each part is preceded by its length in eight bytes, so no two files share a preimage.
    """
    digest = hashlib.sha256()
    for part in (FILE_NAMES[content_type], MIME_TYPES[content_type], raw_config):
        raw = part.encode()
        digest.update(len(raw).to_bytes(8, "big"))
        digest.update(raw)
    return digest.digest()


def remote_config(content_type: str, raw_config: str) -> bytes:
    """Serialise the AgentRemoteConfig that carries this content; deterministic."""
    message = opamp_pb2.AgentRemoteConfig(config_hash=content_hash(content_type, raw_config))
    file = message.config.config_map[FILE_NAMES[content_type]]
    file.body = raw_config.encode()
    file.content_type = MIME_TYPES[content_type]
    return message.SerializeToString(deterministic=True)
