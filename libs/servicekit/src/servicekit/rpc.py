"""How an error travels on the bus: kind, code, sentence and details as headers of the answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from urllib.parse import quote, unquote

import orjson

from servicekit.errors import Kind, Problem, ServiceError, class_of

KIND_HEADER = "Fleet-Error-Kind"
CODE_HEADER = "Fleet-Error-Code"
PUBLIC_HEADER = "Fleet-Error-Public"
DETAILS_HEADER = "Fleet-Error-Details"
RETRY_HEADER = "Fleet-Error-Retry-After"

MAX_DETAILS = 100


def encode_error(error: ServiceError) -> dict[str, str]:
    """Write an error as headers; text is percent-encoded because NATS headers are lines."""
    headers = {
        KIND_HEADER: error.kind,
        CODE_HEADER: error.stable_code,
        PUBLIC_HEADER: quote(error.public),
    }
    if error.details:
        details = [asdict(problem) for problem in error.details[:MAX_DETAILS]]
        headers[DETAILS_HEADER] = quote(orjson.dumps(details))
    if error.retry_after_seconds is not None:
        headers[RETRY_HEADER] = str(error.retry_after_seconds)
    return headers


def decode_error(headers: Mapping[str, str] | None) -> ServiceError | None:
    """Read an error from the headers of an answer; None when the answer is none."""
    if not headers or KIND_HEADER not in headers:
        return None
    details = orjson.loads(unquote(headers[DETAILS_HEADER])) if DETAILS_HEADER in headers else []
    retry = headers.get(RETRY_HEADER)
    error = class_of(Kind(headers[KIND_HEADER]))(
        unquote(headers.get(PUBLIC_HEADER, "")),
        details=[Problem(**detail) for detail in details],
        retry_after_seconds=float(retry) if retry is not None else None,
    )
    error.remote_code = headers.get(CODE_HEADER)
    return error
