"""
A large fleet that lives on for minutes: `python -m benchmarks.soak [--agents N] [--minutes M]`.

Starts the platform with several gateways, connects simulated agents, and looks every ten seconds: who is online by
the API's word, how often anybody was said to be offline, how much memory each service holds. Ends with 1 when an agent
was falsely offline, lost its connection, or a service grew without bound.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import time
import urllib.request
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks import machine
from benchmarks.platform import Api
from devstack.platform import Platform
from devstack.ports import Ports

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "benchmarks/results/soak.json"
DOCUMENT = ROOT / "docs/benchmarks.md"
BEGIN, END = "<!-- soak: written by python -m benchmarks.soak, never by hand -->", "<!-- end of soak -->"

LOOK_SECONDS = 10.0
SETTLE_SECONDS = 90.0
"""Memory is compared from here on: caches and pools are warm by then."""

GROWTH_ALLOWED = 0.25
GROWTH_FLOOR_BYTES = 24 * 1024 * 1024
_RSS = re.compile(r"^process_resident_memory_bytes (\S+)", re.MULTILINE)
_OFFLINE = re.compile(r'^opamp_platform_agent_status_changes_total\{[^}]*to="offline"[^}]*\} (\S+)', re.MULTILINE)


@dataclass(frozen=True)
class Look:
    """What was seen at one moment."""

    seconds: float
    online: int
    offline: int
    said_offline: int
    """Transitions to offline so far, by agent-state's own count."""

    resident_bytes: dict[str, int]


@dataclass
class Soak:
    """One run."""

    agents: int
    gateways: int
    minutes: float
    looks: list[Look] = field(default_factory=list)
    fleet: dict[str, Any] = field(default_factory=dict)

    def faults(self) -> list[str]:
        """Say what did not hold; empty when all did."""
        found = [
            f"at {look.seconds:.0f} s {look.online} of {self.agents} were online"
            for look in self.looks
            if look.online != self.agents or look.offline
        ]
        if self.looks and self.looks[-1].said_offline:
            found.append(f"{self.looks[-1].said_offline} times an agent was said to be offline")
        for service, (first, last) in self.growth().items():
            if last - first > max(GROWTH_ALLOWED * first, GROWTH_FLOOR_BYTES):
                found.append(f"{service} grew from {first >> 20} to {last >> 20} MiB")
        return found

    def growth(self) -> dict[str, tuple[int, int]]:
        """Resident bytes of each service after it settled, and at the end."""
        settled = [look for look in self.looks if look.seconds >= SETTLE_SECONDS] or self.looks
        first, last = settled[0].resident_bytes, settled[-1].resident_bytes
        return {service: (first[service], last[service]) for service in first}


def fetch(url: str) -> str:
    """Read a page of text."""
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - our own platform on loopback
        text: str = answer.read().decode()
        return text


def ask_summary(platform: Platform) -> dict[str, int]:
    """Ask the API how many are online, as somebody who just logged in: access tokens live shorter than a soak."""
    facts = platform.facts
    with closing(Api(str(facts["api_url"]), str(facts["admin_user"]), str(facts["admin_password"]))) as api:
        summary: dict[str, int] = api.ask("GET", "/agents/status/summary")
        return summary


def look_at(platform: Platform, began: float) -> Look:
    """Look once."""
    resident, said_offline = {}, 0
    urls: dict[str, str] = platform.facts["ops_urls"]  # type: ignore[assignment] # written by Platform
    for service, url in urls.items():
        page = fetch(f"{url}/metrics")
        match = _RSS.search(page)
        resident[service] = int(float(match.group(1))) if match else 0
        said_offline += sum(int(float(value)) for value in _OFFLINE.findall(page))
    summary = ask_summary(platform)
    return Look(time.monotonic() - began, summary["online"], summary["offline"], said_offline, resident)


def run(folder: Path, agents: int, minutes: float, gateways: int) -> Soak:
    """Start everything, watch, and stop."""
    soak = Soak(agents, gateways, minutes)
    platform = Platform(folder / "platform", Ports.free(gateways), say=print)
    try:
        platform.start()
        facts = platform.facts
        token = folder / "token"
        token.write_text(str(facts["enrolment_token"]))
        command = [sys.executable, "-m", "opampctl", "simulate", "--agents", str(agents), "--token-file", str(token)]
        command += ["--endpoint", ",".join(platform.facts["opamp_urls"])]  # type: ignore[arg-type] # a list of text
        command += ["--processes", str(max(1, -(-agents // 15_000))), "--connect-rate", "500/s"]
        command += ["--output", "json", "--quiet"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as fleet:
            try:
                watch(soak, platform)
            finally:
                fleet.terminate()
                out, _ = fleet.communicate(timeout=120)
            soak.fleet = json.loads(out)
    finally:
        platform.stop()
    return soak


def watch(soak: Soak, platform: Platform) -> None:
    """Wait until all are there, then look until the time is over."""
    began = time.monotonic()
    while (summary := ask_summary(platform))["online"] < soak.agents:
        if time.monotonic() - began > SETTLE_SECONDS + soak.agents / 100:
            message = f"not all agents came: {summary}"
            raise SystemExit(message)
        time.sleep(1)
    print(f"{soak.agents} agents are online after {time.monotonic() - began:.0f} s", flush=True)
    began = time.monotonic()
    while time.monotonic() - began < soak.minutes * 60:
        look = look_at(platform, began)
        soak.looks.append(look)
        memory = " ".join(f"{name}={size >> 20}M" for name, size in look.resident_bytes.items())
        print(f"{look.seconds:5.0f} s  online {look.online}  said offline {look.said_offline}  {memory}", flush=True)
        time.sleep(LOOK_SECONDS)


def table(soak: Soak) -> str:
    """Write the run for people."""
    least = min(look.online for look in soak.looks)
    lines = [
        (
            f"{soak.agents:,} WebSocket agents on {soak.gateways} gateways for {soak.minutes:g} minutes, "
            f"looked at {len(soak.looks)} times."
        ),
        "",
        " · ".join(f"{name}: {value}" for name, value in machine.describe().items()) + ".",
        "",
        "| What | Seen |",
        "|---|---|",
        f"| Fewest online by the API's word | {least:,} of {soak.agents:,} |",
        f"| Times an agent was said to be offline | {soak.looks[-1].said_offline} |",
        *(
            f"| Memory of {service}, settled → end | {first / 2**20:.0f} → {last / 2**20:.0f} MiB |"
            for service, (first, last) in soak.growth().items()
        ),
    ]
    return "\n".join(lines)


def write(soak: Soak) -> None:
    """Keep the result, as JSON and in the document."""
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(asdict(soak), indent=1) + "\n")
    text = DOCUMENT.read_text()
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    DOCUMENT.write_text(f"{head}{BEGIN}\n\n{table(soak)}\n\n{END}{tail}")


def main() -> None:
    """Run, tell, and judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--agents", type=int, default=20_000, help="how many agents (default 20000)")
    parser.add_argument("--minutes", type=float, default=10.0, help="how long they stay (default 10)")
    parser.add_argument("--gateways", type=int, default=2, help="gateway processes (default 2)")
    parser.add_argument("--write", action="store_true", help="write results/soak.json and docs/benchmarks.md")
    arguments = parser.parse_args()
    with TemporaryDirectory(prefix="fleet-soak-") as folder:
        soak = run(Path(folder), arguments.agents, arguments.minutes, arguments.gateways)
    print(table(soak))
    if arguments.write:
        write(soak)
    faults = soak.faults()
    if faults:
        sys.exit("did not hold:\n  " + "\n  ".join(faults[:20]))
    print("held")


if __name__ == "__main__":
    main()
