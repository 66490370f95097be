"""Run the benchmarks: `python -m benchmarks [--peer PATH] [--quick] [--only NAME] [--json FILE]`."""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import fan_out, machine, platform, queries, sockets
from benchmarks.contenders import (
    Contender,
    Place,
    compiled_gateway,
    compiled_sockets_only,
    floor,
    gateway,
    peer,
    sockets_only,
)
from benchmarks.processes import cores, free_port, raise_descriptor_limit
from benchmarks.report import Results, brief, from_json, section, write_json, write_section
from devstack.nats import NatsServer

ROOT = Path(__file__).parents[1]
LATEST = ROOT / "benchmarks/results/latest.json"
DOCUMENT = ROOT / "docs/benchmarks.md"
PARTS = ("sockets", "fanout", "queries", "platform")


def say(line: str) -> None:
    """Tell where we are."""
    print(f"{time.strftime('%H:%M:%S')}  {line}", flush=True)


def compile_gateway() -> bool:
    """Make the compiled form of the gateway unless it is current; False = there is none here."""
    return (
        subprocess.run([sys.executable, str(ROOT / "services/opamp-gateway/compile.py")], check=False).returncode == 0
    )


class Run:
    """One run of the benchmarks."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.options = options
        self.folder = folder
        self.server_core, self.generator_core = cores()
        self.everywhere = os.sched_getaffinity(0)
        self.results = Results(
            machine.describe(),
            {"agents": options.agents, "rounds": options.rounds, "quick": options.quick},
            datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        )
        self.contenders: list[Contender] = [floor]
        if options.peer:
            self.results.machine["Peer"] = machine.peer_version(options.peer)
            self.contenders.append(peer(options.peer))
        else:
            self.results.not_run["opamp-go server"] = "no path to its binary was given (PEER=path)"
        self.contenders.append(gateway)
        self.alone: list[Contender] = [sockets_only]
        if compile_gateway():
            self.contenders.append(compiled_gateway)
            self.alone.append(compiled_sockets_only)
        else:
            self.results.not_run["gateway, compiled"] = "it could not be compiled here (make compile says why)"

    def sockets(self) -> None:
        """Sockets of one process on one core."""
        os.sched_setaffinity(0, {self.generator_core})
        load = sockets.Load.quick() if self.options.quick else sockets.Load(agents=self.options.agents)
        place = Place(self.server_core, self.folder)
        sockets.measure(
            self.results, [*self.contenders, *self.alone], place=place, load=load, rounds=self.options.rounds, say=say
        )

    def fanout(self) -> None:
        """NATS to ten thousand sockets."""
        os.sched_setaffinity(0, {self.generator_core})
        server = NatsServer(self.folder / "nats", free_port(), free_port())
        server.start()
        try:
            place = Place(self.server_core, self.folder, server.url)
            fan_out.measure(
                self.results,
                self.contenders,
                place=place,
                agents=self.options.agents,
                rounds=self.options.rounds + 2,
                say=say,
            )
        finally:
            server.stop()

    def queries(self) -> None:
        """Queries on full tables."""
        counts, calls = ((1_000,), 20) if self.options.quick else ((1_000, 100_000), 200)
        queries.measure(self.results, folder=self.folder, counts=counts, calls=calls, say=say)

    def platform(self) -> None:
        """All services, a change on its way, the API under load."""
        size = platform.Size.quick() if self.options.quick else platform.Size()
        platform.measure(self.results, folder=self.folder, size=size, say=say)

    def part(self, name: str) -> None:
        """Run one part; its failure is reported with the others' results, not instead of them."""
        known = set(self.results.rounds)
        steps: dict[str, Callable[[], None]] = {
            "sockets": self.sockets,
            "fanout": self.fanout,
            "queries": self.queries,
            "platform": self.platform,
        }
        try:
            steps[name]()
        except Exception as problem:  # noqa: BLE001 - whatever broke one part, the others are still worth having
            self.results.not_run[name] = f"failed: {type(problem).__name__}: {problem}"
            notes = "; ".join(getattr(problem, "__notes__", ()))
            say(f"{name} failed: {problem!r} {notes}")
        finally:
            os.sched_setaffinity(0, self.everywhere)
        print(brief(self.results, [figure for figure in self.results.rounds if figure not in known]))


def options_of(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--peer", help="binary of the opamp-go server; docs/benchmarks.md tells its contract")
    parser.add_argument("--quick", action="store_true", help="small numbers, to see that everything works")
    parser.add_argument("--only", choices=PARTS, action="append", help="a part of the run; may be repeated")
    parser.add_argument("--json", type=Path, help="where the results go; default benchmarks/results/latest.json")
    parser.add_argument("--agents", type=int, default=0, help="agents on sockets; default 10,000")
    parser.add_argument("--rounds", type=int, default=0, help="rounds; default 3, quick 1")
    parser.add_argument("--write-docs", type=Path, metavar="JSON", help="only write docs/benchmarks.md from a file")
    options = parser.parse_args(arguments)
    options.agents = options.agents or (1_000 if options.quick else 10_000)
    options.rounds = options.rounds or (1 if options.quick else 3)
    return options


def main(arguments: Sequence[str]) -> int:
    """Run what was asked for; 1 when a part failed."""
    options = options_of(arguments)
    if options.write_docs:
        write_section(DOCUMENT, section(from_json(json.loads(options.write_docs.read_text(encoding="utf-8")))))
        return 0
    raise_descriptor_limit()
    gc.disable()  # the generator must not stop in the middle of a loop
    with TemporaryDirectory(prefix="benchmarks-") as folder:
        Path(folder).chmod(0o711)  # PostgreSQL may run as another user
        run = Run(options, Path(folder))
        if machine.load() > 0.5:
            say(f"load average is {machine.load():.1f}: other work on this machine spoils the figures")
        for name in options.only or PARTS:
            run.part(name)
    target = options.json or (None if options.quick or options.only else LATEST)
    if target is not None:
        write_json(target, run.results)
        say(f"results are in {target}")
    if target == LATEST:
        write_section(DOCUMENT, section(run.results))
        say(f"the table is in {DOCUMENT.relative_to(ROOT)}")
    return 1 if any(why.startswith("failed") for why in run.results.not_run.values()) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
