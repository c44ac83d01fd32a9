"""Another suite on a study's configs, with that study's settings."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from vibecore.catalog.models import MODELS
from vibecore.catalog.precisions import PRECISIONS
from vibecore.core.errors import InputError
from vibecore.core.rows import RunRow, StudyRow
from vibecore.live.launch.control import arguments
from vibecore.studies.bench.import_report import SUITE as BENCH_SUITE
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
        chat=protocol.chat,
        system=protocol.system,
        thinking=protocol.thinking,
    )


def can_be_extended(study: StudyRow) -> bool:
    """Whether configs can be added to a study: it was run here over prompts, and is finished."""
    ended = study.complete + study.failed == study.configs
    return study.protocol is not None and study.suite != BENCH_SUITE and ended


def command_line(options: Options, db: Path) -> str:
    """The shell command that runs some options."""
    words = ["python", "-m", "vibecore", "run", *arguments(options), f"--db={db}"]
    return shlex.join(words)


def _options_of_configs(study: str, runs: Sequence[RunRow]) -> Options:
    """A study's configs as options: listed ones by id, models of one's own at some precisions."""
    own = [run for run in runs if not _is_listed(run)]
    precisions_of: dict[str, list[str]] = {}
    for run in own:
        precisions_of.setdefault(run.model, []).append(run.precision)
    # A model that is quantised already runs as it is, whatever the precisions of the others.
    asked = {tuple(some) for some in precisions_of.values() if not PRECISIONS[some[0]].as_stored}
    if len(asked) > 1:
        raise InputError(
            f"The study '{study}' has models of your own at different precisions. Run the suite on "
            "each with python -m vibecore run --model PATH --precision …."
        )
    return Options(
        configs=tuple(run.config for run in runs if _is_listed(run)),
        models=tuple({run.model: run.source for run in own}.values()),
        names=tuple(precisions_of),
        precisions=tuple(dict.fromkeys(run.precision for run in own)),
    )


def _is_listed(run: RunRow) -> bool:
    return run.model in MODELS and MODELS[run.model].source == run.source
