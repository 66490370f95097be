from __future__ import annotations

import json
import subprocess
import threading
from typing import TYPE_CHECKING, Any, cast

import pytest

from devstack import platform as module
from devstack.errors import StackError
from devstack.platform import External, Platform, ToolFailed
from devstack.ports import Ports
from devstack.secrets import Secrets

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from devstack.processes import Process

ELSEWHERE = External("postgresql://root:r%40t@db.example:6432", "nats://bus.example", "redis://cache.example/2")


class Tools:
    """What commands of services answer, and what they were asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **answers: list[tuple[int, str, str]]) -> None:
        self.asked: list[tuple[str, ...]] = []
        self._answers = answers
        """By the last word of the command: admin, token."""

        monkeypatch.setattr(subprocess, "run", self._run)

    def _run(self, argv: Sequence[str], **_more: Any) -> subprocess.CompletedProcess[str]:
        self.asked.append(tuple(argv[2:]))
        code, out, err = self._answers[argv[3].rpartition("-")[2]].pop(0)
        return subprocess.CompletedProcess(argv, code, out, err)


def _platform(tmp_path: Path, external: External = ELSEWHERE, secrets: Secrets | None = None) -> Platform:
    made = Platform(tmp_path, Ports.default(2), external)
    made._secrets = secrets or Secrets(agent_state="a/b")
    return made


@pytest.mark.parametrize(("given", "used"), [("", "fleet"), ("/postgres", "fleet"), ("/mine", "mine")])
def test_database_of_an_external_server(tmp_path: Path, given: str, used: str) -> None:
    """A database named in the address is used; the server's own is left alone."""
    platform = _platform(tmp_path, External(f"postgresql://root:x@h:1{given}"))

    assert platform.admin_url == f"postgresql://root:x@h:1/{used}"


def test_services_log_in_as_themselves(tmp_path: Path) -> None:
    """Their addresses have the server of the superuser's address, and nothing of its login."""
    addresses = _platform(tmp_path).addresses

    assert addresses.postgres["agent-state"] == "postgresql://agent_state:a%2Fb@db.example:6432/fleet"
    assert (addresses.nats, addresses.redis) == ("nats://bus.example", "redis://cache.example/2")


def test_first_admin_and_token_are_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was made is remembered at once; a second start asks for nothing."""
    tools = Tools(
        monkeypatch,
        admin=[(0, 'a warning\n{"username": "admin", "password": "pw"}\n', "")],
        token=[(0, '{"id": "1", "secret": "oet_1_x"}', "")],
    )
    platform = _platform(tmp_path)
    platform.greet()
    platform.greet()

    assert sorted(words[:2] for words in tools.asked) == [
        ("agent_state", "create-enrolment-token"),
        ("api_gateway", "create-admin"),
    ]
    kept = json.loads((tmp_path / "secrets.json").read_text())
    assert (kept["admin_user"], kept["admin_password"], kept["enrolment_token"]) == ("admin", "pw", "oet_1_x")


def test_unknown_admin_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An admin whose password we do not know keeps it; another one is made."""
    tools = Tools(monkeypatch, admin=[(3, "", "there is one"), (0, '{"username": "u", "password": "p"}', "")])
    platform = _platform(tmp_path, secrets=Secrets(enrolment_token="t"))

    platform.greet()

    assert tools.asked[1][:3] == ("api_gateway", "create-admin", "--username")
    assert tools.asked[1][3].startswith("admin-")


def test_failed_tool_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its last word and code are told."""
    Tools(monkeypatch, admin=[(1, "", "Traceback …\nValueError: bad\n")])

    with pytest.raises(ToolFailed, match=r"^api_gateway create-admin failed with code 1: ValueError: bad$"):
        _platform(tmp_path, secrets=Secrets(enrolment_token="t")).greet()


def test_tool_that_hangs_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for ever."""

    def hang(*_words: Any, **_more: Any) -> None:
        raise subprocess.TimeoutExpired("x", 60)

    monkeypatch.setattr(subprocess, "run", hang)

    with pytest.raises(StackError, match="api_gateway create-admin did not end within 60 s"):
        _platform(tmp_path, secrets=Secrets(enrolment_token="t")).greet()


def test_facts_tell_everything(tmp_path: Path) -> None:
    """Scripts find every address; nobody else may read them."""
    platform = _platform(tmp_path, secrets=Secrets(admin_user="admin", admin_password="p", enrolment_token="t"))

    platform.write_facts()

    facts = json.loads((tmp_path / "run.json").read_text())
    assert (tmp_path / "run.json").stat().st_mode & 0o777 == 0o600
    assert facts["api_url"] == "http://127.0.0.1:8080"
    assert facts["opamp_url"] == "ws://127.0.0.1:4320/v1/opamp"
    assert facts["opamp_http_urls"][1] == "http://127.0.0.1:4321/v1/opamp"
    assert (facts["nats_url"], facts["admin_user"], facts["enrolment_token"]) == ("nats://bus.example", "admin", "t")
    assert facts["ops_urls"].keys() == {
        "agent-state",
        "config-service",
        "api-gateway",
        "opamp-gateway-1",
        "opamp-gateway-2",
    }


def test_end_goes_from_the_doors_to_the_database(tmp_path: Path) -> None:
    """Agents' doors close first, so that their last facts are heard; servers go last, the database after all."""
    ended: list[str] = []
    lock = threading.Lock()

    class Ending:
        def __init__(self, name: str) -> None:
            self.name = name

        def stop(self, _grace: float) -> None:
            with lock:
                ended.append(self.name)

    platform = _platform(tmp_path)
    names = ["postgres", "nats", "redis", "agent-state", "config-service", "api-gateway", "opamp-gateway-1"]
    platform.processes = {name: cast("Process", Ending(name)) for name in names}

    platform.stop()

    assert set(ended[:2]) == {"api-gateway", "opamp-gateway-1"}
    assert set(ended[2:4]) == {"agent-state", "config-service"}
    assert ended[4:] == ["redis", "nats", "postgres"]


def test_only_ports_of_our_own_servers_are_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy port of a server that runs elsewhere is none of our business."""
    asked: list[dict[str, int]] = []
    monkeypatch.setattr(module, "require_free", asked.append)
    monkeypatch.setattr(module, "prepare", lambda *_: pytest.skip("far enough"))

    with pytest.raises(pytest.skip.Exception):
        _platform(tmp_path).start()

    assert not {"postgres", "nats", "nats_monitor", "redis"} & asked[0].keys()
    assert {"api", "opamp_1", "opamp_2"} <= asked[0].keys()
