"""Rounds in, medians and within-round ratios out: the JSON file and the table of docs/benchmarks.md."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.figures import BY_NAME, FIGURES, FLOOR, PEER, Better, Figure, Goal

BEGIN = "<!-- results: written by python -m benchmarks, never by hand -->"
END = "<!-- end of results -->"


@dataclass
class Results:
    """Everything one run saw."""

    machine: dict[str, str]
    options: dict[str, Any]
    taken_at: str
    rounds: dict[str, dict[str, dict[int, float]]] = field(default_factory=dict)
    """Figure name → contender → round → value."""

    not_run: dict[str, str] = field(default_factory=dict)
    """What was not measured, and why."""

    def add(self, figure: str, contender: str, turn: int, value: float) -> None:
        """
        Note one value of one round.

        Raises:
            KeyError: No such figure: figures.py lists them.
        """
        self.rounds.setdefault(BY_NAME[figure].name, {}).setdefault(contender, {})[turn] = value

    def value(self, figure: str, contender: str) -> float | None:
        """Median over rounds; None when it was not measured."""
        seen = self.rounds.get(figure, {}).get(contender)
        return median(seen.values()) if seen else None

    def ratio(self, figure: str, contender: str, to: str) -> float | None:
        """Median of the ratios of those rounds in which both were measured."""
        mine, theirs = (self.rounds.get(figure, {}).get(name, {}) for name in (contender, to))
        pairs = [mine[turn] / theirs[turn] for turn in mine if theirs.get(turn)]
        return median(pairs) if pairs else None

    def reached(self, figure: Figure, goal: Goal) -> bool | None:
        """Say whether a goal is reached; None when what it needs was not measured."""
        seen = self.ratio(figure.name, goal.contender, goal.to) if goal.to else self.value(figure.name, goal.contender)
        if seen is None:
            return None
        return seen <= goal.limit if figure.better is Better.LOWER else seen >= goal.limit

    def as_json(self) -> dict[str, Any]:
        """Build the document written to benchmarks/results."""
        figures = [self._figure_json(figure) for figure in FIGURES if figure.name in self.rounds]
        return {
            "taken_at": self.taken_at,
            "machine": self.machine,
            "options": self.options,
            "figures": figures,
            "not_run": self.not_run,
        }

    def _figure_json(self, figure: Figure) -> dict[str, Any]:
        contenders = {
            name: {
                "median": round(median(turns.values()), 4),
                "rounds": [round(value, 4) for _, value in sorted(turns.items())],
                "to_floor": _rounded(self.ratio(figure.name, name, FLOOR)),
                "to_peer": _rounded(self.ratio(figure.name, name, PEER)),
            }
            for name, turns in self.rounds[figure.name].items()
        }
        goals = [
            {
                "contender": goal.contender,
                "text": goal.text(figure.better, figure.unit),
                "reached": self.reached(figure, goal),
            }
            for goal in figure.goals
        ]
        return {
            "name": figure.name,
            "title": figure.title,
            "unit": figure.unit,
            "better": figure.better.value,
            "contenders": contenders,
            "goals": goals,
        }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def from_json(document: dict[str, Any]) -> Results:
    """Read back what `as_json` wrote; a figure that no longer exists is dropped."""
    results = Results(document["machine"], document["options"], document["taken_at"], not_run=document["not_run"])
    for figure in document["figures"]:
        for name, seen in figure["contenders"].items():
            if figure["name"] in BY_NAME:
                for turn, value in enumerate(seen["rounds"]):
                    results.add(figure["name"], name, turn, value)
    return results


def number(value: float, digits: int) -> str:
    """Write a value for people: thousands separated, no false precision."""
    return f"{value:,.{digits}f}"


def table(results: Results) -> str:
    """Render the Markdown table: one row per figure and contender."""
    lines = [
        "| Figure | Who | Median | Rounds (min … max) | / floor | / peer | Goal | Reached |",
        "|---|---|---:|---:|---:|---:|---|---|",
    ]
    for figure in FIGURES:
        turns_of = results.rounds.get(figure.name, {})
        for position, (name, turns) in enumerate(turns_of.items()):
            goals = [goal for goal in figure.goals if goal.contender == name]
            spread = f"{number(min(turns.values()), figure.digits)} … {number(max(turns.values()), figure.digits)}"
            lines.append(
                f"| {figure.title if position == 0 else ''} | {name} "
                f"| {number(median(turns.values()), figure.digits)} {figure.unit} "
                f"| {spread if len(turns) > 1 else '-'} "
                f"| {_times(results.ratio(figure.name, name, FLOOR), own=name == FLOOR)} "
                f"| {_times(results.ratio(figure.name, name, PEER), own=name == PEER)} "
                f"| {'; '.join(goal.text(figure.better, figure.unit) for goal in goals)} "
                f"| {'; '.join(_verdict(results.reached(figure, goal)) for goal in goals)} |"
            )
    return "\n".join(lines)


def _times(ratio: float | None, *, own: bool) -> str:
    return "" if own else "-" if ratio is None else f"{ratio:.2f}"


def _verdict(reached: bool | None) -> str:  # noqa: FBT001 - three-valued, printed at once
    return {True: "yes", False: "**no**", None: "not measured"}[reached]


def section(results: Results) -> str:
    """Render what stands between the markers of docs/benchmarks.md."""
    machine = "\n".join(f"- {key}: {value}" for key, value in results.machine.items())
    options = ", ".join(f"{key} {value}" for key, value in results.options.items())
    missing = "".join(f"\n- not run: {name}: {why}" for name, why in sorted(results.not_run.items()))
    return f"Taken {results.taken_at}; {options}.\n\n{machine}{missing}\n\n{table(results)}"


def write_section(document: Path, text: str) -> None:
    """
    Put *text* between the markers of a Markdown file.

    Raises:
        ValueError: The file has no markers.
    """
    before = document.read_text(encoding="utf-8")
    pattern = re.compile(f"{re.escape(BEGIN)}.*{re.escape(END)}", re.DOTALL)
    if not pattern.search(before):
        message = f"{document.name} has no result markers"
        raise ValueError(message)
    document.write_text(pattern.sub(lambda _: f"{BEGIN}\n\n{text}\n\n{END}", before), encoding="utf-8")


def write_json(path: Path, results: Results) -> None:
    """Write the document of a run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results.as_json(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def brief(results: Results, names: Iterable[str]) -> str:
    """One line per figure for the terminal, as soon as it is known."""
    lines = []
    for name in names:
        figure = BY_NAME[name]
        seen = results.rounds.get(name, {})
        values = "; ".join(
            f"{contender} {number(median(turns.values()), figure.digits)}" for contender, turns in seen.items()
        )
        if values:
            lines.append(f"  {figure.title} [{figure.unit}]: {values}")
    return "\n".join(lines)
