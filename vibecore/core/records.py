"""Plain data that passes between the engine, the worker, the study and the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

FinishReason = Literal["eos", "length", "stopped"]


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

    def of_sample(self, sample: int) -> Decoding:
        """The decoding of one sample of a prompt: each has a seed of its own."""
        return replace(self, seed=self.seed + sample) if self.temperature is not None else self


GREEDY = Decoding()


@dataclass(frozen=True)
class Protocol:
    """What every run of a study shares; two studies with the same protocol compare.

    `weights` is `hub`, `local`, `demo` or `dummy`; `device` is `cpu` or `cuda`. `execute_code`:
    whether constraints that run an answer's code were judged, in isolation, or skipped.
    `samples`: how many outputs a prompt gets from each config.
    """

    max_new_tokens: int = 200
    batch_size: int = 1
    engine: str = "eager"
    weights: str = "hub"
    device: str = "cpu"
    decoding: Decoding = GREEDY
    execute_code: bool = False
    samples: int = 1

    @classmethod
    def from_stored(cls, stored: Mapping[str, Any]) -> Protocol:
        """The protocol that a database holds as JSON; an older one says only `greedy`."""
        decoding = stored.get("decoding", {})
        sampling = {} if decoding == "greedy" else decoding
        return cls(**{**stored, "decoding": Decoding(**sampling)})

    def to_record(self) -> dict[str, Any]:
        """The protocol as it is printed; the number of samples only where there are several."""
        record = {**vars(self), "decoding": str(self.decoding)}
        if self.samples == 1:
            del record["samples"]
        return record


@dataclass(frozen=True)
class LoadRequest:
    """What a worker is asked to load: a resolved folder, or an architecture for dummy weights."""

    config_id: str
    precision: str
    device: str
    engine: str = "eager"
    folder: str | None = None
    architecture: Mapping[str, Any] | None = None
    revision: str | None = None
    estimated_weight_bytes: int | None = None


@dataclass(frozen=True)
class LoadReport:
    """What loading cost and where it happened. Seconds and bytes."""

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
class Generation:
    """One output of a prompt, number `sample` of those asked for. Times in seconds, memory in
    bytes.

    In a batch, `total_seconds` is the batch's wall time, shared by its `batch_size` sequences,
    and the sequence's own speeds are None: only the batch has a throughput.
    `peak_memory_bytes` is allocated GPU memory on CUDA, resident memory of the worker on a CPU.
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

    @property
    def new_tokens(self) -> int:
        """Tokens produced, the end-of-sequence token included."""
        return len(self.token_ids)

    @property
    def answer_token_ids(self) -> tuple[int, ...]:
        """The tokens without the end-of-sequence token."""
        return self.token_ids[:-1] if self.finish_reason == "eos" else self.token_ids

    @property
    def decode_seconds(self) -> float:
        """Time after the first token."""
        return self.total_seconds - self.first_token_seconds

    @property
    def tokens_per_second(self) -> float | None:
        """New tokens over total time: the published study's definition."""
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
