"""Which prompts are decoded together, and how many fit: decided before anything is loaded."""

from __future__ import annotations

from collections.abc import Sequence

from vibecore.catalog.memory import Workload, largest_batch, workload
from vibecore.catalog.models import Config
from vibecore.catalog.suites import Prompt
from vibecore.core.machine import gpu_name
from vibecore.core.records import Asking

AUTO = "auto"
# What a chat template adds around a prompt, its own system message included: Qwen2.5's 30 tokens,
# Llama 3.2's 40.
TEMPLATE_TOKENS = 128
# A text has seldom less than two bytes a token: what is likely, where `most` is for certain.
LIKELY_BYTES, LIKELY_TEMPLATE_TOKENS = 2, 40
AS_THEY_STAND = Asking("off")
Batches = tuple[tuple[Prompt, ...], ...]


def most_prompt_tokens(prompts: Sequence[Prompt], asking: Asking = AS_THEY_STAND) -> int:
    """A number of tokens that no prompt exceeds as it is asked, without a tokenizer.

    A byte-level tokenizer makes at most one token a byte; one more for a beginning-of-text, and
    what a chat template and a system message add.
    """
    added = 0 if asking.chat == "off" else TEMPLATE_TOKENS + len((asking.system or "").encode())
    return max(len(prompt.text.encode()) for prompt in prompts) + 1 + added


def workload_of(
    prompts: Sequence[Prompt],
    new_tokens: int,
    batch_size: int = 1,
    asking: Asking = AS_THEY_STAND,
    *,
    sampled: bool = False,
) -> Workload:
    """What is likely to be decoded at once, at most."""
    longest = max((prompt.text for prompt in prompts), key=lambda text: len(text.encode()))
    return workload_of_text(longest, new_tokens, asking, batch_size, sampled=sampled)


def workload_of_text(
    text: str,
    new_tokens: int,
    asking: Asking = AS_THEY_STAND,
    batch_size: int = 1,
    *,
    sampled: bool = False,
) -> Workload:
    """What decoding a prompt, or several that are no longer, is likely to be at most."""
    return workload(likely_tokens(text, asking), new_tokens, batch_size, sampled=sampled)


def likely_tokens(text: str, asking: Asking = AS_THEY_STAND) -> int:
    """How many tokens a prompt is likely to have at most as it is asked, without a tokenizer."""
    template, system = (0, "") if asking.chat == "off" else (LIKELY_TEMPLATE_TOKENS, asking.system)
    return template + len((text + (system or "")).encode()) // LIKELY_BYTES


def auto_batch_size(
    configs: Sequence[Config],
    prompts: Sequence[Prompt],
    device: str,
    new_tokens: int,
    free_bytes: int,
    asking: Asking = AS_THEY_STAND,
    engine: str = "eager",
    *,
    most: int | None = None,
    sampled: bool = False,
) -> int:
    """The largest batch that every config of a study has room for, up to `most`, by default all its
    prompts.

    Raises InputError for a config whose architecture is not known.
    """
    longest = most_prompt_tokens(prompts, asking)
    return largest_batch(
        configs,
        device,
        longest,
        new_tokens,
        free_bytes,
        most=len(prompts) if most is None else most,
        engine=engine,
        gpu=gpu_name(device),
        sampled=sampled,
    )


def make_batches(prompts: Sequence[Prompt], size: int) -> Batches:
    """The prompts in batches of `size`, alike in length so that little is padded.

    Longest first, so that a batch too large fails at once; equal lengths stay in the suite's
    order. It depends on nothing but the suite and the size, so that a resumed study has the same
    batches. At size 1 the order is the suite's.
    """
    if size == 1:
        return tuple((prompt,) for prompt in prompts)
    ordered = sorted(prompts, key=lambda prompt: -len(prompt.text.encode()))
    return tuple(tuple(ordered[start : start + size]) for start in range(0, len(ordered), size))
