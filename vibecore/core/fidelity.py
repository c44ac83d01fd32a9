"""What passes between engine, study and store when a config's next-token distributions are held
against those of its parent: the same model at 16 bit.

Both are led along the same reference tokens (teacher forcing), so each distribution has the same
text before it. Probabilities are logarithms in nats.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

# How the second of two distributions came about: each text alone by one reading of it, as the
# first; in a batch with other texts, padded or, by engine `llama.cpp`, decoded together; by the
# forward pass of engine `graph`; or, of a GGUF file as it is, in the steps in which `llama.cpp`
# decodes. All but the first hold a model against itself: the noise floor, of a model of
# transformers, as every parent in a study is, in PARENT_WAYS, of a GGUF file as it is in FILE_WAYS.
Way = Literal["alone", "batch", "graph", "steps"]
PARENT_WAYS: tuple[Way, ...] = ("batch", "graph")
FILE_WAYS: tuple[Way, ...] = ("batch", "steps")
FLOOR_WAYS: tuple[Way, ...] = tuple(dict.fromkeys((*PARENT_WAYS, *FILE_WAYS)))
# A config's parent is that of the same model in the study at the first of these that it has.
PARENT_PRECISIONS = ("bf16", "fp16")
# What the reference tokens are: the parent's own outputs to the study's prompts, or running text.
Reference = Literal["outputs", "text"]
# Positions of a row whose logits stand at a time, and tokens that one forward pass reads without
# giving any.
KEPT_AT_ONCE = 256
READ_AT_ONCE = 512
# Logits of one distribution that are float64 numbers at a time, 16 MiB.
LOGITS_AT_ONCE = 2 * 1024 * 1024
# Texts of a batch when a model is held against itself in one, and its rows: at least one is a copy
# that fills it up. The rows' slices of logits stand at once.
BATCH_TEXTS = 3
BATCH = BATCH_TEXTS + 1
# Tokens of a chunk of running text, as llama.cpp's perplexity tool has it by default.
CHUNK_TOKENS = 512


@dataclass(frozen=True)
class ReferenceText:
    """Tokens to compare at, and what is read before them: a `prompt`, put to the model as it is
    asked, or the tokens `before`."""

    tokens: tuple[int, ...]
    prompt: str | None = None
    before: tuple[int, ...] = ()


@dataclass(frozen=True)
class TokenDistances:
    """One reference text, token by token: every tuple has one entry a reference token.

    `kld`: Kullback-Leibler divergence parent ‖ config of the next-token distributions over the
    whole vocabulary. `log_p` and `parent_log_p`: log-probability of the reference token.
    `top_token` is what the config would choose and `top_p` its probability under it, `same_top`
    whether the parent would choose it too. `pieces` are the reference tokens as text, `top_pieces`
    those that the config would choose, None where it is the reference token. `seconds` of wall time
    for this text, `peak_memory_bytes` as a Generation has it.
    """

    kld: tuple[float, ...]
    same_top: tuple[bool, ...]
    log_p: tuple[float, ...]
    parent_log_p: tuple[float, ...]
    top_token: tuple[int, ...]
    top_p: tuple[float, ...]
    pieces: tuple[str, ...]
    top_pieces: tuple[str | None, ...]
    prompt_tokens: int
    seconds: float
    peak_memory_bytes: int


@dataclass(frozen=True)
class FidelityTokens:
    """All that is stored of one config held against one parent in one way, over one kind of
    reference: numpy arrays [tokens], in the order of the items and of their tokens.

    `items` are the reference texts' names in the suite's order, several samples of a prompt under
    one; `item_of` says which of them a token belongs to. The other arrays are TokenDistances'.
    `seconds` is their sum, `peak_memory_bytes` the largest.
    """

    config: str
    against: str
    way: Way
    reference: Reference
    items: tuple[str, ...]
    item_of: Any
    kld: Any
    same_top: Any
    log_p: Any
    parent_log_p: Any
    seconds: float
    peak_memory_bytes: int
    measured_on: str


@dataclass(frozen=True)
class StoredOutput:
    """An output of a parent, as far as it is a reference: what was asked and the tokens of the
    answer, reasoning and end of sequence included. `prompt_tokens` is how many the prompt had as it
    was asked, None where that is not stored."""

    prompt_id: str
    sample: int
    text: str
    token_ids: tuple[int, ...]
    prompt_tokens: int | None


@dataclass(frozen=True)
class TokenMarks:
    """One output of a parent, token by token, as one config would have had it: the lists are
    TokenDistances'."""

    against: str
    kld: list[float]
    same_top: list[bool]
    log_p: list[float]
    parent_log_p: list[float]
    top_p: list[float]
    pieces: list[str]
    top_pieces: list[str | None]
