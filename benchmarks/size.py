"""A study of 1,000 configs, 541 prompts and 8 samples: what writing and reading it costs.

    python -m benchmarks.size [--generations 4306360] [--folder FOLDER] [--db results.duckdb]

A stub stands for the engine: it answers at once, with sentences of stored outputs in random order,
900 characters and 200 random tokens an output. Prompts have one to three of IFEval's instructions.
The first config goes through the driver's own code; the others are copies of its rows, each text
and token changed, until the size is reached. Then batches of 1, 8, 32 and 64 outputs go through
`Commits.add` as in a run: scored, committed and durable. What is read is read for the first time.
All figures are of one run. Time "at work" is the process's own, on all its cores: on a busy machine
it is less than the clock's.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.ifeval_cases import ARGUMENTS
from vibecore import store
from vibecore.catalog.models import Config, Model
from vibecore.catalog.precisions import PRECISIONS
from vibecore.catalog.suites import Constraint, Prompt, Suite, content_hash
from vibecore.core.paths import DEFAULT_DB
from vibecore.core.records import Decoding, Generation, LoadReport, Protocol
from vibecore.scoring import score_output
from vibecore.scoring.ifeval import INSTRUCTIONS
from vibecore.studies.commits import Commits
from vibecore.studies.jobs import Job, Plan, PlannedBatch
from vibecore.studies.queries import find_prompts, list_studies, read_outputs, read_runs

STUDY = "size"
CONFIGS, PROMPTS, SAMPLES = 1_000, 541, 8
A_CONFIG = PROMPTS * SAMPLES
# The last configs are left for what is timed.
TIMED = 5
CHARACTERS, TOKENS, VOCABULARY = 900, 200, 150_000
BATCHES = {1: 100, 8: 60, 32: 40, 64: 40}
# What makes a copy of the first config's rows another config's.
CHANGED = {
    "generation": """, (substr(md5(r::VARCHAR || prompt_id || sample), 1, 16) || text) AS text,
        list_transform(token_ids, lambda x: (x + r * 7919 * (1 + x % 97)) % 150000) AS token_ids""",
    "score": "",
    "verdict": "",
}
COPIED_TOGETHER = 70


def make_suite(sentences: list[str]) -> Suite:
    """541 prompts with IFEval's instructions; two that need long texts and languages are left
    out."""
    chance = random.Random(0)
    left_out = ("language", "english", "combination")
    names = [name for name in INSTRUCTIONS if not any(word in name for word in left_out)]
    prompts = []
    for number in range(PROMPTS):
        text = ". ".join(chance.sample(sentences, 4))
        chosen = chance.sample(names, chance.choice((1, 1, 1, 2, 2, 3)))
        arguments = [
            {"instruction": n} | (ARGUMENTS[n](text, chance) if n in ARGUMENTS else {})
            for n in chosen
        ]
        constraints = tuple(Constraint("ifeval", one) for one in arguments)
        prompts.append(Prompt(f"{1000 + number}", "ifeval", text, constraints))
    made = tuple(prompts)
    return Suite("ifeval-like", "Size", "generated", made, content_hash(made))


class Stub:
    """An engine that takes no time: random sentences and tokens."""

    def __init__(self, sentences: list[str]) -> None:
        self._sentences = sentences
        self._chance = random.Random(1)

    def batch(self, suite: Suite, start: int, size: int) -> tuple[PlannedBatch, list[Generation]]:
        """Outputs number `start` and on of a config."""
        places = [(number % PROMPTS, number // PROMPTS) for number in range(start, start + size)]
        prompts = tuple(suite.prompts[place] for place, _ in places)
        samples = tuple(sample for _, sample in places)
        return PlannedBatch(start, prompts, samples), [self._one(s, size) for s in samples]

    def _one(self, sample: int, size: int) -> Generation:
        text = ""
        while len(text) < CHARACTERS:
            text += self._chance.choice(self._sentences) + ". "
        tokens = tuple(self._chance.randrange(VOCABULARY) for _ in range(TOKENS))
        return Generation(
            *(text, tokens, 60, "length", 0.05, 2.0, 10**9),
            batch_size=size,
            sample=sample,
            rendered_prompt=text[:250],
        )


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


def make_study(db: Path, suite: Suite) -> tuple[Plan, list[Job]]:
    """The rows of a study with nothing generated."""
    store.prepare(db)
    configs = tuple(
        Config(Model(f"m{number:03}", "stub", "local", None), precision)
        for number in range(CONFIGS // 4)
        for precision in [PRECISIONS[name] for name in ("bf16", "fp16", "8bit", "4bit")]
    )
    protocol = Protocol(batch_size=64, samples=SAMPLES, decoding=Decoding(0.7))
    plan = Plan(db, STUDY, suite, configs, protocol)
    with store.writing(db) as connection:
        study = store.NewStudy(
            STUDY, "measured", "Size", suite.name, suite.prompts, PROMPTS, protocol, suite.sha256
        )
        runs = [
            store.NewRun(c.id, c.model.name, c.precision.name, "stub", "local") for c in configs
        ]
        ids = store.create_study(connection, study, runs)
    return plan, [Job(ids[config.id], config, None, ()) for config in configs]


def copy_first(db: Path, count: int) -> None:
    """Rows of configs 2 to `count` from those of the first."""
    for start in range(2, count + 1, COPIED_TOGETHER):
        end = min(start + COPIED_TOGETHER, count + 1)
        with store.writing(db) as connection:
            for table, changed in CHANGED.items():
                connection.execute(
                    f"""INSERT INTO {table} BY NAME
                        SELECT {table}.* REPLACE (r::INTEGER AS run_id{changed})
                        FROM {table}, range({start}, {end}) copies(r)
                        WHERE run_id = 1 ORDER BY r"""
                )


def measure_writing(commits: Commits, job: Job, suite: Suite, stub: Stub) -> None:
    """Milliseconds an output, by batch, with the longest call; then from four threads."""
    at = 0
    for size, count in BATCHES.items():
        made = [stub.batch(suite, at + size * number, size) for number in range(count)]
        at += size * count
        judged = [pair for b, g in made[:5] for pair in zip(b.prompts, g, strict=True)]
        scoring = sum(busy_of(partial(judge, *pair)) for pair in judged) / len(judged)
        busy = time.process_time()
        took = [timed(partial(commits.add, job, b, g)) for b, g in made]
        busy = (time.process_time() - busy) / size / count
        each = sum(took) / size / count
        print(
            f"batches of {size}: {1e3 * each:.2f} ms an output, {1e3 * busy:.2f} of them at work; "
            f"scoring takes {1e3 * scoring:.2f}; longest call {max(took):.2f} s"
        )


def measure_threads(commits: Commits, jobs: list[Job], suite: Suite, stub: Stub) -> None:
    """Four configs side by side, batches of 32."""
    made = [[stub.batch(suite, 32 * n, 32) for n in range(20)] for _ in jobs]

    def work(job: Job, batches: list[tuple[PlannedBatch, list[Generation]]]) -> None:
        for batch, outputs in batches:
            commits.add(job, batch, outputs)

    def together() -> None:
        with ThreadPoolExecutor(len(jobs)) as pool:
            list(pool.map(work, jobs, made))

    each = timed(together) / (len(jobs) * 20 * 32)
    print(f"batches of 32 from {len(jobs)} threads: {1e3 * each:.2f} ms an output")


def measure_reading(db: Path, jobs: list[Job]) -> None:
    """What Outputs and the list of studies read."""
    shown = [job.config.id for job in jobs[: len(jobs) // 2 : max(1, len(jobs) // 16)]][:8]
    reads: dict[str, Callable[[], Any]] = {
        "list of studies": lambda: list_studies(db),
        "configs with what their outputs took": lambda: read_runs(db, STUDY),
        "list of prompts": lambda: find_prompts(db, STUDY),
        "one prompt by eight configs": lambda: read_outputs(db, STUDY, "1005", configs=shown),
        "one config, all outputs": lambda: read_outputs(db, STUDY, config=shown[0]),
    }
    for name, read in reads.items():
        print(f"{name}: {timed(read):.2f} s")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    most = (CONFIGS - TIMED) * A_CONFIG
    parser.add_argument("--generations", type=int, default=most)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--db", type=Path, default=DEFAULT_DB, help="whose outputs the stub reads")
    options = parser.parse_args()
    texts = [row.text for row in read_outputs(options.db, "qwen2.5-coder") if row.text]
    parts = {part.strip() for text in texts for part in text.replace("\n", ". ").split(". ")}
    sentences = sorted(part for part in parts if 20 < len(part) < 200)
    count = max(1, min(CONFIGS - TIMED, options.generations // A_CONFIG))
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        db, suite, stub = Path(folder) / "size.duckdb", make_suite(sentences), Stub(sentences)
        plan, jobs = make_study(db, suite)
        commits = Commits(plan)
        for job in (jobs[0], *jobs[-TIMED:]):
            commits.start(job, LoadReport(1.0, 10**9, "bfloat16", {"device": "cpu"}))
        for start in range(0, A_CONFIG, 64):
            batch, outputs = stub.batch(suite, start, min(64, A_CONFIG - start))
            commits.add(jobs[0], batch, outputs)
        commits.finish(jobs[0], "complete")
        copy_first(db, count)
        size = db.stat().st_size
        print(f"{count * A_CONFIG:,} outputs of {count} configs: {size / 1e9:.2f} GB", end="")
        print(f", {size / count / A_CONFIG:.0f} bytes an output")
        measure_writing(commits, jobs[-1], suite, stub)
        measure_threads(commits, jobs[-TIMED:-1], suite, stub)
        print(f"end of a config: {timed(lambda: commits.finish(jobs[-1], 'complete')):.2f} s")
        measure_reading(db, jobs)


if __name__ == "__main__":
    main()
