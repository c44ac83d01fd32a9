"""A study of up to 1,000 configs, 541 prompts and 8 samples, made without an engine.

A stub stands for it: sentences of stored outputs in random order, 900 characters and 200 random
tokens an output; the second config's outputs say one sentence over and over. Prompts have one to
three of IFEval's instructions. Two configs go through the driver's own code. Every other config's
rows are copies of theirs, each text and token changed, with a share of the second's that depends on
its model, its precision and the prompt: configs differ as those of a real study do. Speeds and
memory differ too.
"""

from __future__ import annotations

import random
from pathlib import Path

from benchmarks.ifeval_cases import ARGUMENTS
from vibecore import store
from vibecore.catalog.models import Config, Model
from vibecore.catalog.precisions import PRECISIONS
from vibecore.catalog.suites import Constraint, Prompt, Suite, content_hash
from vibecore.core.records import Decoding, Generation, LoadReport, Protocol
from vibecore.scoring.ifeval import INSTRUCTIONS
from vibecore.studies import digests
from vibecore.studies.commits import Commits
from vibecore.studies.jobs import Job, Plan, PlannedBatch
from vibecore.studies.queries import read_outputs

STUDY = "size"
CONFIGS, PROMPTS, SAMPLES = 1_000, 541, 8
A_CONFIG = PROMPTS * SAMPLES
CHARACTERS, TOKENS, VOCABULARY = 900, 200, 150_000
BATCH = 64
NAMES = ("bf16", "fp16", "8bit", "4bit")
COPIED_TOGETHER = 70

# Of config r (run ids count from 1): the place of its model and of its precision.
MODEL, PRECISION = f"((r - 1) // {len(NAMES)})", f"((r - 1) % {len(NAMES)})"
# A number from 0 to 1 that depends on nothing but what is hashed.
CHANCE = "((hash({}) % 1000003) / 1000003.0)"
# The share of outputs that a config has of the second one, over all prompts.
SHARE = f"(0.25 * {CHANCE.format(f'{MODEL}, 11')} ** 2 + 0.01 * greatest(0, {PRECISION} - 1))"
# Which of the two a row is copied from; some prompts are harder for all.
ORIGIN = (
    f"(CASE WHEN {CHANCE.format('r, prompt_id, sample')} < "
    f"{SHARE} * 2 * {CHANCE.format('prompt_id, 13')} THEN 2 ELSE 1 END)"
)
SLOWER = f"(0.5 + {CHANCE.format('r, 17')})"
BYTES = f"((500000000 * (1 + {MODEL} % 20)) // (1 + {PRECISION}))::BIGINT"
# What makes a copy of a row another config's.
CHANGED = {
    "generation": f""",
        (substr(md5(r::VARCHAR || prompt_id || sample), 1, 16) || text) AS text,
        list_transform(token_ids, lambda x: (x + r * 7919 * (1 + x % 97)) % {VOCABULARY})
            AS token_ids,
        total_seconds * {SLOWER} AS total_seconds,
        tokens_per_second / {SLOWER} AS tokens_per_second,
        {BYTES} AS peak_memory_bytes""",
    "score": "",
    "verdict": "",
}


def read_sentences(db: Path) -> list[str]:
    """Sentences of the outputs of a shipped study."""
    texts = [row.text for row in read_outputs(db, "qwen2.5-coder") if row.text]
    parts = {part.strip() for text in texts for part in text.replace("\n", ". ").split(". ")}
    return sorted(part for part in parts if 20 < len(part) < 200)


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
            {
                "instruction_id": n,
                "kwargs": ARGUMENTS[n](text, chance) if n in ARGUMENTS else {},
            }
            for n in chosen
        ]
        constraints = tuple(Constraint("ifeval", one) for one in arguments)
        prompts.append(Prompt(f"{1000 + number}", "ifeval", text, constraints))
    made = tuple(prompts)
    return Suite("ifeval-like", "Size", "generated", made, content_hash(made))


class Stub:
    """An engine that takes no time: random sentences and tokens; `repeats` says one sentence."""

    def __init__(self, sentences: list[str], *, repeats: bool = False) -> None:
        self._sentences = sentences
        self._chance = random.Random(1)
        self._repeats = repeats

    def batch(self, suite: Suite, start: int, size: int) -> tuple[PlannedBatch, list[Generation]]:
        """Outputs number `start` and on of a config."""
        places = [(number % PROMPTS, number // PROMPTS) for number in range(start, start + size)]
        prompts = tuple(suite.prompts[place] for place, _ in places)
        samples = tuple(sample for _, sample in places)
        planned = PlannedBatch(start, prompts, samples)
        return planned, [self._one(s, size) for s in samples]

    def _one(self, sample: int, size: int) -> Generation:
        text, sentence = "", self._chance.choice(self._sentences)
        while len(text) < CHARACTERS:
            text += sentence + ". "
            if not self._repeats:
                sentence = self._chance.choice(self._sentences)
        tokens = tuple(self._chance.randrange(VOCABULARY) for _ in range(TOKENS))
        return Generation(
            *(text, tokens, 60, "length", 0.05, 2.0, 10**9),
            batch_size=size,
            sample=sample,
            rendered_prompt=text[:250],
        )


def make_study(db: Path, suite: Suite, configs: int = CONFIGS) -> tuple[Plan, list[Job]]:
    """The rows of a study with nothing generated."""
    store.prepare(db)
    made = tuple(
        Config(Model(f"m{place // len(NAMES):03}", "stub", "local", None), PRECISIONS[name])
        for place in range(configs)
        for name in [NAMES[place % len(NAMES)]]
    )
    protocol = Protocol(batch_size=BATCH, samples=SAMPLES, decoding=Decoding(0.7))
    plan = Plan(db, STUDY, suite, made, protocol)
    with store.writing(db) as connection:
        study = store.NewStudy(
            STUDY, "measured", "Size", suite.name, suite.prompts, PROMPTS, protocol, suite.sha256
        )
        runs = [store.NewRun(c.id, c.model.name, c.precision.name, "stub", "local") for c in made]
        ids = store.create_study(connection, study, runs)
    return plan, [Job(ids[config.id], config, None, ()) for config in made]


def start(commits: Commits, job: Job) -> None:
    """Mark a config as running."""
    commits.start(job, LoadReport(1.0, 10**9, "bfloat16", {"device": "cpu"}))


def add_first(commits: Commits, jobs: list[Job], suite: Suite, sentences: list[str]) -> None:
    """All outputs of the first two configs."""
    for job, repeats in zip(jobs[:2], (False, True), strict=True):
        stub = Stub(sentences, repeats=repeats)
        start(commits, job)
        for place in range(0, A_CONFIG, BATCH):
            made = stub.batch(suite, place, min(BATCH, A_CONFIG - place))
            commits.add([commits.score(job, *made)])
        commits.finish(job, "complete")


def copy_first(db: Path, first: int, last: int) -> None:
    """Rows of configs `first` to `last`, from 3, in place of those that they have."""
    for begin in range(first, last + 1, COPIED_TOGETHER):
        end = min(begin + COPIED_TOGETHER, last + 1)
        with store.writing(db) as connection:
            for table, changed in CHANGED.items():
                among = f"run_id >= {begin} AND run_id < {end}"
                connection.execute(f"DELETE FROM {table} WHERE {among}")
                connection.execute(f"DELETE FROM digest WHERE {among}")
                connection.execute(
                    f"""INSERT INTO {table} BY NAME
                        SELECT {table}.* REPLACE (r::INTEGER AS run_id{changed})
                        FROM {table}, range({begin}, {end}) copies(r)
                        WHERE run_id <= 2 AND run_id = {ORIGIN} ORDER BY r"""
                )
            connection.execute(
                f"""UPDATE run SET status = 'complete', load_seconds = first.load_seconds,
                        dtype = first.dtype, environment = first.environment,
                        weight_bytes = first.weight_bytes, started_at = first.started_at,
                        finished_at = first.finished_at
                    FROM (FROM run WHERE run_id = 1) AS first
                    WHERE run.run_id >= {begin} AND run.run_id < {end}"""
            )


def seal(db: Path) -> None:
    """What the end of a run does: digests that are missing, and the study's checksum."""
    with store.writing(db) as connection:
        digests.seal(connection, STUDY)
