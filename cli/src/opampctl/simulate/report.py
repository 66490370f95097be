"""A fleet in words: one line while it runs, a table when it has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from opampctl.quantities import describe_seconds

if TYPE_CHECKING:
    from opampctl.simulate.statistics import Snapshot

_MEANINGS = {
    "http_401": "the enrolment token was refused (give --token)",
    "http_403": "the enrolment token is not allowed to connect",
    "http_404": "no OpAMP at this path",
    "http_429": "too many requests, waiting as asked",
    "http_503": "the server is overloaded or starting, waiting as asked",
    "ConnectionRefusedError": "nobody listens at this address",
    "ConnectionResetError": "the server hung up",
    "connect_timeout": "no answer in time",
    "wrong_instance_uid": "an answer was addressed to another agent",
}
_LATENCY_NAMES = {
    "connect": "connect and upgrade",
    "answer": "message to answer",
    "first_config": "connected to configured",
    "spread": "configuration, first to each agent",
    "apply": "configuration received to outcome",
    "package": "packages offered to installed",
}


def progress_line(snapshot: Snapshot, previous: Snapshot | None = None) -> str:
    """Write where the fleet stands in one line; with an earlier snapshot also the messages per second since."""
    counters = snapshot.counters
    parts = [
        f"{describe_seconds(snapshot.elapsed_seconds):>8}",
        f"connected {snapshot.connected}/{snapshot.agents}",
        f"configurations applied {snapshot.applied}, applying {snapshot.applying}, failed {snapshot.failed}",
        f"heartbeats {counters['heartbeats']}",
    ]
    if previous is not None and snapshot.elapsed_seconds > previous.elapsed_seconds:
        sent = counters["messages_sent"] - previous.counters["messages_sent"]
        parts.append(f"{sent / (snapshot.elapsed_seconds - previous.elapsed_seconds):.0f} messages/s")
    if counters["reconnects"]:
        parts.append(f"reconnects {counters['reconnects']}")
    before = previous.errors if previous is not None else {}
    errors = {kind: count - before.get(kind, 0) for kind, count in snapshot.errors.items()}
    kind = max(errors, key=lambda name: errors[name], default="")
    if kind and errors[kind] and snapshot.connected < snapshot.agents:
        parts.append(f"{errors[kind]} x {kind}" + (f": {_MEANINGS[kind]}" if kind in _MEANINGS else ""))
    return "  ".join(parts)


def summary_tables(snapshot: Snapshot) -> list[Table]:
    """Lay out a finished run: what happened, how long things took, what went wrong."""
    counters = snapshot.counters
    facts = _table("", "")
    rows = {
        "agents": f"{snapshot.agents} ({snapshot.websocket} WebSocket, {snapshot.http} HTTP connected at the end)",
        "connects": f"{counters['connects']}, of which reconnects {counters['reconnects']}; "
        f"failed attempts {counters['connect_failures']}",
        "lost connections": str(counters["disconnects"]),
        "messages": f"{counters['messages_sent']} sent, {counters['messages_received']} received",
        "heartbeats": str(counters["heartbeats"]),
        "full states": f"{counters['full_states']}, of which asked for {counters['full_states_requested']}",
        "configurations": f"{counters['configs_received']} received ({counters['configs_repeated']} repeated), "
        f"{counters['configs_applied']} applied, {counters['configs_failed']} failed",
        "agents by outcome": f"{snapshot.applied} applied, {snapshot.failed} failed, "
        f"{snapshot.applying} applying, {snapshot.unconfigured} without",
        **_package_rows(snapshot),
        "duration": describe_seconds(snapshot.elapsed_seconds),
    }
    for name, value in rows.items():
        facts.add_row(name, value)
    times = _table("milliseconds", "count", "p50", "p90", "p99", "max")
    for name, shown in _LATENCY_NAMES.items():
        latency = snapshot.latencies[name]
        if latency["count"]:
            figures = (f"{latency[key]:.1f}" for key in ("p50_ms", "p90_ms", "p99_ms", "max_ms"))
            times.add_row(shown, f"{latency['count']:.0f}", *figures)
    tables = [facts, times] if times.row_count else [facts]
    if snapshot.errors:
        errors = _table("what went wrong", "times", "")
        for kind, count in sorted(snapshot.errors.items(), key=lambda item: -item[1]):
            errors.add_row(kind, str(count), _MEANINGS.get(kind, ""))
        tables.append(errors)
    return tables


def _package_rows(snapshot: Snapshot) -> dict[str, str]:
    counters = snapshot.counters
    if not counters["package_offers"]:
        return {}
    return {
        "packages": f"{counters['package_offers']} offers, {counters['packages_installed']} installed, "
        f"{counters['packages_failed']} failed; {counters['package_downloads']} files downloaded, "
        f"{counters['package_bytes'] / 1e6:.1f} MB",
        "agents by package": ", ".join(f"{count} have {name}" for name, count in snapshot.packages.items()) or "none",
    }


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False, show_header=any(headings), header_style="bold")
    for position, heading in enumerate(headings):
        table.add_column(heading, no_wrap=True, justify="left" if position == 0 or not heading else "right")
    return table
