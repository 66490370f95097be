"""How routes become an OpenAPI document; what ours says is tested in tests/contract/openapi."""

from __future__ import annotations

from typing import Any

from api_gateway.models.agents import Agent, AgentDetail, AgentQuery, Assignment
from api_gateway.models.paging import PageQuery
from api_gateway.openapi import build_document, document_text
from api_gateway.permissions import Permission
from api_gateway.registry import PUBLIC, Answer, Call, Registry


async def do_thing(call: Call[Any, Any]) -> Answer:
    """
    Do a thing.

    With care.
    """
    return Answer(call)


def operation(method: str = "GET", path: str = "/a", **declared: Any) -> Any:
    """Declare one route and give its operation."""
    registry = Registry()
    registry.route(method, path, **{"permission": PUBLIC, "tag": "x", "answers": {200: AgentDetail}, **declared})(
        do_thing
    )
    return build_document(registry, "1")["paths"][path][method.lower()]


def test_the_docstring_is_the_documentation() -> None:
    """First line the summary, the rest the description, the function's name the id."""
    made = operation()

    assert (made["operationId"], made["summary"], made["description"]) == ("do_thing", "Do a thing", "With care.")


def test_the_permission_decides_security_and_roles() -> None:
    """Public routes say so; others name who may."""
    assert operation()["security"] == []
    guarded = operation(permission=Permission.USER_WRITE)

    assert "security" not in guarded
    assert (guarded["x-permission"], guarded["x-roles"]) == ("user:write", ["admin"])


def test_paths_queries_and_headers_become_parameters() -> None:
    """A version is a number, a label has a key of its own, several values may repeat."""
    made = operation(path="/a/{name}/{version}", query=AgentQuery, if_match=True)
    found = {parameter["name"]: parameter for parameter in made["parameters"]}

    assert found["name"]["schema"] == {"type": "string"}
    assert found["version"]["schema"]["type"] == "integer"
    assert found["status"]["explode"] is True
    assert found["limit"]["schema"]["maximum"] == 1000
    assert "label.<key>" in found
    assert found["If-Match"]["in"] == "header"


def test_bodies_and_answers_refer_to_models() -> None:
    """Pages promise a Link, versions an ETag; text is text."""
    made = operation(
        "POST",
        body=Assignment,
        body_required=False,
        query=PageQuery,
        etag=True,
        answers={200: AgentDetail, 302: "text/html"},
    )

    assert made["requestBody"]["required"] is False
    assert set(made["responses"]["200"]["headers"]) == {"ETag", "Link"}
    assert made["responses"]["302"]["content"] == {"text/html": {"schema": {"type": "string"}}}
    assert made["responses"]["422"] == {"$ref": "#/components/responses/Problem422"}


def test_a_view_that_extends_another_keeps_its_sentences() -> None:
    """Fields of AgentDetail are documented where Agent's are."""
    registry = Registry()
    registry.route("GET", "/a", permission=PUBLIC, tag="x", answers={200: AgentDetail, 201: Agent})(do_thing)
    schemas = build_document(registry, "1")["components"]["schemas"]

    assert schemas["AgentDetail"]["properties"]["hostname"]["description"] == "host.name"


def test_the_same_routes_give_the_same_bytes() -> None:
    """The committed file changes only when the API does."""
    assert document_text() == document_text()
    assert document_text().endswith("}\n")
