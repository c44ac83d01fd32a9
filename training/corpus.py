"""The training text: prompt and answer pairs, and how they split into training and held-out.

The pairs come from the standard library and from our own templates in the style of the suite's
four categories; the suite's own prompts are not among them. A prompt is held out by a hash of
its text, so that no held-out prompt is ever trained on, whatever the counts.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from training.stdlib_pairs import stdlib_pairs
from training.templates_code import code_pair
from training.templates_creative import creative_pair
from training.templates_instruction import instruction_pair
from training.templates_reasoning import reasoning_pair

SEED = 20261123
HELD_OUT_ONE_IN = 25
FENCED_SHARE = 0.75
# Prompts that other people publish results on: never trained on, even by chance.
RESERVED_PROMPTS = (
    "Write a Python function that checks if a string is a palindrome. "
    "Include a docstring and handle empty strings.",
)

Pair = tuple[str, str]
TEMPLATES: dict[str, tuple[Callable[[random.Random], Pair], int]] = {
    "code": (code_pair, 8000),
    "creative": (creative_pair, 9000),
    "reasoning": (reasoning_pair, 14000),
    "instruction": (instruction_pair, 10000),
}


@dataclass(frozen=True)
class Example:
    """One training text: `prompt`, a newline, `answer`. `kind` is a category or `stdlib`."""

    kind: str
    prompt: str
    answer: str

    @property
    def text(self) -> str:
        """The text as the model sees it, without the end-of-text token."""
        return f"{self.prompt}\n{self.answer}"


def normalised(prompt: str) -> str:
    """Lower case, white space collapsed: the form in which prompts are compared."""
    return " ".join(prompt.lower().split())


def is_held_out(prompt: str) -> bool:
    """Whether `prompt` belongs to the held-out part (one in `HELD_OUT_ONE_IN`)."""
    return zlib.crc32(normalised(prompt).encode()) % HELD_OUT_ONE_IN == 0


def _is_reserved(prompt: str) -> bool:
    return any(normalised(reserved) in normalised(prompt) for reserved in RESERVED_PROMPTS)


def template_examples(kind: str, count: int, seed: int = SEED) -> list[Example]:
    """`count` draws from one category's templates, without repeats (so somewhat fewer)."""
    chance = random.Random(f"{seed}-{kind}")
    make_pair = TEMPLATES[kind][0]
    found = dict.fromkeys(Example(kind, *make_pair(chance)) for _ in range(count))
    return [example for example in found if not _is_reserved(example.prompt)]


def stdlib_examples(pairs: list[Pair] | None = None, seed: int = SEED) -> list[Example]:
    """The standard library's functions, most of them fenced."""
    chance = random.Random(f"{seed}-stdlib")
    examples = []
    for prompt, source in stdlib_pairs() if pairs is None else pairs:
        fenced = chance.random() < FENCED_SHARE
        examples.append(
            Example("stdlib", prompt, f"```python\n{source}\n```" if fenced else source)
        )
    return [example for example in examples if not _is_reserved(example.prompt)]


def build_corpus(seed: int = SEED) -> tuple[list[Example], list[Example]]:
    """All examples as (training, held-out); the same for the same Python and seed."""
    examples = stdlib_examples(seed=seed)
    for kind, (_, count) in TEMPLATES.items():
        examples += template_examples(kind, count, seed)
    training = [example for example in examples if not is_held_out(example.prompt)]
    held_out = [example for example in examples if is_held_out(example.prompt)]
    random.Random(f"{seed}-order").shuffle(training)
    return training, held_out
