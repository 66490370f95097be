"""Migrations: numbered without gaps, named for what they do, one schema per service, tenant first."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from deployment.rooms import ROOT

FOLDERS = tuple(sorted(ROOT.glob("services/*/src/*/migrations"))) + tuple(
    sorted(ROOT.glob("libs/servicekit/src/servicekit/migrations"))
)
FILE = re.compile(r"(\d{4})_[a-z]+(_[a-z0-9]+)+\.sql")
TEXT = re.compile(r"'[^']*'|--[^\n]*")
SHARED_SCHEMAS = re.compile(r"\b(agent_state|config_service|package_service|api_gateway)\.[a-z]", re.IGNORECASE)


def files(folder: Path) -> list[Path]:
    """List migrations in the order they are applied."""
    return sorted(folder.glob("*.sql"))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.parent.name)
def test_numbers_have_no_gaps(folder: Path) -> None:
    """0001, 0002, … each once, each named NNNN_verb_noun.sql."""
    names = [path.name for path in files(folder) if path.name != "schema.sql"]

    assert all(FILE.fullmatch(name) for name in names), names
    assert [int(name[:4]) for name in names] == list(range(1, len(names) + 1))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.parent.name)
def test_no_schema_is_named(folder: Path) -> None:
    """The role's search_path decides the schema; naming a neighbour's is impossible by mistake."""
    found = [path.name for path in files(folder) if SHARED_SCHEMAS.search(TEXT.sub("", path.read_text()))]

    assert found == []


WITHOUT_TENANT = {
    "gateway_lease": "a gateway serves every tenant",
    "file_ticket_key": "the secret is the service's, the ticket names the tenant",
}
LED_BY_TENANT = re.compile(
    r'primary key \(tenant_id\b|\btenant_id\s+text\s+(?:collate "c"\s+)?primary key', re.IGNORECASE
)
CREATE_TABLE = re.compile(r"^\s*create table (?:if not exists )?(\w+)(.*?);", re.IGNORECASE | re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("folder", FOLDERS[:-1], ids=lambda folder: folder.parent.name)
def test_tenant_leads_every_primary_key(folder: Path) -> None:
    """Row-level security and partitions by tenant stay possible without a new key anywhere."""
    found = [
        name
        for path in files(folder)
        for name, body in CREATE_TABLE.findall(TEXT.sub("", path.read_text()))
        if name not in WITHOUT_TENANT and "partition of" not in body.lower() and not LED_BY_TENANT.search(body)
    ]

    assert found == []
