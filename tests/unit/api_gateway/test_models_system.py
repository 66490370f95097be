"""The shape of an error."""

from __future__ import annotations

from pydantic import TypeAdapter

from api_gateway.models.system import Problem
from api_gateway.routing import problem_body
from servicekit.errors import Invalid
from servicekit.errors import Problem as Fault


def test_an_error_is_a_problem_with_the_keys_of_the_original() -> None:
    """RFC 9457 for libraries, error and details for those who knew the original."""
    error = Invalid("the content is not YAML", details=[Fault("raw_config", "bad", line=3), Fault("name", "empty")])

    body = problem_body(error, 422, "r-1")

    assert TypeAdapter(Problem).validate_python(body, strict=True) == body
    assert body == {
        "type": "urn:opamp-platform:error:invalid",
        "title": "Unprocessable Entity",
        "status": 422,
        "detail": "the content is not YAML",
        "code": "invalid",
        "error": "the content is not YAML",
        "details": [{"field": "raw_config", "message": "bad", "line": 3}, {"field": "name", "message": "empty"}],
        "request_id": "r-1",
    }
