"""The generator of documents: what a page must hold, and that the machine-readable ones can be read."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from pydantic import Field, SecretStr

from contracts import subjects
from servicekit.settings import ServiceSettings
from tools import gen_docs


@pytest.fixture(scope="module")
def asyncapi() -> dict[str, Any]:
    """Parse the generated description of the bus."""
    document: dict[str, Any] = json.loads(gen_docs.asyncapi())
    return document


def test_bus_page_lists_every_subject_and_method() -> None:
    """Nothing of the telephone book is left out."""
    text = gen_docs.bus_page()

    assert all(f"`{entry.pattern}`" in text for entry in subjects.BOOK)
    assert all(f"`{method.subject}`" in text for method in subjects.METHODS)


def test_bus_page_explains_fields_by_the_proto_comments() -> None:
    """The comment in the .proto file is the documentation."""
    text = gen_docs.bus_page()

    assert "### fleet.events.v1.Fact\n" in text
    assert re.search(r"\| `instance_uid` \| `bytes` \| 2 \| 16 bytes, as the agent sent them\. \|", text)
    assert "`map<string, string>`" in text
    assert "`repeated fleet.events.v1.Fact`" in text


def test_asyncapi_references_resolve(asyncapi: dict[str, Any]) -> None:
    """Every $ref leads somewhere inside the document."""
    references = re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(asyncapi))

    assert references
    for reference in references:
        where: Any = asyncapi
        for part in reference.split("/"):
            where = where[part]


def test_asyncapi_parameters_match_addresses(asyncapi: dict[str, Any]) -> None:
    """Each {token} of an address is explained, and nothing else is."""
    for name, channel in asyncapi["channels"].items():
        tokens = set(re.findall(r"{(\w+)}", channel["address"] or ""))
        assert set(channel.get("parameters", {})) == tokens, name


def test_asyncapi_has_what_the_specification_requires(asyncapi: dict[str, Any]) -> None:
    """Version 3, a title and a version; operations have an action and a channel."""
    assert asyncapi["asyncapi"].startswith("3.")
    assert {"title", "version"} <= set(asyncapi["info"])
    for operation in asyncapi["operations"].values():
        assert operation["action"] in {"send", "receive"}
        assert "$ref" in operation["channel"]
    for message in asyncapi["components"]["messages"].values():
        if not message["name"].startswith("fleet."):
            continue
        schema = asyncapi["components"]["schemas"][message["payload"]["$ref"].rpartition("/")[2]]
        assert f"message {message['name'].rpartition('.')[2]} " in schema["schema"]


class Example(ServiceSettings):
    """Settings in every shape the page must write."""

    url: SecretStr = SecretStr("")
    needed: str = Field(description="Must be given.")
    flag: bool = False
    several: tuple[str, ...] = ("a", "b")
    nothing: str | None = None
    number: float = 1.5


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("needed", "**required**"),
        ("flag", "`false`"),
        ("several", "`a,b`"),
        ("nothing", ""),
        ("url", ""),
        ("number", "`1.5`"),
    ],
)
def test_default_is_written_as_the_environment_has_it(field: str, text: str) -> None:
    """What stands in the page can be copied into a variable."""
    assert gen_docs.default_of(Example.model_fields[field]) == text


@pytest.mark.parametrize("service", gen_docs.SERVICES)
def test_settings_page_has_every_service_and_sentence(service: str) -> None:
    """Each service has its section, and every variable says what it means."""
    section = gen_docs.settings_page().split(f"## {service}\n")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| `")]

    assert rows
    assert [row for row in rows if re.search(r"\|\s+\|$", row)] == []


def test_cells_cannot_break_the_table() -> None:
    """A pipe or a line break in a sentence stays inside its cell."""
    assert gen_docs.table(("A",), [("x | y\nz",)]).splitlines()[-1] == "| x \\| y z |"


def test_metrics_page_separates_services_from_the_kit() -> None:
    """What every service has is listed once."""
    text = gen_docs.metrics_page()

    assert text.count("`servicekit_rpc_seconds`") == 1
    assert "## agent-state" in text


def test_errors_page_gives_each_code_its_status() -> None:
    """A code of a service stands with its kind and status."""
    assert re.search(r"\| `agent_not_found` \| `not_found` \| 404 \|", gen_docs.errors_page())
