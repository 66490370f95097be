"""What several tests of api-gateway check."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from pydantic import TypeAdapter


@pytest.fixture
def conforms() -> Callable[[Any, Any], None]:
    """Give a check that a view has exactly the fields and types openapi.json promises, and is JSON."""

    def check(view: Any, value: Any) -> None:
        assert TypeAdapter(view).validate_python(value, strict=True) == value
        orjson.dumps(value)

    return check
