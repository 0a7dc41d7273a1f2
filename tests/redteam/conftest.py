"""A table of what was tried and what was stopped, by class and mode, at the end of a run."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from tests.redteam.catalogue import CLASSES


def pytest_terminal_summary(terminalreporter: Any) -> None:
    tried: dict[str, dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
    layers: dict[str, str] = {}
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, []):
            about = dict(report.user_properties)
            if "class" in about:
                tried[about["class"]][about["mode"]].append(outcome == "passed")
                layers[about["mode"]] = about.get("layers", "")
    if not tried:
        return
    modes = sorted(layers)
    terminalreporter.section("attacks: stopped of tried")
    for mode in modes:
        terminalreporter.line(f"{mode}: {layers[mode]}")
    width = max(map(len, tried))
    terminalreporter.line(" " * width + "".join(f"  {mode:>25}" for mode in modes))
    rows = [(title, tried[title]) for title in CLASSES if title in tried]
    together = {mode: [one for row in tried.values() for one in row[mode]] for mode in modes}
    for title, row in [*rows, ("together", together)]:
        cells = (f"{sum(row[mode])} of {len(row[mode])}" for mode in modes)
        terminalreporter.line(f"{title:{width}}" + "".join(f"  {cell:>25}" for cell in cells))
