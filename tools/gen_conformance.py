"""
Write docs/conformance.md from the results of the conformance suite that are kept beside it.

The results are made by `opampctl conformance --report json` and kept with --take, cut down to what the page shows.
With --check nothing is written: the page must be what would be written, and the kept results must be of the suite
as it is, row by row and check by check. No server is started.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from opampctl.conformance import catalogue, server_rows

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "conformance.md"
FOLDER = ROOT / "docs" / "conformance"
OURS, PEER = "latest", "opamp-go-example"
PEER_NAME = "opamp-go v0.23.0, its example server"
KEPT_LINES = 2
KEPT_CHARACTERS = 200
BINDING = ("MUST", "MUST NOT", "SHOULD", "SHOULD NOT")
VERDICTS = ("pass", "fail", "not applicable", "not testable")
FOREWORD = """\
Every requirement of the OpAMP specification (v0.18.0 and what was added after it, marked +) for servers, \
judged from outside by `opampctl conformance`: raw bytes over WebSocket and HTTP, \
by a client that shares no code with the gateway.
The same command examines any OpAMP server; \
`tests/flow/test_conformance.py` runs it over one gateway and over two behind one port.
This page is written by `tools/gen_conformance.py`; how to bring it up to date stands at its end.

A row is `pass` or `fail`, `not applicable` to this server or run, or `not testable` from outside; \
then a test of this repository is named where there is one.
What the specification leaves open is decided in [decision 13](decisions/0013-what-the-specification-leaves-open.md)."""
AFTERWORD = """\
## Bring it up to date

```
opampctl conformance --endpoint ws://127.0.0.1:4320/v1/opamp --token oet_... \\
  --api-url http://127.0.0.1:8080 --api-user admin --api-password-file admin-password --report json -o result.json
.venv/bin/python tools/gen_conformance.py --take result.json
```

The example server of opamp-go is built from its own repository (its folder internal/examples/server), run, \
examined with `--endpoint wss://127.0.0.1:4320/v1/opamp --insecure-skip-verify`, \
and kept with `--take result.json --as opamp-go-example`.
It has no interface by which a program could move it to act, so the rows that need one are not applicable to it; \
its score is of the rows that could be judged."""


def main(arguments: list[str] | None = None) -> int:
    """Write, check or take; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail when the page or its results are not current")
    parser.add_argument("--take", type=Path, metavar="RESULT", help="keep the JSON of a run")
    parser.add_argument("--as", dest="name", choices=(OURS, PEER), default=OURS, help="which server it is of")
    options = parser.parse_args(arguments)
    if options.take is not None:
        keep(json.loads(options.take.read_text(encoding="utf-8")), FOLDER / f"{options.name}.json")
    results = {name: load(name) for name in (OURS, PEER)}
    text = page(results[OURS], results[PEER], load("proofs"), load("remarks"))
    if not options.check:
        PAGE.write_text(text, encoding="utf-8")
        return 0
    stale = outdated(results[OURS])
    if stale:
        print(f"docs/conformance/{OURS}.json is of another suite ({', '.join(stale[:5])}): see the end of {PAGE.name}")
    elif PAGE.read_text(encoding="utf-8") != text:
        print("docs/conformance.md is not current: run tools/gen_conformance.py")
    else:
        return 0
    return 1


def load(name: str) -> dict[str, Any]:
    """Read one of the files beside the page."""
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return found


def keep(result: dict[str, Any], path: Path) -> None:
    """Write a run's result with the evidence of failures only: what passed differs in uids only."""
    rows = [
        {
            "id": row["id"],
            "verdict": row["verdict"],
            "check": row["check"],
            "said": row["said"],
            "evidence": [line[:KEPT_CHARACTERS] for line in row["evidence"][-KEPT_LINES:] if row["verdict"] == "fail"],
        }
        for row in result["rows"]
    ]
    path.write_text(json.dumps({"rows": rows}, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def outdated(ours: dict[str, Any]) -> list[str]:
    """List the rows whose check is another one now than in the kept results, and rows that came or went."""
    known = {row: {each.name} for row, each in catalogue.checks().items()}
    for row, each in catalogue.invariants().items():
        known.setdefault(row, set()).add(each.name)
    kept = {row["id"]: row["check"] for row in ours["rows"]}
    differing = set(server_rows()) ^ set(kept)
    differing |= {row for row, check in kept.items() if check not in known.get(row, {""})}
    return sorted(differing)


def page(ours: dict[str, Any], peer: dict[str, Any], proofs: dict[str, Any], remarks: dict[str, Any]) -> str:
    """Write the whole page."""
    parts = ["# Conformance", FOREWORD, "## Score", scores(ours, peer), "## Rows"]
    theirs = {row["id"]: row["verdict"] for row in peer["rows"]}
    lines = [
        "| Row | Level | Basis | Requirement | Verdict | Shown by | opamp-go | Remark |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for found in ours["rows"]:
        row = server_rows()[found["id"]]
        shown = [f"`{found['check']}`"] if found["check"] else []
        if found["verdict"] in ("not testable", "not applicable"):
            shown += [f"`{test}`" for test in proofs.get(row.id, [])]
        cells = (
            row.id,
            row.level,
            f"{row.basis} {row.maturity}",
            row.requirement,
            found["verdict"],
            " ".join(shown),
            theirs.get(row.id, ""),
            remark(found, remarks.get(row.id)),
        )
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    parts += ["\n".join(lines), AFTERWORD]
    return "\n\n".join(parts) + "\n"


def remark(found: dict[str, Any], own: dict[str, str] | None) -> str:
    """Say why a row did not pass: our own words, or what the suite said; empty for rows that passed."""
    if found["verdict"] == "pass":
        return ""
    if own is None:
        return str(found["said"])
    decision = own.get("decision", "")
    return own["remark"] + (f" ([why](decisions/{decision}))" if decision else "")


def scores(ours: dict[str, Any], peer: dict[str, Any]) -> str:
    """Write the counts of both servers side by side."""
    lines = [
        "| | OpAMP Platform | " + PEER_NAME + " |",
        "|---|---|---|",
        f"| **MUST and SHOULD rows that pass, of those that apply** | **{_score(ours)}** | **{_score(peer)}** |",
    ]
    for level in (*BINDING, "MAY"):
        for verdict in VERDICTS:
            counts = [_count(each, (level,), verdict) for each in (ours, peer)]
            if any(counts):
                lines.append(f"| {level}: {verdict} | {counts[0]} | {counts[1]} |")
    return "\n".join(lines)


def _score(result: dict[str, Any]) -> str:
    passed, failed = (_count(result, BINDING, verdict) for verdict in ("pass", "fail"))
    share = 100 * passed / (passed + failed) if passed + failed else 0.0
    return f"{passed} of {passed + failed} ({share:.0f} %)"


def _count(result: dict[str, Any], levels: tuple[str, ...], verdict: str) -> int:
    return sum(row["verdict"] == verdict and server_rows()[row["id"]].level in levels for row in result["rows"])


if __name__ == "__main__":
    sys.exit(main())
