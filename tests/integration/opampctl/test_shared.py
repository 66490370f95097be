"""What several commands have in common: how agents are named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

if TYPE_CHECKING:
    from rest_double import Run


def test_an_agent_may_be_named_by_a_part(opampctl: Run) -> None:
    """A part of the host name that fits one agent is enough; one that fits several lists them."""
    one = opampctl("agents", "get", "prod-00002", "-o", "yaml")
    several = opampctl("agents", "get", "prod")
    none = opampctl("agents", "get", "nowhere")

    assert yaml.safe_load(one.stdout)["hostname"] == "edge-prod-00002"
    assert several.exit_code == 6
    assert "edge-prod-00003" in several.stderr
    assert none.exit_code == 5
