from __future__ import annotations

import json
import shlex
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
import yaml

from devstack import demo
from devstack.demo import CONFIGURATIONS, ENVIRONMENTS, LABEL, Demo
from devstack.errors import StackError
from devstack.processes import Process

if TYPE_CHECKING:
    from devstack.platform import Platform
    from devstack.rest import Rest


class _Answers:
    """An API in which the fleet answers a little later."""

    def __init__(self, *, ever: bool = True) -> None:
        self.looks, self.ever = 0, ever

    def get(self, path: str) -> dict[str, Any]:
        """Two agents in prod, one in staging, one in dev; the first in prod refuses."""
        if path.startswith("/agents"):
            self.looks += 1
            places = ["prod", "prod", "staging", "dev"]
            return {"agents": [{"id": f"a{i}", "labels": {LABEL: place}} for i, place in enumerate(places)]}
        if self.looks < 2 or not self.ever:
            return {"histories": []}
        if "prod-collectors" in path:
            rows = [("a0", "failed", "will not"), ("a1", "applied", ""), ("a1", "superseded", "")]
        else:
            rows = [("a2", "applied", "")]
        return {"histories": [{"agent_id": a, "status": s, "error_message": e} for a, s, e in rows]}


def _demo(tmp_path: Path) -> Demo:
    facts = {"api_url": "http://127.0.0.1:8080", "admin_user": "admin", "admin_password": "p'w"}
    return Demo(cast("Platform", SimpleNamespace(facts=facts, data=tmp_path, logs=tmp_path, say=print, processes={})))


def test_two_of_three_environments_have_a_configuration() -> None:
    """One environment is left alone, so that a stranger sees both cases; every body is YAML."""
    places = [configuration["selector"][LABEL] for configuration in CONFIGURATIONS]

    assert sorted(places) == ["prod", "staging"]
    assert set(places) < set(ENVIRONMENTS)
    for configuration in CONFIGURATIONS:
        assert "service" in yaml.safe_load(configuration["raw_config"])


def test_demo_waits_until_all_have_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest attempt of each agent counts; the refusal is told with its words."""
    monkeypatch.setattr(demo, "POLL_SECONDS", 0)
    api = _Answers()

    lines = _demo(tmp_path)._wait_until_answered(cast("Rest", api))

    assert api.looks == 2
    assert lines == [
        "4 agents in 3 environments",
        "prod-collectors: 2 agents match, 1 applied, 1 failed",
        "  a0 failed: will not",
        "staging-collectors: 1 agents match, 1 applied, 0 failed",
    ]


def test_demo_does_not_wait_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When answers do not come it shows what there is."""
    monkeypatch.setattr(demo, "POLL_SECONDS", 0)
    monkeypatch.setattr(demo, "APPLY_SECONDS", 0)

    lines = _demo(tmp_path)._wait_until_answered(cast("Rest", _Answers(ever=False)))

    assert "prod-collectors: 2 agents match, 0 applied, 0 failed" in lines


def test_demo_ends_when_a_service_does(tmp_path: Path) -> None:
    """It does not wait for answers of a fleet whose platform is gone."""
    made = _demo(tmp_path)
    made.processes.append(Process("fleet", [], tmp_path / "fleet.log", ready=lambda: True))

    with pytest.raises(StackError, match=r"^fleet ended with code None: see "):
        made._wait_until_answered(cast("Rest", _Answers(ever=False)))


def test_welcome_shows_commands_that_can_be_copied(tmp_path: Path) -> None:
    """The login in the curl command is valid JSON."""
    text = _demo(tmp_path).welcome()

    login = shlex.split(text.split("-d ")[1])[0]
    assert json.loads(login) == {"username": "admin", "password": "p'w"}
    assert "/api/v1/agents?limit=30" in text
