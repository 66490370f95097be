"""The stage for long sieges."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
import structlog
from gatewaylab.stage import world

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["world"]


@pytest.fixture
def quiet_logs() -> Iterator[None]:
    """Say nothing of each of a hundred thousand mishaps."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    yield None
    structlog.configure(**before)
