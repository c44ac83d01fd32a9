"""A study of 1,000 configs, 541 prompts and 8 samples: what writing and reading it costs.

    python -m benchmarks.size [--generations 4306360] [--folder FOLDER] [--db results.duckdb]

The study is that of benchmarks/size_study.py. Six configs are left for what is timed: batches of 1,
8, 32 and 64 outputs go through `Attempt.keep` as in a run, as fast as they can be taken: scored,
committed and durable; and each in a transaction of its own, as where they come more slowly. Then
they are filled, the study is sealed, and what is read is read for the first time. All figures are
of one run. Time "at work" is the process's own, on all its cores: on a busy machine it is less than
the clock's.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.size_study import (
    A_CONFIG,
    CONFIGS,
    STUDY,
    Stub,
    add_first,
    copy_first,
    make_study,
    make_suite,
    read_sentences,
    seal,
    start,
)
from vibecore.analysis import Rule, answer
from vibecore.catalog.suites import Prompt, Suite
from vibecore.core.paths import DEFAULT_DB
from vibecore.core.records import Generation
from vibecore.scoring import score_output
from vibecore.studies.commits import Commits
from vibecore.studies.dispatch.attempt import Attempt
from vibecore.studies.jobs import Job, Plan, PlannedBatch
from vibecore.studies.queries import (
    find_prompts,
    list_studies,
    read_evidence,
    read_outputs,
    read_prompt_results,
    read_runs,
)

# The last configs are left for what is timed.
TIMED = 6
# Outputs a batch -> batches, taken as fast as they come, and each in a transaction of its own.
TOGETHER = {1: 800, 8: 100, 32: 32, 64: 24}
ALONE = {1: 100, 8: 60, 32: 40, 64: 30}
FROM_THREADS = {1: 400, 32: 20}


def timed(call: Callable[[], Any]) -> float:
    """Seconds of one call."""
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def busy_of(call: Callable[[], Any]) -> float:
    """Seconds of processor time of one call."""
    begun = time.process_time()
    call()
    return time.process_time() - begun


def judge(prompt: Prompt, made: Generation) -> None:
    """Score an output as Commits does."""
    score_output(prompt, made.text or "", made.answer_token_ids, finish_reason=made.finish_reason)


def measure_writing(
    plan: Plan, commits: Commits, jobs: list[Job], suite: Suite, stub: Stub
) -> None:
    """Milliseconds an output of two configs, by batch, with the longest call."""
    for how, counts, job in zip(("together", "alone"), (TOGETHER, ALONE), jobs, strict=True):
        at = 0
        for size, count in counts.items():
            made = [stub.batch(suite, at + size * number, size) for number in range(count)]
            at += size * count
            judged = [pair for b, g in made[:5] for pair in zip(b.prompts, g, strict=True)]
            scoring = sum(busy_of(partial(judge, *pair)) for pair in judged) / len(judged)
            attempt = Attempt(plan, job, commits, lambda event: None)
            busy, begun, took = time.process_time(), time.perf_counter(), []
            for batch, outputs in made:
                took.append(timed(partial(attempt.keep, batch, outputs)))
                if how == "alone":
                    took[-1] += timed(attempt.store_kept)
            took.append(timed(attempt.store_kept))
            each = (time.perf_counter() - begun) / size / count
            busy = (time.process_time() - busy) / size / count
            print(
                f"batches of {size}, {how}: {1e3 * each:.2f} ms an output, {1e3 * busy:.2f} of "
                f"them at work; scoring takes {1e3 * scoring:.2f}; longest call {max(took):.2f} s"
            )


def measure_threads(
    plan: Plan, commits: Commits, jobs: list[Job], suite: Suite, stub: Stub
) -> None:
    """Four configs side by side, as fast as they come."""

    def work(job: Job, batches: list[tuple[PlannedBatch, list[Generation]]]) -> None:
        attempt = Attempt(plan, job, commits, lambda event: None)
        for batch, outputs in batches:
            attempt.keep(batch, outputs)
        attempt.store_kept()

    def together() -> None:
        with ThreadPoolExecutor(len(jobs)) as pool:
            list(pool.map(work, jobs, made))

    at = 0
    for size, count in FROM_THREADS.items():
        made = [[stub.batch(suite, at + size * n, size) for n in range(count)] for _ in jobs]
        at += size * count
        each = timed(together) / (len(jobs) * count * size)
        print(f"batches of {size} from {len(jobs)} threads: {1e3 * each:.2f} ms an output")


def measure_reading(db: Path, jobs: list[Job]) -> None:
    """What Outputs and the list of studies read."""
    shown = [job.config.id for job in jobs[: len(jobs) // 2 : max(1, len(jobs) // 16)]][:8]
    ids = find_prompts(db, STUDY).ids[:200]
    reads: dict[str, Callable[[], Any]] = {
        "list of studies": lambda: list_studies(db),
        "configs with what their outputs took": lambda: read_runs(db, STUDY),
        "list of prompts": lambda: find_prompts(db, STUDY),
        "200 prompts in the list, by eight configs": lambda: read_prompt_results(
            db, STUDY, ids, shown
        ),
        "one prompt by eight configs": lambda: read_outputs(db, STUDY, "1005", configs=shown),
        "one config, all outputs": lambda: read_outputs(db, STUDY, config=shown[0]),
        "figures of all configs and outcomes of all outputs": lambda: read_evidence(db, STUDY),
        "the same, with the choice and its stability": lambda: answer(
            read_evidence(db, STUDY), Rule()
        ),
    }
    for name, read in reads.items():
        busy = time.process_time()
        took = timed(read)
        print(f"{name}: {took:.2f} s, {time.process_time() - busy:.2f} at work")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    most = (CONFIGS - TIMED) * A_CONFIG
    parser.add_argument("--generations", type=int, default=most)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--db", type=Path, default=DEFAULT_DB, help="whose outputs the stub reads")
    options = parser.parse_args()
    sentences = read_sentences(options.db)
    count = max(2, min(CONFIGS - TIMED, options.generations // A_CONFIG))
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        db, suite, stub = Path(folder) / "size.duckdb", make_suite(sentences), Stub(sentences)
        plan, jobs = make_study(db, suite, count + TIMED)
        commits = Commits(plan)
        add_first(commits, jobs, suite, sentences)
        for job in jobs[-TIMED:]:
            start(commits, job)
        copy_first(db, 3, count)
        size = db.stat().st_size
        print(f"{count * A_CONFIG:,} outputs of {count} configs: {size / 1e9:.2f} GB", end="")
        print(f", {size / count / A_CONFIG:.0f} bytes an output")
        measure_writing(plan, commits, jobs[-2:], suite, stub)
        measure_threads(plan, commits, jobs[-TIMED:-2], suite, stub)
        print(f"end of a config: {timed(lambda: commits.finish(jobs[-1], 'complete')):.2f} s")
        copy_first(db, count + 1, count + TIMED)
        print(f"end of the study: {timed(lambda: seal(db)):.2f} s")
        measure_reading(db, jobs)


if __name__ == "__main__":
    main()
