"""
The OpenAPI 3.1 document, from the declared routes and their models; nobody writes it by hand.

Committed as services/api-gateway/openapi.json: a difference there is a change of the API and is reviewed as one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, get_args

import orjson
from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from api_gateway.models.paging import PageQuery
from api_gateway.models.system import Problem
from api_gateway.permissions import GRANTS, Access, Permission
from api_gateway.reading import LABEL_FIELD
from api_gateway.registry import RateClass, Registry, Route
from api_gateway.routes import all_routes

API_VERSION = "1.0.0"
"""Of the API, not of the service: changes when the contract does."""

_REFERENCE = "#/components/schemas/{model}"
_PROBLEM_TEXT: dict[int, str] = {
    400: "The request cannot be read.",
    401: "No access token, or one that is not valid any more.",
    403: "The role lacks the permission.",
    404: "There is no such thing.",
    408: "The body stopped arriving.",
    409: "It exists already, or its state forbids this.",
    412: "It changed since it was read (If-Match).",
    413: "The body is too long.",
    415: "The body is compressed.",
    422: "The document was read, and its content is refused; details name the fields.",
    429: "Too many requests; see Retry-After.",
    503: "A part that is needed does not answer; see Retry-After.",
    504: "The agent did not answer in time.",
}
_ANSWER_TEXT: dict[int, str] = {
    200: "Done.",
    201: "Made.",
    202: "Taken on.",
    206: "The bytes asked for.",
    307: "At the object store, for some minutes.",
    416: "The range lies outside the file.",
    302: "Elsewhere.",
    304: "What the client has is current.",
    503: "It cannot work just now.",
}

Json = dict[str, Any]


def build_document(registry: Registry, version: str) -> Json:
    """Write the document; the same input gives the same bytes."""
    schemas = _Schemas(registry.routes)
    paths: dict[str, Json] = {}
    for route in registry.routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "OpAMP Platform API",
            "version": version,
            "description": (
                "Agents, their configurations and who may change them. Log in with POST /api/v1/auth/login and send "
                "the token as `Authorization: Bearer <token>`. Errors are problem details (RFC 9457). Lists are "
                "paged by limit and offset, or better by cursor. Sending If-Match with the ETag of a configuration "
                "guards a change against somebody else's."
            ),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}],
        "tags": [{"name": tag} for tag in dict.fromkeys(route.tag for route in registry.routes)],
        "paths": paths,
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
            "responses": _problem_responses(),
            "schemas": schemas.definitions,
        },
    }


def document_text() -> str:
    """Write the document of every route as it is committed: indented, one newline at the end."""
    document = build_document(all_routes(), API_VERSION)
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode()


class _Schemas:
    """Schemas of every model the routes name, each once."""

    def __init__(self, routes: Iterable[Route]) -> None:
        wanted: dict[tuple[str, JsonSchemaMode], TypeAdapter[Any]] = {}
        for model in _models(routes, bodies=True):
            wanted[(_key(model), "validation")] = TypeAdapter(model)
        for model in _models(routes, bodies=False):
            wanted[(_key(model), "serialization")] = TypeAdapter(model)
        inputs = [(key, mode, adapter) for (key, mode), adapter in wanted.items()]
        references, top = TypeAdapter.json_schemas(inputs, ref_template=_REFERENCE)
        self._references: dict[str, Json] = {str(key): schema for (key, _), schema in references.items()}
        self.definitions: dict[str, Json] = {
            name: _tidied(schema) for name, schema in sorted(top.get("$defs", {}).items())
        }
        for model in _models(routes, bodies=False):
            self._inherit_descriptions(model)

    def of(self, model: Any) -> Json:
        """Refer to a model's schema."""
        return self._references[_key(model)]

    def _inherit_descriptions(self, model: Any) -> None:
        """Fields a view has from another keep that one's sentences."""
        own = self.definitions.get(getattr(model, "__name__", ""), {}).get("properties", {})
        for base in getattr(model, "__orig_bases__", ()):
            theirs = self.definitions.get(getattr(base, "__name__", ""), {}).get("properties", {})
            for field, schema in theirs.items():
                if "description" in schema and field in own:
                    own[field].setdefault("description", schema["description"])


def _models(routes: Iterable[Route], *, bodies: bool) -> list[Any]:
    found: dict[str, Any] = {} if bodies else {"Problem": Problem}
    for route in routes:
        named = (
            [route.body] if bodies else [model for model in route.answers.values() if not isinstance(model, str | None)]
        )
        for model in named:
            if model is not None:
                found[_key(model)] = model
    return list(found.values())


def _key(model: Any) -> str:
    return str(model) if get_args(model) else str(model.__name__)


def _operation(route: Route, schemas: _Schemas) -> Json:
    operation: Json = {"operationId": route.name, "tags": [route.tag], "summary": route.summary}
    if route.description:
        operation["description"] = route.description
    if route.aliases:
        operation["x-alias-paths"] = list(route.aliases)
    parameters = [*_path_parameters(route), *_query_parameters(route), *_header_parameters(route)]
    if parameters:
        operation["parameters"] = parameters
    if route.body is not None:
        operation["requestBody"] = {
            "required": route.body_required,
            "content": {"application/json": {"schema": schemas.of(route.body)}},
        }
    if route.consumes:
        operation["requestBody"] = {
            "required": True,
            "content": {kind: {"schema": schema} for kind, schema in route.consumes.items()},
        }
    operation["responses"] = {**_answers(route, schemas), **_problems(route)}
    if isinstance(route.permission, Permission):
        operation["x-permission"] = route.permission.value
        operation["x-roles"] = [role.value for role, granted in GRANTS.items() if route.permission in granted]
    else:
        operation["security"] = []
    return operation


def _path_parameters(route: Route) -> list[Json]:
    names: list[str] = re.findall(r"\{(\w+)\}", route.path)
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "integer", "minimum": 1} if name == "version" else {"type": "string"},
        }
        for name in names
    ]


def _query_parameters(route: Route) -> list[Json]:
    schema = route.query.model_json_schema()
    definitions: Mapping[str, Json] = schema.get("$defs", {})
    parameters = []
    for name, declared in schema.get("properties", {}).items():
        field = _tidied(dict(declared))
        description = field.pop("description", "")
        if "$ref" in field:
            field = dict(definitions[str(field["$ref"]).rsplit("/", 1)[1]])
        parameter: Json = {"name": name, "in": "query", "description": description, "schema": field}
        if name == LABEL_FIELD and field.get("type") == "object":
            parameter |= {"name": "label.<key>", "schema": {"type": "string"}}
        elif field.get("type") == "array":
            parameter |= {"style": "form", "explode": True}
            field.pop("default", None)
        parameters.append(parameter)
    return parameters


def _header_parameters(route: Route) -> list[Json]:
    if route.etag and route.method == "GET":
        return [
            {
                "name": "If-None-Match",
                "in": "header",
                "description": "ETags of what the client has; if the answer is one of them, it is 304 without a body.",
                "schema": {"type": "string"},
            }
        ]
    if not route.if_match:
        return []
    return [
        {
            "name": "If-Match",
            "in": "header",
            "description": "ETag of the version the change is based on; without it the change goes through.",
            "schema": {"type": "string"},
        }
    ]


def _answers(route: Route, schemas: _Schemas) -> Json:
    answers: Json = {}
    for status, model in route.answers.items():
        if model is None:
            answers[str(status)] = {"description": _ANSWER_TEXT[status]}
            continue
        if isinstance(model, str):
            content: Json = {model: {"schema": {"type": "string"}}}
        else:
            content = {"application/json": {"schema": schemas.of(model)}}
        answer: Json = {"description": _ANSWER_TEXT[status], "content": content}
        headers = _answer_headers(route)
        if headers:
            answer["headers"] = headers
        answers[str(status)] = answer
    if route.etag and route.method == "GET":
        answers["304"] = {"description": "What the client has is current.", "headers": _answer_headers(route)}
    return answers


def _answer_headers(route: Route) -> Json:
    headers: Json = {}
    if route.etag:
        headers["ETag"] = {"description": "The version, in quotes.", "schema": {"type": "string"}}
    if issubclass(route.query, PageQuery):
        headers["Link"] = {"description": 'The next page, rel="next".', "schema": {"type": "string"}}
    return headers


def _problems(route: Route) -> Json:
    statuses = set(route.errors)
    if route.rate is not RateClass.NONE:
        statuses |= {400, 503}
    if route.permission is not Access.PUBLIC:
        statuses |= {401, 403, 429}
    if route.body is not None:
        statuses |= {413, 415, 422}
    if route.consumes:
        statuses |= {408, 413, 422}
    return {
        str(status): {"$ref": f"#/components/responses/Problem{status}"}
        for status in sorted(statuses - set(route.answers))
    }


def _problem_responses() -> Json:
    schema = {"$ref": _REFERENCE.format(model="Problem")}
    return {
        f"Problem{status}": {"description": text, "content": {"application/problem+json": {"schema": schema}}}
        for status, text in _PROBLEM_TEXT.items()
    }


def _tidied(schema: Json) -> Json:
    """Drop the titles pydantic makes of field names, and docstring indentation."""
    schema.pop("title", None)
    if isinstance(schema.get("description"), str):
        schema["description"] = re.sub(r"\s*\n\s*", " ", schema["description"]).strip()
    for field in schema.get("properties", {}).values():
        if isinstance(field, dict):
            _tidied(field)
    for part in ("anyOf", "oneOf"):
        for option in schema.get(part, ()):
            if isinstance(option, dict):
                _tidied(option)
    return schema
