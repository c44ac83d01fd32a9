"""How many outputs a second are scored on one core, beside IFEval's reference checkers.

    python -m benchmarks.scoring [--db results.duckdb] [--repeats 5]

The texts: each output of the demo study with those of the prompts after it, of the same config,
joined until they are 200 tokens long; and one looping output of the labelled set to three of
those. Scored are all measures and the constraints of vibe30's prompt; no code is run, no
language detected. Then the same texts are judged by IFEval instructions, three a text, strict
and loose, by our scorers and by the reference in lm-eval: every instruction but the three
that detect a language.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any

from benchmarks.ifeval_reference import reference
from vibecore.analysis import flag_accuracy
from vibecore.catalog.suites import Constraint, Prompt
from vibecore.core.paths import DEFAULT_DB
from vibecore.core.rows import OutputRow
from vibecore.scoring import judge, load_suite, score_output
from vibecore.studies.queries import read_outputs

TOKENS = 200
# Instruction -> arguments, in the ranges of IFEval's own prompts.
INSTRUCTIONS: dict[str, dict[str, Any]] = {
    "keywords:existence": {"keywords": ["string", "morning"]},
    "keywords:frequency": {"keyword": "return", "frequency": 2, "relation": "at least"},
    "keywords:forbidden_words": {"forbidden_words": ["storm", "never"]},
    "keywords:letter_frequency": {
        "letter": "e",
        "let_frequency": 20,
        "let_relation": "at least",
    },
    "length_constraints:number_sentences": {"num_sentences": 5, "relation": "at least"},
    "length_constraints:number_paragraphs": {"num_paragraphs": 3},
    "length_constraints:number_words": {"num_words": 100, "relation": "at least"},
    "length_constraints:nth_paragraph_first_word": {
        "num_paragraphs": 3,
        "nth_paragraph": 2,
        "first_word": "the",
    },
    "detectable_content:number_placeholders": {"num_placeholders": 2},
    "detectable_content:postscript": {"postscript_marker": "P.S."},
    "detectable_format:number_bullet_lists": {"num_bullets": 3},
    "detectable_format:constrained_response": {},
    "detectable_format:number_highlighted_sections": {"num_highlights": 2},
    "detectable_format:multiple_sections": {"section_spliter": "Section", "num_sections": 3},
    "detectable_format:json_format": {},
    "detectable_format:title": {},
    "combination:two_responses": {},
    "combination:repeat_prompt": {"prompt_to_repeat": "Write a short story about a storm."},
    "startend:end_checker": {"end_phrase": "Is there anything else I can help with?"},
    "startend:quotation": {},
    "change_case:capital_word_frequency": {
        "capital_frequency": 2,
        "capital_relation": "at least",
    },
    "punctuation:no_comma": {},
}
Item = tuple[Prompt, str, list[int]]


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
    names = cycle(INSTRUCTIONS)
    made = []
    for prompt, text, ids in items:
        chosen = [next(names) for _ in range(3)]
        constraints = tuple(
            Constraint("ifeval", {"instruction_id": name, "kwargs": INSTRUCTIONS[name]})
            for name in chosen
        )
        made.append((Prompt(prompt.id, "instruction", prompt.text, constraints), text, ids))
    return made


def judge_all(prompt: Prompt, text: str, _ids: list[int]) -> None:
    """Our verdicts alone."""
    for constraint in prompt.constraints:
        judge(text, constraint)


def reference_judge() -> Callable[[Prompt, str, list[int]], None]:
    """The reference's strict and loose verdicts."""
    try:
        utils = reference()
    except ImportError as error:
        sys.exit(f"The reference is not installed ({error}): pip install -r requirements-dev.txt.")

    def evaluate(prompt: Prompt, text: str, _ids: list[int]) -> None:
        example = utils.InputExample(
            key=0,
            instruction_id_list=[c.arguments["instruction_id"] for c in prompt.constraints],
            prompt=prompt.text,
            kwargs=[dict(c.arguments["kwargs"]) for c in prompt.constraints],
        )
        utils.test_instruction_following_strict(example, text)
        utils.test_instruction_following_loose(example, text)

    return evaluate


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--db", type=Path, default=DEFAULT_DB)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    items = list(texts(options.db))
    rate = partial(best_rate, repeats=options.repeats)
    constraints = sum(len(prompt.constraints) for prompt, _, _ in items) / len(items)
    characters = sum(len(text) for _, text, _ in items) / len(items)
    print(
        f"{len(items)} texts, {characters:.0f} characters and {constraints:.1f} constraints "
        "on average; one core, processor time"
    )
    suite = rate(items, score_output)
    print(f"all scores, vibe30's constraints:      {suite:8.0f} outputs/s")
    for category in ("code", "creative", "reasoning", "instruction"):
        chosen = [item for item in items if item[0].category == category]
        print(f"  {category:37}{rate(chosen, score_output):8.0f} outputs/s")
    again = with_instructions(items)
    theirs = rate(again, reference_judge())
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
