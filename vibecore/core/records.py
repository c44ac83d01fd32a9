"""Plain data that passes between the engine, the worker, the study and the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

# `thinking`: the token budget ended before the reasoning did, so there is no answer.
# `non_finite`: the logits held NaN or infinity, so no next token could be chosen.
FinishReason = Literal["eos", "length", "stopped", "thinking", "non_finite"]
# What a checkpoint was trained to do: go on with a text, answer, or reason and then answer.
Kind = Literal["base", "instruct", "thinking"]
# The sampler of runs from before it was recorded; their `decoding` is that of a greedy run.
EARLIER_SAMPLER = "transformers' own (do_sample True, top_k 0), seeded for each batch"


@dataclass(frozen=True)
class Decoding:
    """How the next token is chosen: greedily, or sampled at a `temperature` above 0 from the
    smallest set of tokens whose probability reaches `top_p`, with a seed."""

    temperature: float | None = None
    top_p: float = 1.0
    seed: int = 0

    def __str__(self) -> str:
        """`greedy`, or the sampling parameters."""
        if self.temperature is None:
            return "greedy"
        return f"temperature {self.temperature:g}, top-p {self.top_p:g}, seed {self.seed}"

    @property
    def sampled(self) -> bool:
        """Whether tokens are drawn rather than chosen greedily."""
        return self.temperature is not None

    def of_sample(self, sample: int) -> Decoding:
        """The decoding of one sample of a prompt: each has a seed of its own."""
        return replace(self, seed=self.seed + sample) if self.temperature is not None else self


GREEDY = Decoding()


@dataclass(frozen=True)
class Asking:
    """How prompts are put to a model.

    `chat`: through the checkpoint's chat template (`on`), as they are (`off`), or through the
    template where there is one (`auto`). `system` is the system message, None for the template's
    own default. `thinking`, `on` or `off`, is passed to a template that knows the switch; `auto`
    passes nothing.
    """

    chat: str = "auto"
    system: str | None = None
    thinking: str = "auto"


ASK_AUTO = Asking()


@dataclass(frozen=True)
class Protocol:
    """What every run of a study shares; two studies with the same protocol compare.

    `weights` is `hub`, `local`, `demo` or `dummy`; `device` is `cpu` or `cuda`. `execute_code`:
    whether constraints that run an answer's code were judged, in isolation, or skipped.
    `samples`: how many outputs a prompt gets from each config. `chat`, `system` and `thinking` are
    those of Asking; their defaults are what studies did that do not store them.
    """

    max_new_tokens: int = 200
    batch_size: int = 1
    engine: str = "eager"
    weights: str = "hub"
    device: str = "cpu"
    decoding: Decoding = GREEDY
    execute_code: bool = False
    samples: int = 1
    chat: str = "off"
    system: str | None = None
    thinking: str = "auto"

    @property
    def asking(self) -> Asking:
        """How prompts are put to the models."""
        return Asking(self.chat, self.system, self.thinking)

    @classmethod
    def from_stored(cls, stored: Mapping[str, Any]) -> Protocol:
        """The protocol that a database holds as JSON; an older one says only `greedy`."""
        decoding = stored.get("decoding", {})
        sampling = {} if decoding == "greedy" else decoding
        return cls(**{**stored, "decoding": Decoding(**sampling)})

    def to_record(self) -> dict[str, Any]:
        """The protocol as it is printed; the number of samples only where there are several, a
        system message and thinking only where they were set."""
        record = {**vars(self), "decoding": str(self.decoding)}
        ordinary = {"samples": 1, "system": None, "thinking": "auto"}
        return {name: value for name, value in record.items() if value != ordinary.get(name, ...)}


@dataclass(frozen=True)
class LoadRequest:
    """What a worker is asked to load, and how prompts will be put to it: a resolved folder or GGUF
    file, or an architecture for dummy weights."""

    config_id: str
    precision: str
    device: str
    engine: str = "eager"
    folder: str | None = None
    architecture: Mapping[str, Any] | None = None
    revision: str | None = None
    estimated_weight_bytes: int | None = None
    asking: Asking = ASK_AUTO


@dataclass(frozen=True)
class LoadReport:
    """What loading cost and where it happened. Seconds and bytes.

    Of what the model was asked with, `environment` holds `chat_template` (bool), `system` (text or
    None), `thinking` (`on`, `off` or None), `stop_tokens` (ids), `decoding` (all arguments) and
    `sampler` (how tokens are chosen where they are sampled); of what its weights weigh,
    `bits_per_weight` the fields of BitsPerWeight (catalog.precisions), as loaded.
    """

    load_seconds: float
    weight_bytes: int
    dtype: str
    environment: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class StepTimes:
    """How long decoding took, token by token. All in seconds.

    `prefill_seconds` ends with the first token; `step_seconds` has one entry for each further
    one.
    """

    prefill_seconds: float
    step_seconds: tuple[float, ...]


@dataclass(frozen=True)
class TextPiece:
    """Text that a token added while an output streams, and whether it is reasoning."""

    text: str
    reasoning: bool = False


@dataclass(frozen=True)
class Generation:
    """One output of a prompt, number `sample` of those asked for. Times in seconds, memory in
    bytes.

    In a batch, `total_seconds` is the batch's wall time, shared by its `batch_size` sequences,
    and the sequence's own speeds are None: only the batch has a throughput.
    `peak_memory_bytes` is allocated GPU memory on CUDA, resident memory of the worker on a CPU.
    `text` is the answer alone, and `reasoning` what a thinking model wrote before it, in the first
    `reasoning_tokens` of `token_ids`. `rendered_prompt` is what was really asked, special tokens
    included.
    """

    text: str | None
    token_ids: tuple[int, ...]
    prompt_tokens: int
    finish_reason: FinishReason
    first_token_seconds: float
    total_seconds: float
    peak_memory_bytes: int
    batch_size: int = 1
    sample: int = 0
    rendered_prompt: str | None = None
    reasoning: str | None = None
    reasoning_tokens: int = 0

    @property
    def new_tokens(self) -> int:
        """Tokens produced, the end-of-sequence token included."""
        return len(self.token_ids)

    @property
    def answer_token_ids(self) -> tuple[int, ...]:
        """The answer's tokens: without reasoning and the end-of-sequence token."""
        ids = self.token_ids[self.reasoning_tokens :]
        return ids[:-1] if self.finish_reason == "eos" else ids

    @property
    def answer(self) -> str | None:
        """The text to score; None where there is none (dummy weights, non-finite logits)."""
        return None if self.finish_reason == "non_finite" else self.text

    @property
    def decode_seconds(self) -> float:
        """Time after the first token."""
        return self.total_seconds - self.first_token_seconds

    @property
    def tokens_per_second(self) -> float | None:
        """New tokens over total time, prompt included."""
        if self.batch_size > 1 or self.total_seconds <= 0:
            return None
        return self.new_tokens / self.total_seconds

    @property
    def decode_tokens_per_second(self) -> float | None:
        """(New tokens - 1) over decode time; None for a single token."""
        if self.batch_size > 1 or self.new_tokens < 2 or self.decode_seconds <= 0:
            return None
        return (self.new_tokens - 1) / self.decode_seconds


AggregateKind = Literal["count", "count_true", "sum", "mean", "max", "min", "quantile"]


@dataclass(frozen=True)
class Aggregate:
    """How one column is summarised over a run's outputs: what `store.read_configs` compiles.

    `column` is one of `store.AGGREGATE_COLUMNS`. `count` counts the outputs that have a value,
    `count_true` those where a boolean column is true, `quantile` interpolates at `quantile`
    (0.99 for the 99th percentile). `where` names a column: only outputs that have a value in it
    are used.
    """

    how: AggregateKind
    column: str
    where: str | None = None
    quantile: float | None = None
