from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, cast

import pytest

from devstack import platform as module
from devstack.authority import load_or_make_authority
from devstack.platform import External, Platform
from devstack.ports import Ports
from devstack.secrets import Secrets
from devstack.services import ObjectStore

if TYPE_CHECKING:
    from pathlib import Path

    from devstack.processes import Process

ELSEWHERE = External(
    "postgresql://root:r%40t@db.example:6432",
    "nats://bus.example",
    "redis://cache.example/2",
    ObjectStore("https://s3.example"),
)


def _platform(tmp_path: Path, external: External = ELSEWHERE, secrets: Secrets | None = None) -> Platform:
    made = Platform(tmp_path, Ports.default(2), external)
    made._secrets = secrets or Secrets(agent_state="a/b")
    made._authority = load_or_make_authority(tmp_path)
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
    asked: list[str] = []

    def admin(*_: object) -> tuple[str, str]:
        asked.append("admin")
        return "admin", "pw"

    def token(*_: object) -> str:
        asked.append("token")
        return "oet_1_x"

    monkeypatch.setattr(module, "make_admin", admin)
    monkeypatch.setattr(module, "make_token", token)
    monkeypatch.setattr(module, "admin_is_refused", lambda *_: False)
    monkeypatch.setattr(module, "token_is_refused", lambda *_: False)
    platform = _platform(tmp_path)
    platform.greet()
    platform.greet()

    assert sorted(asked) == ["admin", "token"]
    kept = json.loads((tmp_path / "secrets.json").read_text())
    assert (kept["admin_user"], kept["admin_password"], kept["enrolment_token"]) == ("admin", "pw", "oet_1_x")


def test_refused_admin_and_token_are_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the greeting nor run.json tells a password or token that opens nothing; it says what it did."""
    said: list[str] = []
    platform = _platform(tmp_path, secrets=Secrets(admin_user="admin", admin_password="old", enrolment_token="oet_1_o"))
    platform.say = said.append
    monkeypatch.setattr(module, "admin_is_refused", lambda _url, user, password: (user, password) == ("admin", "old"))
    monkeypatch.setattr(module, "token_is_refused", lambda _url, token: token == "oet_1_o")
    monkeypatch.setattr(module, "make_admin", lambda _settings, _say, refused: (f"{refused}-2", "new"))
    monkeypatch.setattr(module, "make_token", lambda _settings: "oet_2_n")

    platform.greet()
    platform.write_facts()

    for name in ("secrets.json", "run.json"):
        kept = json.loads((tmp_path / name).read_text())
        assert (kept["admin_user"], kept["admin_password"], kept["enrolment_token"]) == ("admin-2", "new", "oet_2_n")
    assert (tmp_path / "enrolment-token").read_text() == "oet_2_n\n"
    assert (tmp_path / "enrolment-token").stat().st_mode & 0o777 == 0o600
    assert said == ["the enrolment token of the last start was revoked or has expired; making another one"]


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
        "package-service",
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

    def far_enough(*_: object) -> None:
        raise InterruptedError

    monkeypatch.setattr(module, "prepare", far_enough)

    with pytest.raises(InterruptedError):
        _platform(tmp_path).start()

    assert not {"postgres", "nats", "nats_monitor", "redis"} & asked[0].keys()
    assert {"api", "opamp_1", "opamp_2"} <= asked[0].keys()


def test_agent_state_is_told_what_credentials_are_made_with(tmp_path: Path) -> None:
    """And where agents find the first gateway; nobody else learns it."""
    platform = _platform(tmp_path)

    told = platform._settings_of("agent-state")

    assert told["AGENT_STATE_OPAMP_PUBLIC_URL"] == "ws://127.0.0.1:4320/v1/opamp"
    assert told["AGENT_STATE_CREDENTIAL_KEY_FILE"] == str(tmp_path / "credential-key")
    assert not [name for name in platform._settings_of("config-service") if "KEY" in name]


def test_doors_with_tls_are_told_as_such(tmp_path: Path) -> None:
    """To agents in their settings, to scripts in run.json."""
    platform = _platform(tmp_path, secrets=Secrets(enrolment_token="t"))
    platform.settings = {"OPAMP_GATEWAY_TLS_CERTIFICATE_FILE": "/tls.crt"}

    platform.write_facts()

    facts = json.loads((tmp_path / "run.json").read_text())
    assert facts["opamp_url"] == "wss://127.0.0.1:4320/v1/opamp"
    assert facts["opamp_http_url"] == "https://127.0.0.1:4320/v1/opamp"
    assert platform._settings_of("agent-state")["AGENT_STATE_OPAMP_PUBLIC_URL"] == facts["opamp_url"]
