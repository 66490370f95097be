from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import soak as module
from benchmarks.soak import Look, Soak

MIB = 1 << 20


def run(*looks: Look) -> Soak:
    """Give a run of 100 agents."""
    return Soak(100, 2, 10.0, list(looks))


def look(seconds: float, *, online: int = 100, said_offline: int = 0, mib: int = 50) -> Look:
    """Give what was seen at one moment."""
    return Look(seconds, online, 100 - online, said_offline, {"agent-state": mib * MIB})


def test_a_quiet_run_holds() -> None:
    """Everybody online all the time and memory that settles: nothing to report."""
    assert run(look(0), look(100, mib=60), look(600, mib=62)).faults() == []


@pytest.mark.parametrize(
    ("last", "words"),
    [
        (look(600, online=99), "99 of 100"),
        (look(600, said_offline=1), "1 times an agent was said to be offline"),
        (look(600, mib=120), "agent-state grew from 50 to 120 MiB"),
    ],
    ids=["missing", "said offline", "grown"],
)
def test_each_fault_is_told(last: Look, words: str) -> None:
    """A missing agent, a false word or unbounded growth is named."""
    faults = run(look(0), look(100), last).faults()
    assert len(faults) == 1
    assert words in faults[0]


def test_warming_up_is_not_growth() -> None:
    """Memory is compared from when caches are warm."""
    assert run(look(0, mib=10), look(100, mib=90), look(600, mib=92)).faults() == []


def test_the_metrics_page_is_read() -> None:
    """The two figures are found in a Prometheus page as agent-state writes it."""
    page = (
        'opamp_platform_agent_status_changes_total{from="online",to="offline"} 3.0\n'
        'opamp_platform_agent_status_changes_total{from="offline",to="online"} 9.0\n'
        "process_resident_memory_bytes 1.048576e+06\n"
    )
    assert module._OFFLINE.findall(page) == ["3.0"]
    match = module._RSS.search(page)
    assert match is not None
    assert float(match.group(1)) == MIB


def test_the_result_is_written_between_the_markers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The document keeps its other text and gets the table."""
    document = tmp_path / "benchmarks.md"
    document.write_text(f"before\n{module.BEGIN}\nold\n{module.END}\nafter\n")
    monkeypatch.setattr(module, "DOCUMENT", document)
    monkeypatch.setattr(module, "RESULT", tmp_path / "soak.json")
    module.write(run(look(0), look(100)))
    text = document.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "| Fewest online by the API's word | 100 of 100 |" in text
    assert "old" not in text
