"""Another suite on a study's configs, with that study's settings."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from vibecore.catalog.models import MODELS
from vibecore.core.errors import InputError
from vibecore.core.rows import RunRow
from vibecore.live.launch.control import arguments
from vibecore.studies.plan import Options
from vibecore.studies.queries import list_studies, read_runs


def options_like(db: Path, study: str, suite: str, name: str) -> Options:
    """Options that run a suite on all configs of a study, as a new study with its settings.

    A published study has no settings of ours: the defaults are used. Raises InputError for an
    unknown study, and for configs that one run cannot select together.
    """
    found = next((row for row in list_studies(db) if row.name == study), None)
    if found is None:
        raise InputError(f"There is no study '{study}'.")
    runs = read_runs(db, study)
    protocol = found.protocol
    if protocol is None:
        return Options(configs=tuple(run.config for run in runs), suite=suite, study=name)
    return replace(
        _options_of_configs(study, runs),
        suite=suite,
        study=name,
        max_new_tokens=protocol.max_new_tokens,
        batch_size=protocol.batch_size,
        engine=protocol.engine,
        weights="dummy" if protocol.weights == "dummy" else None,
        device=protocol.device,
    )


def command_line(options: Options, db: Path) -> str:
    """The shell command that runs some options."""
    words = ["python", "-m", "vibecore", "run", *arguments(options), f"--db={db}"]
    return shlex.join(words)


def _options_of_configs(study: str, runs: Sequence[RunRow]) -> Options:
    """A study's configs as options: by id, or as one own model at some precisions."""
    if all(run.model in MODELS and MODELS[run.model].source == run.source for run in runs):
        return Options(configs=tuple(run.config for run in runs))
    sources = {run.source for run in runs}
    if len(sources) > 1:
        raise InputError(
            f"The study '{study}' has several models of your own. Run the suite on each with "
            "python -m vibecore run --model PATH --precision …."
        )
    return Options(models=(sources.pop(),), precisions=tuple(run.precision for run in runs))
