"""An own suite run on all configs of a study that exists, as that study ran."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vibecore.catalog.configs import MODELS
from vibecore.core.errors import InputError
from vibecore.live.launch.start import arguments
from vibecore.studies.plan import Options
from vibecore.studies.queries import list_studies, read_runs


def backfill(db: Path, study: str, suite: str, name: str) -> Options:
    """What runs an own suite on all configs of a study, as that study ran, as a new study.

    Raises InputError when the study was not run here, or its configs cannot be chosen together.
    """
    found = next((row for row in list_studies(db) if row["name"] == study), None)
    if found is None:
        raise InputError(f"There is no study '{study}'.")
    runs = read_runs(db, study)
    if found["source"] != "measured":
        configs = {"configs": tuple(run["config"] for run in runs)}
        return Options(**configs, suite=suite, study=name)
    protocol = found["protocol"]
    return Options(
        **_chosen(study, runs),
        suite=suite,
        study=name,
        max_new_tokens=protocol["max_new_tokens"],
        batch_size=protocol["batch_size"],
        engine=protocol["engine"],
        weights="dummy" if protocol["weights"] == "dummy" else None,
        device=protocol["device"],
    )


def command_line(options: Options, db: Path) -> str:
    """The command that runs some options."""
    words = ["python", "-m", "vibecore", "run", *arguments(options), f"--db={db}"]
    return shlex.join(words)


def _chosen(study: str, runs: list[dict[str, Any]]) -> dict[str, Any]:
    """A study's configs as options: by id, or as one own model at some precisions."""
    known = [run for run in runs if run["model"] in MODELS and _is_known(run)]
    if len(known) == len(runs):
        return {"configs": tuple(run["config"] for run in runs)}
    sources = {run["source"] for run in runs}
    if len(sources) > 1:
        raise InputError(
            f"The study '{study}' has several models of your own. Run the suite on each with "
            "python -m vibecore run --model PATH --precision …."
        )
    return {"model": sources.pop(), "precisions": tuple(run["precision"] for run in runs)}


def _is_known(run: Mapping[str, Any]) -> bool:
    return MODELS[run["model"]].source == run["source"]
