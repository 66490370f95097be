"""The OpenAPI document: valid, current, complete, and saying what the API does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jsonschema
import orjson
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from api_gateway.openapi import document_text
from api_gateway.permissions import Permission
from api_gateway.routes import all_routes
from config_service import validation

COMMITTED = Path(__file__).parents[3] / "services" / "api-gateway" / "openapi.json"
DOCUMENT: Any = orjson.loads(document_text())
METHODS = {"get", "post", "put", "patch", "delete"}
OPERATIONS = [
    (path, method, operation)
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
    if method in METHODS
]
B1 = [
    "GET /health", "GET /health/ready", "GET /health/live", "GET /metrics", "POST /api/v1/auth/login",
    "POST /api/v1/auth/register", "GET /api/v1/me", "GET /api/v1/agents/online", "GET /api/v1/agents/offline",
    "GET /api/v1/agents/status/summary", "GET /api/v1/agents", "GET /api/v1/agents/{id}", "DELETE /api/v1/agents/{id}",
    "GET /api/v1/agents/{id}/apply-history", "GET /api/v1/agents/{id}/connection-history",
    "GET /api/v1/agents/{id}/active-connection", "GET /api/v1/configurations", "GET /api/v1/configurations/{name}",
    "POST /api/v1/configurations", "PUT /api/v1/configurations/{name}", "DELETE /api/v1/configurations/{name}",
    "POST /api/v1/configurations/{name}/push", "GET /api/v1/configurations/{name}/history",
    "GET /api/v1/configurations/{name}/history/{version}", "POST /api/v1/configurations/{name}/rollback/{version}",
    "GET /api/v1/configurations/{name}/apply-history",
]  # fmt: skip
"""The original's routes but for OpAMP itself, its viewer, and packages."""


def test_the_document_is_valid_openapi_3_1() -> None:
    """By the specification's own schema."""
    OpenAPIV31SpecValidator(DOCUMENT).validate()
    assert DOCUMENT["openapi"].startswith("3.1")


def test_the_committed_file_is_current() -> None:
    """A change of the API is reviewed as a change of this file: run `make docs`."""
    assert COMMITTED.read_text() == document_text()


def test_every_route_of_the_original_is_there() -> None:
    """Same method, same path."""
    known = {f"{route.method} {route.path}" for route in all_routes().routes}

    assert [route for route in B1 if route not in known] == []


def test_seed_004_finds_its_paths() -> None:
    """Every agent path answers under /api/agents too."""
    aliases = {alias for route in all_routes().routes for alias in route.aliases}

    assert {
        "/api/agents/online",
        "/api/agents/offline",
        "/api/agents/status/summary",
        "/api/agents/{id}/connection-history",
        "/api/agents/{id}/active-connection",
    } <= aliases


def test_every_operation_is_documented() -> None:
    """A sentence, a name of its own, its permission, its parameters, its errors."""
    assert len({operation["operationId"] for _, _, operation in OPERATIONS}) == len(OPERATIONS)
    for path, method, operation in OPERATIONS:
        where = f"{method} {path}"
        assert operation["summary"], where
        if operation.get("security") != []:
            assert operation["x-permission"] in set(Permission), where
            assert {"401", "403", "429"} <= set(operation["responses"]), where
        if "requestBody" in operation:
            assert {"400", "413", "422"} <= set(operation["responses"]), where
        for parameter in operation.get("parameters", ()):
            assert parameter["in"] == "path" or parameter["description"], f"{where} {parameter['name']}"


def test_every_model_has_a_sentence() -> None:
    """100 % documentation was a target of the original."""
    assert [name for name, schema in DOCUMENT["components"]["schemas"].items() if not schema.get("description")] == []


def test_nothing_is_referred_to_that_is_not_there() -> None:
    """And nothing is there that nobody refers to."""
    text = document_text()
    for kind in ("schemas", "responses"):
        for name in DOCUMENT["components"][kind]:
            assert f'"#/components/{kind}/{name}"' in text, name


def test_names_and_lengths_are_those_the_services_enforce() -> None:
    """A client that keeps to the document is not refused further down."""
    new = DOCUMENT["components"]["schemas"]["NewConfiguration"]["properties"]
    pattern = re.compile(new["name"]["pattern"])

    for name in ("edge", "a", "x" * 128, "x" * 129, "-a", ".a", "a b", "a/b", "A.b_c-9", ""):
        assert bool(pattern.search(name)) is (validation.check_name(name) == []), name
    assert new["name"]["maxLength"] == 128
    assert new["description"]["anyOf"][0]["maxLength"] == validation.MAX_DESCRIPTION
    assert new["display_name"]["anyOf"][0]["maxLength"] == validation.MAX_DISPLAY_NAME
    assert new["comment"]["maxLength"] == validation.MAX_COMMENT


def test_only_what_can_happen_is_declared() -> None:
    """Enrolment tokens may share a name; whoever has a version gets 304."""
    paths = DOCUMENT["paths"]

    assert "409" not in paths["/api/v1/enrolment-tokens"]["post"]["responses"]
    for path in ("/api/v1/configurations/{name}", "/api/v1/configurations/{name}/history/{version}"):
        read = paths[path]["get"]
        assert "content" not in read["responses"]["304"]
        assert "If-None-Match" in {parameter["name"] for parameter in read["parameters"]}


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("NewConfiguration", {"name": "edge", "selector": {"env": "prod"}}, {"selector": {}}),
        ("Credentials", {"username": "jo", "password": "x"}, {"username": "jo"}),
        ("NewConfiguration", {"name": "x" * 128}, {"name": "-edge"}),
        ("Assignment", {"configuration_name": "edge"}, {"configuration_name": ""}),
        ("UserChange", {"role": "admin"}, {"role": "root"}),
        ("PushTargets", {}, {"agents": []}),
    ],
)
def test_schemas_tell_good_from_bad(name: str, good: object, bad: object) -> None:
    """What the document says is what the code does."""
    schema = {**DOCUMENT["components"]["schemas"][name], "components": DOCUMENT["components"]}
    validator = jsonschema.Draft202012Validator(schema)

    assert validator.is_valid(good)
    assert not validator.is_valid(bad)
