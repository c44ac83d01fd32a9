"""How many outputs a second are scored on one core, beside IFEval's reference checkers.

    python -m benchmarks.scoring [--db results.duckdb] [--repeats 5]

First the stored outputs of a study of real checkpoints and of the demo study, as they are.
Then texts of the longest that a study has: each output of the demo study with those of the prompts
after it, of the same config, joined until they are 200 tokens long; and one looping output of the
labelled set to three of those. Scored are all measures and the constraints of vibe30's prompt; no
code is run, no language detected. Then the long texts are judged by IFEval instructions, three a
text, strict and loose, by our scorers and by the reference in lm-eval: every instruction but the
three that detect a language.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any

from benchmarks.ifeval_cases import ARGUMENTS
from benchmarks.ifeval_reference import reference, reference_verdicts
from vibecore.analysis import flag_accuracy
from vibecore.catalog.suites import Constraint, Prompt
from vibecore.core.paths import DEFAULT_DB
from vibecore.core.rows import OutputRow
from vibecore.scoring import judge, load_suite, score_output
from vibecore.scoring.ifeval import INSTRUCTIONS
from vibecore.studies.queries import read_outputs

TOKENS = 200
# IFEval's instructions but the three that detect a language.
NAMES = [name for name in INSTRUCTIONS if "language" not in name and "english" not in name]
Item = tuple[Prompt, str, list[int]]


def stored(db: Path, study: str) -> list[Item]:
    """Every output of a study with its prompt."""
    prompts = {prompt.id: prompt for prompt in load_suite("vibe30").prompts}
    return [
        (prompts[row.prompt_id], row.text, row.token_ids or [])
        for row in read_outputs(db, study)
        if row.text is not None
    ]


def texts(db: Path) -> Iterator[Item]:
    """Prompts with outputs of about 200 tokens; see the module's docstring."""
    prompts = {prompt.id: prompt for prompt in load_suite("vibe30").prompts}
    groups: dict[str, list[OutputRow]] = {}
    for row in read_outputs(db, "demo"):
        if row.token_ids and row.text and row.text.strip():
            groups.setdefault(row.config, []).append(row)
    looping = cycle([o for o in flag_accuracy.read_labelled() if o.looping and len(o.text) > 300])
    for rows in groups.values():
        for first in range(len(rows)):
            text = ""
            ids: list[int] = []
            for row in [*rows[first:], *rows[:first]]:
                text, ids = text + (row.text or "") + "\n", ids + (row.token_ids or [])
                if len(ids) >= TOKENS:
                    break
            prompt = prompts[rows[first].prompt_id]
            yield prompt, text, ids[:TOKENS]
            if first % 3 == 0:
                output = next(looping)
                yield prompt, output.text, list(output.token_ids[:TOKENS])


def best_rate(items: Sequence[Any], work: Callable[..., Any], repeats: int) -> float:
    """Items a second of processor time, in the best of some passes."""
    best = float("inf")
    for _ in range(repeats):
        started = time.process_time()
        for item in items:
            work(*item)
        best = min(best, time.process_time() - started)
    return len(items) / best


def with_instructions(items: Sequence[Item]) -> list[tuple[Prompt, str, list[int]]]:
    """The same texts, each with three IFEval instructions as constraints."""
    names, chance = cycle(NAMES), random.Random(0)

    def constraint(text: str) -> Constraint:
        name = next(names)
        kwargs = ARGUMENTS[name](text, chance) if name in ARGUMENTS else {}
        return Constraint("ifeval", {"instruction_id": name, "kwargs": kwargs})

    return [
        (replace(prompt, constraints=tuple(constraint(text) for _ in range(3))), text, ids)
        for prompt, text, ids in items
    ]


def judge_all(prompt: Prompt, text: str, _ids: list[int]) -> None:
    """Our verdicts alone."""
    for constraint in prompt.constraints:
        judge(text, constraint)


def reference_judge(prompt: Prompt, text: str, _ids: list[int]) -> None:
    """The reference's strict and loose verdicts."""
    for constraint in prompt.constraints:
        name, kwargs = constraint.arguments["instruction_id"], constraint.arguments["kwargs"]
        reference_verdicts(name, kwargs, text)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--db", type=Path, default=DEFAULT_DB)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    rate = partial(best_rate, repeats=options.repeats)
    for study in ("qwen2.5-coder", "demo"):
        outputs = stored(options.db, study)
        characters = sum(len(text) for _, text, _ in outputs) / len(outputs)
        print(
            f"{len(outputs)} outputs of '{study}', {characters:.0f} characters on average: "
            f"{rate(outputs, score_output):.0f} outputs/s, all scores, vibe30's constraints"
        )
    items = list(texts(options.db))
    constraints = sum(len(prompt.constraints) for prompt, _, _ in items) / len(items)
    characters = sum(len(text) for _, text, _ in items) / len(items)
    print(
        f"{len(items)} long texts, {characters:.0f} characters and {constraints:.1f} constraints "
        "on average; one core, processor time"
    )
    suite = rate(items, score_output)
    print(f"all scores, vibe30's constraints:      {suite:8.0f} outputs/s")
    for category in ("code", "creative", "reasoning", "instruction"):
        chosen = [item for item in items if item[0].category == category]
        print(f"  {category:37}{rate(chosen, score_output):8.0f} outputs/s")
    try:
        reference()
    except ImportError as error:
        sys.exit(f"The reference is not installed ({error}): pip install -r requirements-dev.txt.")
    again = with_instructions(items)
    theirs = rate(again, reference_judge)
    both, verdicts = rate(again, score_output), rate(again, judge_all)
    print(f"reference, three IFEval instructions:  {theirs:8.0f} outputs/s")
    for name, ours in (
        ("the same verdicts", verdicts),
        ("all scores, vibe30's constraints", suite),
        ("all scores and the same verdicts", both),
    ):
        print(f"  ours, {name:34}{ours:6.0f} outputs/s, {ours / theirs:.1f} × the reference")
    for found in flag_accuracy.measure_flags():
        print(
            f"{found.flag}: precision {found.precision:.2f}, recall {found.recall:.2f} on "
            f"{found.outputs} labelled outputs, {found.looping} of them looping"
        )


if __name__ == "__main__":
    main()
