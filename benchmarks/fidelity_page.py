"""How long the Fidelity page takes to read a large study: 541 prompts (IFEval's number) of eight
configs of two models, some 150 tokens each, every config held against its parent.

    python -m benchmarks.fidelity_page [--db FILE] [--prompts 541] [--rounds 3]

The study is made up; with --db it is kept, and found there the next time. Prints seconds of
processor time of each reader that the page calls, the least of some rounds, each in a process that
has imported what it needs.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from vibecore import store
from vibecore.catalog.suites import Constraint, Prompt
from vibecore.core.records import Protocol
from vibecore.scoring import SCORER_VERSION, score_output
from vibecore.studies.fidelity_results import read_fidelity_results
from vibecore.studies.queries import read_evidence, read_summary

STUDY = "large"
MODELS, PRECISIONS = ("1M", "5M"), ("bf16", "8bit", "8bit-t0", "4bit")
CATEGORIES = ("code", "mail", "summary", "list", "story", "question")
CONSTRAINTS = (
    Constraint("word_count", {"relation": "le", "count": 130}),
    Constraint("letter_case", {"case": "lower"}),
)
WORDS = ("the", "model", "answers", "a", "prompt", "quickly", "and", "in", "few", "words")
# (way, whether it is a parent's own, its scale of KLD): what is measured of a study.
WAYS = (("alone", False, 1e-3), ("batch", True, 1e-6), ("graph", True, 2e-6))
# Each token's KLD is exponential with a scale of its prompt's, both from hashes; a chunk of text
# has an output's tokens. Python would take minutes.
MADE = """
    INSERT INTO fidelity BY NAME
    WITH text AS (
        SELECT run_id AS against_run_id, model, prompt_id AS item, token_ids, 'outputs' AS reference
        FROM generation JOIN run USING (run_id) WHERE precision = 'bf16'
        UNION ALL
        SELECT run_id, model, 'text ' || prompt_id, token_ids, 'text'
        FROM generation JOIN run USING (run_id)
        WHERE precision = 'bf16' AND hash(prompt_id) % 64 = 0
    ), token AS (
        SELECT run_id, text.*, length(precision) * exp(hash(item) % 1000 / 500) AS size,
               list_transform(token_ids, lambda x, i:
                   1e-5 + (hash(x * 1000 + i + run_id * 7) % 100000) / 1e5) AS draws
        FROM text JOIN run USING (model) WHERE (run_id = against_run_id) = $own
    )
    SELECT run_id, against_run_id, $way AS way, reference, item,
           list_transform(draws, lambda x: -ln(x) * size * $factor) AS kld,
           list_transform(draws, lambda x: x > 0.03) AS same_top,
           list_transform(draws, lambda x: -x) AS log_p,
           list_transform(draws, lambda x: -x * x) AS parent_log_p,
           token_ids AS top_token, draws AS top_p,
           list_transform(token_ids, lambda x: ' piece') AS pieces,
           list_transform(draws, lambda x: if(x > 0.03, NULL, ' other')) AS top_pieces,
           20 AS prompt_tokens, 0.1 AS seconds, 10 ** 9 AS peak_memory_bytes,
           'a processor' AS measured_on, now()::TIMESTAMP AS created_at
    FROM token"""


def make(db: Path, prompts: int) -> None:
    """Write the study, scored, with its fidelity over outputs and a running text."""
    rng = random.Random(1)
    suite = tuple(
        Prompt(f"p{number:04d}", rng.choice(CATEGORIES), f"Say {number}.", CONSTRAINTS)
        for number in range(prompts)
    )
    study = store.NewStudy(STUDY, "measured", STUDY, "made", suite, prompts, Protocol())
    runs = [
        store.NewRun(f"{model}-{precision}", model, precision, f"demo/{model}", "demo")
        for model in MODELS
        for precision in PRECISIONS
    ]
    store.prepare(db)
    with store.writing(db) as connection:
        run_ids = store.create_study(connection, study, runs)
    for run_id in run_ids.values():
        rows = []
        for prompt in suite:
            words = [rng.choice(WORDS) for _ in range(rng.randint(60, 200))]
            text = " ".join(words)
            made = {
                "sample": 0,
                "text": text,
                "token_ids": [rng.randrange(200) for _ in words],
                "prompt_tokens": 20,
                "new_tokens": len(words),
                "finish_reason": "eos",
            }
            rows.append((prompt.id, made, score_output(prompt, text)))
        with store.writing(db) as connection:
            store.add_generations(connection, run_id, 0, rows, SCORER_VERSION)
        with store.writing(db) as connection:
            store.finish_run(connection, run_id, "complete")
    with store.writing(db) as connection:
        for way, own, factor in WAYS:
            connection.execute(MADE, {"way": way, "own": own, "factor": factor})


def least(work: Callable[[], object], rounds: int) -> float:
    """Seconds of processor time, the least of some rounds."""
    found = []
    for _ in range(rounds):
        begin = time.process_time()
        work()
        found.append(time.process_time() - begin)
    return min(found)


def main() -> None:
    """Print a line a reader."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--db", type=Path)
    parser.add_argument("--prompts", type=int, default=541)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        db = options.db or Path(folder) / "large.duckdb"
        if not db.exists():
            make(db, options.prompts)
        readers: dict[str, Callable[[], object]] = {
            "read_fidelity_results": lambda: read_fidelity_results(db, STUDY),
            "read_summary": lambda: read_summary(db, STUDY),
            "read_evidence": lambda: read_evidence(db, STUDY),
        }
        for name, read in readers.items():
            print(f"{name}: {least(read, options.rounds):.2f} s")


if __name__ == "__main__":
    main()
