"""How long Metrics takes after a control moves, with its verdicts, bootstraps and switches.

    python -m benchmarks.metrics_recompute [--db results.duckdb] [--study demo]

Every setting is new to the page's caches. "Rule" is vibecore's part of it (analysis.decide), "page"
the whole script of the page run again, by Streamlit's AppTest: reading, rule and every element.
The processor's own time stands beside the clock's, for a machine that is busy with other things.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from streamlit.testing.v1 import AppTest

from vibecore.analysis import Rule, decide
from vibecore.core.paths import DATABASE_VARIABLE, DEFAULT_DB, PROJECT_ROOT
from vibecore.studies.queries import read_evidence, read_runs

LIMIT = 0.300
ALPHAS = (0.01, 0.05, 0.1)
FLOORS = (0, 25, 50, 75, 80, 90, 95, 100)


def timed(action: Callable[[], Any]) -> tuple[float, float]:
    """Seconds by the clock and of the processor that an action takes."""
    clock, processor = time.perf_counter(), time.process_time()
    action()
    return time.perf_counter() - clock, time.process_time() - processor


def time_rules(db: Path, study: str) -> list[tuple[float, float]]:
    """Seconds for each rule, once the evidence is there."""
    evidence = read_evidence(db, study)
    rules = [Rule(None, floor / 100, alpha) for alpha in ALPHAS for floor in FLOORS]
    return [timed(partial(decide, evidence, rule)) for rule in rules]


def time_page(db: Path, study: str) -> list[tuple[float, float]]:
    """Seconds of the page's script after each change of a control."""
    os.environ[DATABASE_VARIABLE] = str(db)
    app = AppTest.from_file(str(PROJECT_ROOT / "dashboard.py"), default_timeout=60)
    app.query_params["study"] = study
    app.run()
    seconds = []
    for alpha in ALPHAS:
        app.selectbox(key="alpha").set_value(alpha).run()
        for floor in FLOORS:
            app.slider(key="floor").set_value(floor)
            seconds.append(timed(app.run))
            if app.exception:
                raise SystemExit(f"the page failed: {app.exception[0].message}")
    return seconds


def main() -> None:
    """Print the figures; exit 1 where the limit is passed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--db", type=Path, default=DEFAULT_DB)
    parser.add_argument("--study", default="demo")
    options = parser.parse_args()
    db = options.db.resolve()
    generations = sum(run.generations or 0 for run in read_runs(db, options.study))
    rules, page = time_rules(db, options.study), time_page(db, options.study)
    print(
        f"study {options.study}, {generations} generations, {len(page)} settings of the controls\n"
    )
    print("| after a control moves | median | worst | worst, processor |")
    print("| --- | --- | --- | --- |")
    for name, pairs in (("rule", rules), ("page", page)):
        clock, processor = zip(*pairs, strict=True)
        figures = (statistics.median(clock), max(clock), max(processor))
        print(f"| {name} | {' | '.join(_ms(figure) for figure in figures)} |")
    if max(clock for clock, _ in page) > LIMIT:
        raise SystemExit(f"over the limit of {_ms(LIMIT)}")


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.0f} ms"


if __name__ == "__main__":
    main()
