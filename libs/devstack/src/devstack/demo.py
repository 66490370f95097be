"""The platform with a simulated fleet: three environments, two configurations, one agent that refuses."""

from __future__ import annotations

import json
import shlex
import sys
import time
from typing import TYPE_CHECKING, Any

from devstack import services
from devstack.processes import Process
from devstack.readiness import require_alive, wait_all_ready
from devstack.rest import Rest

if TYPE_CHECKING:
    from devstack.platform import Platform

AGENTS = 25
ENVIRONMENTS = ("prod", "staging", "dev")
LABEL = "deployment.environment.name"
CONNECT_SECONDS = 60.0
APPLY_SECONDS = 60.0
POLL_SECONDS = 0.25

BODY = """\
receivers:
  otlp:
    protocols:
      grpc:
        endpoint: 0.0.0.0:4317
processors:
  batch:
    timeout: {timeout}
exporters:
  otlphttp:
    endpoint: https://telemetry.{environment}.example.org
service:
  pipelines:
    traces:
      receivers: [otlp]
      processors: [batch]
      exporters: [otlphttp]
"""

CONFIGURATIONS: tuple[dict[str, Any], ...] = (
    {
        "name": "prod-collectors",
        "display_name": "Collectors in production",
        "description": "Matches every agent in the environment prod; one of them refuses it.",
        "content_type": "yaml",
        "raw_config": BODY.format(timeout="5s", environment="prod"),
        "selector": {LABEL: "prod"},
    },
    {
        "name": "staging-collectors",
        "display_name": "Collectors in staging",
        "description": "Matches every agent in the environment staging.",
        "content_type": "yaml",
        "raw_config": BODY.format(timeout="200ms", environment="staging"),
        "selector": {LABEL: "staging"},
    },
)


class Demo:
    """The fleet and its configurations on a running platform."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self.processes: list[Process] = []
        """The simulator, once started."""

        self._lines: list[str] = []

    def start(self) -> None:
        """
        Connect the fleet, create the configurations, and wait until agents have answered them.

        Raises:
            StackError: The fleet does not connect, or the API refuses.
        """
        facts, say = self._platform.facts, self._platform.say
        rest = Rest(str(facts["api_url"]), str(facts["admin_user"]), str(facts["admin_password"]))
        rest.login()
        self._connect_fleet()
        say(f"{AGENTS} agents are connected")
        for configuration in CONFIGURATIONS:
            made = rest.create("/configurations", configuration)
            say(f"configuration {configuration['name']} {'created' if made else 'is there already'}")
        self._lines = self._wait_until_answered(rest)

    def stop(self) -> None:
        """Let the fleet say goodbye."""
        for process in self.processes:
            process.stop()

    def welcome(self) -> str:
        """Tell what there is to see."""
        facts = self._platform.facts
        api = facts["api_url"]
        login = json.dumps({"username": facts["admin_user"], "password": facts["admin_password"]})
        unwrap = "python3 -c 'import json, sys; print(json.load(sys.stdin)[\"token\"])'"
        ask = f"curl -s {api}/api/v1/auth/login -H 'Content-Type: application/json'"
        look = [
            f"TOKEN=$({ask} -d {shlex.quote(login)} | {unwrap})",
            f'curl -s "{api}/api/v1/agents?limit=30" -H "Authorization: Bearer $TOKEN"',
        ]
        lines = ["Demo fleet", *(f"  {line}" for line in self._lines), "", "  Look at it:"]
        return "\n".join([*lines, *(f"    {line}" for line in look)])

    def _connect_fleet(self) -> None:
        facts, folder = self._platform.facts, self._platform.data / "demo"
        folder.mkdir(exist_ok=True)
        ready_file = folder / "fleet.json"
        ready_file.unlink(missing_ok=True)
        fleet = Process(
            name="demo-fleet",
            argv=[
                *(sys.executable, "-m", "opampctl", "simulate", "--agents", str(AGENTS)),
                *("--endpoint", str(facts["opamp_url"]), "--token-file", str(facts["enrolment_token_file"])),
                *("--environments", ",".join(ENVIRONMENTS), "--transport", "mixed"),
                *("--reject", "1", "--heartbeat", "5s", "--packages"),
                *("--uid-seed", "demo", "--state-folder", str(folder / "agents")),
                *("--ready-file", str(ready_file)),
            ],
            env=services.environment({}),
            log_path=self._platform.logs / "demo-fleet.log",
            ready=ready_file.exists,
        )
        self.processes.append(fleet)
        fleet.start()
        wait_all_ready([fleet], CONNECT_SECONDS, self._platform.say, needed=self._platform.processes.values())

    def _wait_until_answered(self, rest: Rest) -> list[str]:
        """Wait until every agent that matches has said applied or failed; returns what to print about it."""
        deadline = time.monotonic() + APPLY_SECONDS
        while True:
            require_alive([*self._platform.processes.values(), *self.processes])
            agents = rest.get(f"/agents?limit={2 * AGENTS}")["agents"]
            found = {agent["id"]: agent for agent in agents}
            lines, open_answers = [], 0
            for configuration in CONFIGURATIONS:
                name, environment = configuration["name"], configuration["selector"][LABEL]
                matching = sum((agent["labels"] or {}).get(LABEL) == environment for agent in found.values())
                newest: dict[str, dict[str, Any]] = {}
                for row in reversed(rest.get(f"/configurations/{name}/apply-history?limit=200")["histories"]):
                    newest[row["agent_id"]] = row
                states = [row["status"] for row in newest.values()]
                applied, failed = states.count("applied"), [r for r in newest.values() if r["status"] == "failed"]
                open_answers += max(0, matching - applied - len(failed)) or int(not matching)
                lines.append(f"{name}: {matching} agents match, {applied} applied, {len(failed)} failed")
                lines += [f"  {row['agent_id']} failed: {row['error_message']}" for row in failed]
            if not open_answers or time.monotonic() > deadline:
                return [f"{len(found)} agents in {len(ENVIRONMENTS)} environments", *lines]
            time.sleep(POLL_SECONDS)
