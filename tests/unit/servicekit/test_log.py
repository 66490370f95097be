from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from servicekit import log


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    """Leave logging as it was found."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def last_line(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    """Read the last line logged."""
    line: dict[str, object] = json.loads(capsys.readouterr().err.strip().splitlines()[-1])
    return line


def test_a_line_is_json_with_service_and_context(capsys: pytest.CaptureFixture[str]) -> None:
    """Outside a terminal each line is one JSON object with the bound context."""
    log.configure("door", "info", "json")
    with structlog.contextvars.bound_contextvars(request_id="r1"):
        structlog.get_logger().info("opened", count=2)
    line = last_line(capsys)
    assert (line["event"], line["service"], line["request_id"], line["count"]) == ("opened", "door", "r1", 2)
    assert line["level"] == "info"


@pytest.mark.parametrize("key", ["password", "enrolment_token", "Authorization", "client_secret", "api_key"])
def test_secrets_are_masked_by_their_key(key: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A value under a key that names a secret is never written."""
    log.configure("door", "info", "json")
    structlog.get_logger().info("opened", **{key: "s3cret"})
    assert last_line(capsys)[key] == log.MASK


@pytest.mark.parametrize("fmt", ["json", "console"])
def test_a_traceback_shows_no_local_variables(fmt: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What a function held when it failed may be a password."""
    log.configure("door", "info", fmt)

    def fail(password: str) -> None:
        raise ValueError(len(password))

    try:
        fail("hush-" * 3)
    except ValueError:
        structlog.get_logger().exception("failed")

    text = capsys.readouterr().err
    assert "ValueError" in text
    assert "hush-hush" not in text


def test_long_values_are_cut(capsys: pytest.CaptureFixture[str]) -> None:
    """A megabyte in one field does not become a megabyte of log."""
    log.configure("door", "info", "json")
    structlog.get_logger().info("opened", text="x" * 1_000_000)
    assert len(str(last_line(capsys)["text"])) < 5000


def test_a_line_break_cannot_forge_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A value with line breaks stays inside its line."""
    log.configure("door", "info", "json")
    structlog.get_logger().info("opened", name='a\n{"event": "forged"}')
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_the_level_changes_at_run_time(capsys: pytest.CaptureFixture[str]) -> None:
    """After set_level the same logger says more, or less."""
    log.configure("door", "info", "json")
    logger = structlog.get_logger()
    logger.debug("quiet")
    assert capsys.readouterr().err == ""
    log.set_level("debug")
    logger.debug("loud")
    assert last_line(capsys)["event"] == "loud"
    assert log.get_level() == "debug"


def test_an_unknown_level_is_refused() -> None:
    """A level nobody knows changes nothing and says what would work."""
    with pytest.raises(ValueError, match="debug, info, warning, error"):
        log.set_level("loud")


def test_an_exception_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A traceback travels inside its JSON line."""
    log.configure("door", "info", "json")
    try:
        raise KeyError("x")
    except KeyError:
        structlog.get_logger().exception("failed")
    line = last_line(capsys)
    assert "KeyError" in str(line["exception"])
