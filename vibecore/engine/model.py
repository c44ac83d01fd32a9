"""What the engines pass around: a loaded model, a batch of prompts, and the tokens of a run."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Event

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from vibecore.core.records import LoadReport, LoadRequest
from vibecore.engine.chat import PromptFormat
from vibecore.engine.decoder import Decoder
from vibecore.engine.llama_cpp.native import NativeModel

# Called with (index in the batch, token id) for every token of an unfinished sequence.
OnToken = Callable[[int, int], None]


@dataclass
class StopSwitch:
    """Asks a running `generate` to end after the token it is working on."""

    event: Event = field(default_factory=Event)


@dataclass(frozen=True)
class Batch:
    """Prompts as left-padded tokens: `tokens` and `mask` of shape [prompts, longest], each
    prompt's own length, and its text as the model reads it (None for random tokens)."""

    tokens: torch.Tensor
    mask: torch.Tensor
    lengths: tuple[int, ...]
    rendered: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Times:
    """When a batch was begun, had its first tokens and ended, by time.perf_counter."""

    started: float
    first_token: float
    ended: float


@dataclass
class Beside:
    """What comes to stand beside a loaded model when it is compared (fidelity.py): a second
    `model`, how many token ids of a `vocabulary` they share, None while that is not known, and the
    `decoder` of engine `graph`, where the model was loaded for another engine."""

    model: Loaded | None = None
    vocabulary: int | None = None
    decoder: Decoder | None = None


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """What every engine's model is, ready to decode. `vocabulary` is how many tokens it has logits
    for; `context` how many it was made for, None where its architecture sets no limit. `dummy` ones
    never stop at EOS and make no text."""

    tokenizer: PreTrainedTokenizerBase
    device: torch.device
    vocabulary: int
    eos_token_ids: tuple[int, ...]
    pad_token_id: int
    context: int | None
    dummy: bool
    request: LoadRequest
    report: LoadReport
    ask: PromptFormat = field(default_factory=PromptFormat)
    beside: Beside = field(default_factory=Beside)


@dataclass(frozen=True, kw_only=True)
class LoadedModel(Loaded):
    """One of transformers, for the engines `eager` and, where there is a `decoder`, `graph`."""

    model: PreTrainedModel
    decoder: Decoder | None = None


@dataclass(frozen=True, kw_only=True)
class LoadedFile(Loaded):
    """A GGUF file as it is, for engine `llama.cpp`."""

    native: NativeModel


@dataclass
class Collector:
    """Takes each step's tokens to the sequences still running, and knows when to end. A sequence
    whose logits are not finite ends without the token chosen from them, and is in `non_finite`."""

    sequences: int
    eos_token_ids: tuple[int, ...]
    max_new_tokens: int
    switch: StopSwitch
    on_token: OnToken | None
    tokens: list[list[int]] = field(init=False)
    running: list[int] = field(init=False)
    non_finite: set[int] = field(init=False, default_factory=set)

    def __post_init__(self) -> None:
        self.tokens = [[] for _ in range(self.sequences)]
        self.running = list(range(self.sequences))

    def take(self, rows: Sequence[int], step: Sequence[int], highest: Sequence[float]) -> bool:
        """Add one token to each running sequence of `rows`; `highest` is the logit each was chosen
        for. True when decoding goes on."""
        running = set(self.running)
        for index, token, logit in zip(rows, step, highest, strict=True):
            if index not in running:
                continue
            if not math.isfinite(logit):
                self.non_finite.add(index)
                continue
            self.tokens[index].append(token)
            if self.on_token is not None:
                self.on_token(index, token)
        self.running = [
            index
            for index in self.running
            if index not in self.non_finite and self.tokens[index][-1] not in self.eos_token_ids
        ]
        longest = max((len(self.tokens[index]) for index in self.running), default=0)
        return bool(self.running) and longest < self.max_new_tokens and not self.stopped

    @property
    def stopped(self) -> bool:
        """Whether somebody asked for an end."""
        return self.switch.event.is_set()
