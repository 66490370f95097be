"""What scenes make."""

from __future__ import annotations

import uuid

from opampctl.conformance.as_server.scene import new_uid


def test_uids_given_to_agents_are_version_7() -> None:
    """A server gives ids of the kind agents are to use."""
    made = uuid.UUID(bytes=new_uid())

    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert new_uid() != new_uid()
