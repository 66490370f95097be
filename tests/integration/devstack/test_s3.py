"""The object store of a stack."""

from __future__ import annotations

import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from devstack.errors import StackError
from devstack.s3 import binary

if TYPE_CHECKING:
    from devstack.s3 import S3Server


def test_it_keeps_what_it_holds_and_lets_no_stranger_in(s3_server: S3Server) -> None:
    """A kill loses nothing; a request without its key gets nothing; the key is in no list of processes."""
    kept = s3_server.folder / "objects" / "bucket" / "key"
    kept.parent.mkdir()
    kept.write_text("content")

    s3_server.kill()
    assert not s3_server.accepts()
    s3_server.start()

    assert s3_server.accepts()
    assert kept.read_text() == "content"
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"{s3_server.url}/bucket/key", timeout=30)  # noqa: S310 - our own http address
    caught.value.close()
    assert s3_server.secret_key not in Path(f"/proc/{s3_server.process.pid}/cmdline").read_text()
    s3_server.stop()


def test_missing_program_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The message says what to do."""
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))

    with pytest.raises(StackError, match="run 'make setup', or point FLEET_S3_ENDPOINT"):
        binary()
