"""The measures of the whole platform, on its floor: requests, changes and agents at toy size."""

from __future__ import annotations

from pathlib import Path

from benchmarks import platform
from benchmarks.generator import Fleet
from benchmarks.messages import Messages
from benchmarks.report import Results
from world.postgres import Database

TOY = platform.Size(changes=3, agents=(1_000,), api_rate=30, api_seconds=0.5, rollouts=2)


def test_floor_fills_the_figures_of_the_platform(postgres: Database, nats_url: str, tmp_path: Path) -> None:
    """A change reaches an agent and a fleet; the API answers at its rate."""
    results = Results({}, {}, "now")
    messages = Messages(20, seed=4, labels={platform.FLEET_LABEL: "yes"})

    with platform.floor_stand(tmp_path, nats_url, postgres.admin_url) as stand:
        platform.measure_changes(results, stand, TOY)
        platform.measure_api(results, stand, 1_000, TOY, None)
        fleet = Fleet(stand.opamp_port, 20, messages)
        fleet.connect(then_status=True)
        platform.measure_rollout(results, stand, fleet, platform.Agents(fleet), TOY)
        fleet.close()

    assert {name.split(".")[0] for name in results.rounds} == {"change", "api"}
    assert len(results.rounds["change.all_ms"]["floor"]) == 2
