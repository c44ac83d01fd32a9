"""Token batches from examples: bucketed by length, padded on the right, in a seeded order."""

from __future__ import annotations

import random
from collections.abc import Iterator

import torch
from transformers import PreTrainedTokenizerBase

from training.corpus import Example
from training.tokenizer import CONTEXT_TOKENS

# The answer is what the models are for. A little weight on the prompt lets its wording teach too.
PROMPT_WEIGHT = 0.1
POOL_EXAMPLES = 1024
# Few distinct shapes: each new one costs the CPU's matrix library time and memory.
LENGTH_STEP = 32

Encoded = tuple[list[int], int]
Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def encode_examples(tokenizer: PreTrainedTokenizerBase, examples: list[Example]) -> list[Encoded]:
    """(token ids, prompt length) of each example; the newline belongs to the answer.

    Prompt and answer are tokenised apart, since at inference the text ends with the prompt.
    Examples longer than the context are left out.
    """
    prompts = tokenizer([example.prompt for example in examples])["input_ids"]
    answers = tokenizer(["\n" + example.answer for example in examples])["input_ids"]
    encoded = [
        (prompt + answer + [tokenizer.eos_token_id], len(prompt))
        for prompt, answer in zip(prompts, answers, strict=True)
    ]
    return [(ids, length) for ids, length in encoded if len(ids) <= CONTEXT_TOKENS]


def padded_length(ids: list[int]) -> int:
    """The length of `ids` as inputs (one less than all), up to a multiple of `LENGTH_STEP`."""
    return -(-(len(ids) - 1) // LENGTH_STEP) * LENGTH_STEP


def make_batch(encoded: list[Encoded], pad_id: int, prompt_weight: float = PROMPT_WEIGHT) -> Batch:
    """Input ids, next-token targets and their weights, each (examples, padded length)."""
    length = max(padded_length(ids) for ids, _ in encoded)
    tokens = torch.full((len(encoded), length + 1), pad_id)
    weights = torch.zeros((len(encoded), length))
    for row, (ids, prompt_length) in enumerate(encoded):
        tokens[row, : len(ids)] = torch.tensor(ids)
        weights[row, : prompt_length - 1] = prompt_weight
        weights[row, prompt_length - 1 : len(ids) - 1] = 1.0
    return tokens[:, :-1], tokens[:, 1:], weights


def group_by_length(encoded: list[Encoded], batch_tokens: int) -> list[list[Encoded]]:
    """Groups of similar length whose padded size stays within `batch_tokens`."""
    groups: list[list[Encoded]] = []
    for item in sorted(encoded, key=lambda pair: len(pair[0])):
        if groups and padded_length(item[0]) * (len(groups[-1]) + 1) <= batch_tokens:
            groups[-1].append(item)
        else:
            groups.append([item])
    return groups


def endless_batches(
    encoded: list[Encoded], pad_id: int, batch_tokens: int, seed: int
) -> Iterator[Batch]:
    """Batches for ever: each pass is shuffled, then bucketed within pools of examples."""
    chance = random.Random(seed)
    order = list(encoded)
    while True:
        chance.shuffle(order)
        groups: list[list[Encoded]] = []
        for start in range(0, len(order), POOL_EXAMPLES):
            groups += group_by_length(order[start : start + POOL_EXAMPLES], batch_tokens)
        chance.shuffle(groups)
        for group in groups:
            yield make_batch(group, pad_id)
