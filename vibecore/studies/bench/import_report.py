"""A bench's report as a study: speed and memory where every page and command finds them.

Each repetition becomes one output without a text, so that speed, memory and their number are
read as those of any study, and quality stays unscored. A config has one run, whatever the number
of engines: its outputs are those of the study's engine, `graph` where the report has it, or of the
only engine that runs it, at the smallest batch; the run's `bench` holds every engine and batch for
the Speed page.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from pathlib import Path
from typing import Any

from vibecore import store
from vibecore.catalog.engines import LLAMA_CPP
from vibecore.catalog.suites import Prompt
from vibecore.core.errors import InputError
from vibecore.core.records import LoadReport, Protocol
from vibecore.scoring import SCORER_VERSION
from vibecore.studies.bench.report import headline, repetitions_made, weights_of
from vibecore.studies.names import study_name

SUITE = "bench"
CATEGORY = "synthetic"
PREFERRED_ENGINE = "graph"
# The fields of a result that say what was run.
RUN = [one.name for one in fields(store.NewRun) if one.name != "status"]

Result = Mapping[str, Any]


def import_reports(db: Path, files: Sequence[Path], study: str | None = None) -> list[str]:
    """Write each file's report as a study, named `study` or after its hardware and weights.

    Returns the names. Raises InputError, with nothing written, for a file that is no report, a
    name that exists, or one name for several files.
    """
    # pydantic takes longer to import than a page to draw.
    from vibecore.studies.bench.report_file import read_report

    if study is not None and len(files) > 1:
        raise InputError(
            "--study names one study: import the files one at a time, or leave it out."
        )
    reports = [read_report(file) for file in files]
    names = [study_name(study) if study else _default_name(report) for report in reports]
    if len(set(names)) < len(names):
        raise InputError(
            "Several files would make a study of one name: import them one at a time with --study."
        )
    store.prepare(db)
    with store.reading(db) as connection:
        for name in names:
            if store.study_exists(connection, name):
                raise InputError(
                    f"{db} already has a study '{name}'. Choose another name with --study."
                )
    for name, report in zip(names, reports, strict=True):
        _write(db, name, report)
    return names


def _default_name(report: Mapping[str, Any]) -> str:
    words = re.findall(r"[a-z0-9.]+", f"{report['hardware']} {weights_of(report)}".lower())
    return "-".join(["bench", *words, report["created_at"][:10].replace("-", "")])


def _write(db: Path, name: str, report: Mapping[str, Any]) -> None:
    settings = report["settings"]
    engine = _engine_of_all(report)
    batch_size = min(settings["batch_sizes"])
    prompts = tuple(_prompts(settings, batch_size, max(repetitions_made(report), default=0)))
    study = store.NewStudy(
        name=name,
        source="measured",
        title=f"Bench of {report['hardware']}, weights {weights_of(report)}",
        suite=SUITE,
        prompts=prompts,
        prompt_count=len(prompts),
        protocol=Protocol(
            max_new_tokens=settings["new_tokens"],
            batch_size=batch_size,
            engine=engine,
            weights=weights_of(report),
            device=report["device"],
        ),
        hardware=report["hardware"],
        created_at=datetime.fromisoformat(report["created_at"]).replace(tzinfo=None),
        note=f"Speed and memory only, by bench: {headline(report)}. Metrics and Charts show engine "
        f"{engine} at batch {batch_size}, Speed shows all that was measured.",
    )
    by_config: dict[str, list[Result]] = {}
    for result in report["results"]:
        by_config.setdefault(result["config"], []).append(result)
    own = {
        config: next(result for result in results if result["engine"] in (engine, LLAMA_CPP))
        for config, results in by_config.items()
    }
    with store.writing(db) as connection:
        runs = [
            store.NewRun(**{name: result[name] for name in RUN if name in result})
            for result in own.values()
        ]
        run_ids = store.create_study(connection, study, runs)
        for config, result in own.items():
            run_id = run_ids[config]
            store.set_bench(connection, run_id, by_config[config])
            if result["error"]:
                store.finish_run(connection, run_id, "failed", result["error"])
                continue
            load = LoadReport(**{one.name: result[one.name] for one in fields(LoadReport)})
            store.start_run(connection, run_id, load)
            for index, batch in enumerate(_generations(result, prompts, batch_size)):
                store.add_generations(connection, run_id, index, batch, SCORER_VERSION)
            store.finish_run(connection, run_id, "complete")


def _engine_of_all(report: Mapping[str, Any]) -> str:
    """An engine that every config has, but for those that llama.cpp alone runs: the preferred one,
    if a report cut short has it too."""
    results = [result for result in report["results"] if result["engine"] != LLAMA_CPP]
    configs = {result["config"] for result in results}
    engines = [
        engine
        for engine in report["settings"]["engines"]
        if configs == {result["config"] for result in results if result["engine"] == engine}
    ]
    return PREFERRED_ENGINE if PREFERRED_ENGINE in engines else engines[0]


def _prompts(settings: Mapping[str, Any], batch_size: int, repetitions: int) -> Iterator[Prompt]:
    """One a repetition, or one a repetition and sequence of its batch."""
    text = f"({settings['prompt_tokens']} synthetic tokens)"
    for repetition in range(1, repetitions + 1):
        for sequence in range(1, batch_size + 1):
            ending = "" if batch_size == 1 else f"-{sequence:03}"
            yield Prompt(f"repetition_{repetition}{ending}", CATEGORY, text, ())


def _generations(
    result: Result, prompts: Sequence[Prompt], batch_size: int
) -> Iterator[list[tuple[str, dict[str, Any], None]]]:
    """A repetition's rows of the generation table, batch by batch."""
    speed = next(speed for speed in result["speeds"] if speed["batch_size"] == batch_size)
    tokens = speed["new_tokens"]
    for index, one in enumerate(speed["by_repetition"]):
        first_token, seconds = one["first_token_seconds"], one["total_seconds"]
        row = {
            "new_tokens": tokens,
            "finish_reason": "length",
            "batch_size": batch_size,
            "first_token_seconds": first_token,
            "total_seconds": seconds,
            "tokens_per_second": tokens / seconds if batch_size == 1 else None,
            "decode_tokens_per_second": (tokens - 1) / (seconds - first_token)
            if batch_size == 1
            else None,
            "peak_memory_bytes": speed["peak_allocated_bytes"],
        }
        batch = prompts[index * batch_size : (index + 1) * batch_size]
        yield [(prompt.id, row, None) for prompt in batch]
