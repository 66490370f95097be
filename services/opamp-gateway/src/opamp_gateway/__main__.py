"""Command line of the gateway: `python -m opamp_gateway [serve|settings] [--workers N]`."""

from __future__ import annotations

import sys

from opamp_gateway import compiled


def main() -> None:
    """Decide which form runs, before anything is imported that may be compiled; then do what was asked."""
    try:
        compiled.activate(compiled.wish())
    except compiled.NotCompiled as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(2) from None
    _run(sys.argv[1:])


def _run(arguments: list[str]) -> None:
    """Serve; with more than one worker, be the parent of as many processes that do."""
    # ruff: noqa: PLC0415 - only now is it decided where these come from
    from opamp_gateway.app import build
    from opamp_gateway.errors import ConfigurationRefused
    from opamp_gateway.settings import Settings
    from opamp_gateway.workers import supervise
    from servicekit.runner import main as run
    from servicekit.settings import load

    workers = 0
    if "--workers" in arguments:
        at = arguments.index("--workers")
        text = arguments[at + 1] if at + 1 < len(arguments) else ""
        if not text.isdigit() or not int(text):
            sys.stderr.write("--workers takes a number of processes, 1 or more\n")
            raise SystemExit(2)
        workers = int(text)
        del arguments[at : at + 2]
    if not arguments or arguments[0] == "serve":
        settings = load(Settings)
        try:
            settings.check_open()
            settings.limits()
            settings.door_tls()
        except ConfigurationRefused as error:
            sys.stderr.write(f"{error.public}\n")
            raise SystemExit(2) from None
        count = workers or settings.workers
        if count > 1:
            raise SystemExit(supervise(settings, count))
    run("opamp-gateway", Settings, build, arguments=arguments)


if __name__ == "__main__":
    main()
