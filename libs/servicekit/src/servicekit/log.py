"""
Structured logs: one line per thing that happened, JSON outside a terminal, colours inside.

The level can be changed while the process runs (set_level; the ops server exposes it). Secrets are masked by
key name, long values are cut, so that a careless caller cannot leak or flood.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Literal

import orjson
import structlog

LEVELS = ("debug", "info", "warning", "error")
Level = Literal["debug", "info", "warning", "error"]
Format = Literal["auto", "json", "console"]

MAX_VALUE_LENGTH = 4096
_SECRET_KEY = re.compile(r"password|secret|token|authorization|cookie|private_key|api_key|passphrase", re.IGNORECASE)
_HARMLESS_KEY = re.compile(r"token_id|secret_name|tokens?_count", re.IGNORECASE)
MASK = "***"


def configure(service: str, level: str = "info", fmt: str = "auto") -> None:
    """Set up logging for this process; standard-library loggers join in at warning and above."""
    as_json = fmt == "json" or (fmt == "auto" and not sys.stderr.isatty())
    renderer: Any = (
        structlog.processors.JSONRenderer(serializer=_to_json)
        if as_json
        # The renderer's own choice prints local variables, and those hold passwords.
        else structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    )
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        _Stamp(service),
        mask_secrets,
        structlog.processors.StackInfoRenderer(),
    ]
    if as_json:
        shared.append(structlog.processors.format_exc_info)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    set_level(level)
    for noisy in ("nats", "asyncio", "aiohttp.access", "aiohttp.server", "websockets"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def set_level(level: str) -> None:
    """
    Change what is logged from now on.

    Raises:
        ValueError: Not one of LEVELS.
    """
    if level not in LEVELS:
        message = f"unknown log level {level!r}, expected one of {', '.join(LEVELS)}"
        raise ValueError(message)
    logging.getLogger().setLevel(level.upper())


def get_level() -> str:
    """Tell the level in force."""
    return logging.getLevelName(logging.getLogger().level).lower()


def mask_secrets(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace values whose key names a secret, and cut values that are too long."""
    for key, value in event.items():
        if _SECRET_KEY.search(key) and not _HARMLESS_KEY.search(key):
            event[key] = MASK
        elif isinstance(value, str) and len(value) > MAX_VALUE_LENGTH:
            event[key] = value[:MAX_VALUE_LENGTH] + f"… ({len(value)} characters)"
    return event


class _Stamp:
    def __init__(self, service: str) -> None:
        self._service = service

    def __call__(self, _logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event.setdefault("service", self._service)
        return event


def _to_json(event: Any, **_: Any) -> str:
    return orjson.dumps(event, default=str).decode()
