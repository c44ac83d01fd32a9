"""Speed and memory alone: what `bench` measures, without scoring and without a database.

`choose` makes a Bench of its options, `run_bench` measures it in worker processes and
returns the report as plain data (its fields: studies/bench/report.py). Imports neither duckdb
nor streamlit, and torch only inside the workers.
"""

from vibecore.studies.bench.choose import Bench, Options, choose
from vibecore.studies.bench.measure import run_bench
from vibecore.studies.bench.report import (
    FORMAT,
    headline,
    model_rows,
    models_caption,
    repetitions_made,
    speed_rows,
    to_markdown,
    weights_of,
)

__all__ = [
    "FORMAT",
    "Bench",
    "Options",
    "choose",
    "headline",
    "model_rows",
    "models_caption",
    "repetitions_made",
    "run_bench",
    "speed_rows",
    "to_markdown",
    "weights_of",
]
