"""
Configuration files as people keep them: the bare configuration, or a manifest that also says for whom. Pure.

    kind: Configuration
    name: edge
    selector: {deployment.environment.name: prod}
    priority: 10
    comment: Sample half of the traces
    raw_config: |
      receivers: ...

`file: edge.yaml` beside it may stand for `raw_config`. Several manifests in one file are parted by `---`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from opampctl.exits import CommandError, Exit

KIND = "Configuration"
MAX_FILE_BYTES = 4 * 1024 * 1024
_FIELDS = {
    "name",
    "display_name",
    "description",
    "content_type",
    "raw_config",
    "selector",
    "priority",
    "platform",
    "comment",
}
_ORDER = ("display_name", "description", "content_type", "selector", "priority", "platform", "raw_config")
# A collector configuration has neither of these keys at its top level, and inside raw_config they would be indented.
_ENVELOPE_KEYS = ("raw_config", "config_hash")
_ENVELOPE_LINE = re.compile(r"^(['\"]?)(?:raw_config|config_hash)\1\s*:", re.MULTILINE)
# A collector configuration has no top-level key `kind`, and inside raw_config the line would be indented.
_KIND_LINE = re.compile(r"^kind:\s*['\"]?Configuration['\"]?\s*(?:#.*)?$", re.MULTILINE)


@dataclass(frozen=True)
class Draft:
    """One configuration as a file wants it; fields left out keep what the platform has."""

    name: str
    fields: dict[str, Any] = field(default_factory=dict)
    source: str = ""
    """Where it was read, for messages."""


def read_drafts(path: str, text: str, *, name: str | None = None) -> list[Draft]:
    """
    Read the configurations of one file.

    Args:
        path: Where the text is from, `-` for standard input; names a bare configuration, and manifests find
            their `file:` beside it.

        text: The content.

        name: Overrides the name; only for a file with one configuration.

    Raises:
        CommandError: A manifest is wrong, a bare configuration has no name or is an answer of the API, or *name*
            fits several.
    """
    if is_manifest(text):
        drafts = [_from_manifest(path, document) for document in _documents(path, text)]
        if name is not None:
            if len(drafts) > 1:
                sentence = f"{path} has {len(drafts)} configurations; --name fits one."
                raise CommandError(sentence, Exit.USAGE)
            drafts = [Draft(name, drafts[0].fields, path)]
        return drafts
    if _is_envelope(text):
        sentence = f"{path}: this looks like a configuration as the API gives it, not like one an agent could run."
        hint = (
            f"Make a manifest of it: add a line `kind: {KIND}` and keep only {', '.join(sorted(_FIELDS))}; "
            "`opampctl config get NAME -o yaml` writes one, `--raw` the bare configuration."
        )
        raise CommandError(sentence, Exit.USAGE, hint=hint)
    if name is None:
        if path == "-":
            sentence = "A configuration from standard input needs a name."
            raise CommandError(sentence, Exit.USAGE, hint="Give it one: --name NAME")
        name = Path(path).stem
    content_type = "json" if _is_json(path, text) else "yaml"
    return [Draft(name, {"raw_config": text, "content_type": content_type}, path)]


def is_manifest(text: str) -> bool:
    """Say whether a file is a manifest: `kind: Configuration` stands at its top level."""
    return _KIND_LINE.search(text) is not None


def manifest_of(found: dict[str, Any]) -> dict[str, Any]:
    """Take what a person may write from a configuration (or a version) as the API gives it; apply reads it back."""
    name = found.get("name") or found.get("configuration_name")
    fields = {key: found[key] for key in _ORDER if found.get(key) is not None}
    return {"kind": KIND, "name": name, **fields}


def _is_envelope(text: str) -> bool:
    if text.lstrip()[:1] != "{":
        return _ENVELOPE_LINE.search(text) is not None
    try:
        found = json.loads(text)
    except ValueError:
        return False  # the API names the place of the fault
    return isinstance(found, dict) and any(key in found for key in _ENVELOPE_KEYS)


def _documents(path: str, text: str) -> list[dict[str, Any]]:
    try:
        documents = [document for document in yaml.safe_load_all(text) if document is not None]
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f" line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "it cannot be parsed"
        sentence = f"{path}{place} is not valid YAML: {problem}."
        raise CommandError(sentence, Exit.USAGE) from error
    for document in documents:
        if not isinstance(document, dict) or document.get("kind") != KIND:
            sentence = f"{path}: every document of a manifest says `kind: {KIND}`."
            raise CommandError(sentence, Exit.USAGE)
    return documents


def _from_manifest(path: str, document: dict[str, Any]) -> Draft:
    fields = {key: value for key, value in document.items() if key not in {"kind", "api_version", "file"}}
    unknown = sorted(set(fields) - _FIELDS)
    if unknown:
        sentence = f"{path}: unknown field {', '.join(unknown)}."
        raise CommandError(sentence, Exit.USAGE, hint=f"A manifest may have {', '.join(sorted(_FIELDS))} and file.")
    name = fields.pop("name", None)
    if not isinstance(name, str) or not name:
        sentence = f"{path}: a manifest needs a name."
        raise CommandError(sentence, Exit.USAGE, hint="Add a line such as `name: edge`.")
    if "file" in document:
        if "raw_config" in fields:
            sentence = f"{path}: {name} has both raw_config and file."
            raise CommandError(sentence, Exit.USAGE, hint="Keep one of them.")
        beside = Path(path).parent / str(document["file"])
        fields["raw_config"] = read_text(str(beside))
        fields.setdefault("content_type", "json" if _is_json(str(beside), fields["raw_config"]) else "yaml")
    selector = fields.get("selector")
    if isinstance(selector, dict):
        fields["selector"] = {str(key): _label(value) for key, value in selector.items()}
    return Draft(name, fields, path)


def read_text(path: str) -> str:
    """
    Read a text file.

    Raises:
        CommandError: It is missing, too large, or no UTF-8 text.
    """
    try:
        with Path(path).open("rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
        if len(raw) > MAX_FILE_BYTES:
            sentence = f"{path} is larger than {MAX_FILE_BYTES // 1024 // 1024} MiB."
            raise CommandError(sentence, Exit.USAGE)
        return raw.decode("utf-8-sig")
    except OSError as error:
        sentence = f"Cannot read {path}: {error.strerror}."
        raise CommandError(sentence, Exit.USAGE) from error
    except UnicodeDecodeError as error:
        sentence = f"{path} is not UTF-8 text."
        raise CommandError(sentence, Exit.USAGE) from error


def _label(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _is_json(path: str, text: str) -> bool:
    return path.endswith(".json") or (not path.endswith((".yaml", ".yml")) and text.lstrip()[:1] in {"{", "["})
