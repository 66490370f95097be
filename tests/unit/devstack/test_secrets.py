from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from devstack import secrets
from devstack.errors import StackError

if TYPE_CHECKING:
    from pathlib import Path


def test_secrets_are_made_once(tmp_path: Path) -> None:
    """A second start finds those of the first, and what was added to them."""
    made = secrets.load_or_make(tmp_path)
    made.with_admin("admin", "pw").with_token("oet_x_y").save(tmp_path)

    found = secrets.load_or_make(tmp_path)

    assert found.nats == made.nats
    assert (found.admin_user, found.admin_password, found.enrolment_token) == ("admin", "pw", "oet_x_y")


def test_text_is_written_as_utf_8(tmp_path: Path) -> None:
    """Whatever the locale says: servers and scripts read these files."""
    secrets.write_private(tmp_path / "run", "项目")

    assert (tmp_path / "run").read_bytes() == "项目".encode()


def test_no_two_secrets_are_alike() -> None:
    """Each server and role has a password of its own, in each stack."""
    one, other = secrets.Secrets(), secrets.Secrets()

    values = [
        one.postgres,
        one.nats,
        one.redis,
        one.agent_state,
        one.config_service,
        one.package_service,
        one.s3,
        one.api_gateway,
        other.nats,
    ]
    assert len(set(values)) == len(values)
    assert all(len(value) >= 32 for value in values)


def test_only_the_owner_may_read_them(tmp_path: Path) -> None:
    """The file has mode 0600, also when an earlier one was open to all."""
    (tmp_path / secrets.FILE).touch(mode=0o644)
    secrets.Secrets().save(tmp_path)

    assert (tmp_path / secrets.FILE).stat().st_mode & 0o777 == 0o600


def test_data_without_secrets_is_refused(tmp_path: Path) -> None:
    """New passwords would not open old data; the message tells both ways out."""
    (tmp_path / "postgres" / "data").mkdir(parents=True)

    with pytest.raises(StackError, match=r"put .*secrets\.json back, or remove"):
        secrets.load_or_make(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"unknown": 1}'])
def test_damaged_secrets_are_refused(tmp_path: Path, text: str) -> None:
    """A half-written or foreign file is never taken for passwords."""
    (tmp_path / secrets.FILE).write_text(text)

    with pytest.raises(StackError, match="cannot be read"):
        secrets.load_or_make(tmp_path)
