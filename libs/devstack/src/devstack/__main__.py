"""`python -m devstack run` and `python -m devstack demo`: what `make run` and `make demo` call."""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
import time
from typing import TYPE_CHECKING, NoReturn

from devstack import settings
from devstack.demo import Demo
from devstack.errors import StackError
from devstack.platform import External, Platform
from devstack.services import ObjectStore
from devstack.supervisor import Supervisor

if TYPE_CHECKING:
    from types import FrameType

TICK_SECONDS = 0.2


class StopAsked(BaseException):
    """Ctrl-C or SIGTERM; not an Exception, so that nothing on the way takes it for a failure."""


def main(arguments: list[str] | None = None) -> int:
    """Run until told to stop; returns the exit status."""
    parser = argparse.ArgumentParser(prog="devstack", description=__doc__)
    parser.add_argument("what", choices=["run", "demo"], help="the platform alone, or with a simulated fleet")
    what = parser.parse_args(arguments).what
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    try:
        platform = _platform(settings.load())
    except StackError as exc:
        return _fail(exc)
    return _run(platform, with_demo=what == "demo")


def _platform(chosen: settings.StackSettings) -> Platform:
    def secret(name: str) -> str:
        value = getattr(chosen, name)
        return "" if value is None else str(value.get_secret_value())

    store = ObjectStore(chosen.s3_endpoint, secret("s3_access_key"), secret("s3_secret_key"))
    external = External(secret("postgres_url"), secret("nats_url"), secret("redis_url"), store)
    return Platform(chosen.data, chosen.ports, external, say=_progress)


def _run(platform: Platform, *, with_demo: bool) -> int:
    demo = Demo(platform) if with_demo else None
    supervisor = Supervisor(_progress, restarted=platform.write_facts)
    status = 0
    try:
        started = time.monotonic()
        fresh = not platform.data.exists()
        print(f"Starting OpAMP Platform, data in {platform.data}{' (first start)' if fresh else ''}")
        platform.start()
        supervisor.watch(platform.processes.values())
        print(f"Ready after {time.monotonic() - started:.1f} s.\n\n{_welcome(platform)}\n")
        if demo is not None:
            demo.start()
            supervisor.watch(demo.processes)
            print(f"\n{demo.welcome()}\n")
        print("Ctrl-C ends it.", flush=True)
        while True:
            supervisor.tick()
            time.sleep(TICK_SECONDS)
    except (StackError, OSError) as exc:  # OSError: a folder that cannot be written, a full disk
        status = _fail(exc)
    except StopAsked:
        print("\nStopping ...", flush=True)
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        if demo is not None:
            demo.stop()
        platform.stop()
    if status == 0:
        print(f"Stopped. The data stays in {platform.data}.", flush=True)
    return status


def _welcome(platform: Platform) -> str:
    facts = platform.facts
    python, token_file = shlex.quote(sys.executable), shlex.quote(str(facts["enrolment_token_file"]))
    return "\n".join(
        [
            f"  API              {facts['api_url']}/api/v1",
            f"  API browser      {facts['api_url']}/swagger/index.html",
            f"  Agents connect   {facts['opamp_url']}   or   {facts['opamp_http_url']}",
            f"  Admin            {facts['admin_user']} / {facts['admin_password']}",
            f"  Enrolment token  {facts['enrolment_token']}",
            f"  The same as JSON {platform.data / 'run.json'}, logs in {platform.logs}",
            "",
            "  Connect an agent:",
            f"    {python} -m opampctl simulate --agents 1 \\",
            f"      --endpoint {facts['opamp_url']} --token-file {token_file}",
        ]
    )


def _progress(line: str) -> None:
    print(f"  · {line}", flush=True)


def _fail(error: Exception) -> int:
    print(f"OpAMP Platform cannot run: {error}", file=sys.stderr, flush=True)
    return 1


def _stop(_number: int, _frame: FrameType | None) -> NoReturn:
    raise StopAsked


if __name__ == "__main__":
    sys.exit(main())
