"""What a claim is checked on: a study's metrics, its outputs where they exist, and what a
published report states besides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from vibecore.analysis.metrics import ConfigMetrics
from vibecore.catalog.architectures import ModelSpec
from vibecore.catalog.models import MODELS
from vibecore.core.fidelity import PARENT_PRECISIONS, FidelityTokens
from vibecore.core.rows import Outputs

UNQUANTISED = (*PARENT_PRECISIONS, "fp32")
# What the Qwen2.5 report claims, for a report that names no claims of its own: lowest and highest
# factor.
CLAIMED = {"repetition_drop": (3.0, 4.0), "adherence_gain": (2.0, 2.0), "memory_fall": (4.0, 4.0)}
# A report's count column -> (its percentage column, the metric's name of the count).
COUNTS = {
    "repetitive_outputs": ("repetitive_percent", "repetitive"),
    "empty_outputs": ("empty_percent", "empty"),
    "adherent_prompts": ("adherent_percent", "adherent_prompts"),
}

Pairs = list[tuple[ConfigMetrics, ConfigMetrics]]


# Beyond any speed in tokens a second, and any memory in GiB.
MOST = 1e9


@dataclass(frozen=True)
class StudyData:
    """A study as the claims see it.

    `outcomes` gives outputs by config; it is empty where only counts are known.
    `choice` is the sweet spot's config and `shares` how often each config (or None, for none) is
    chosen when the study is resampled. `hardware` is what it ran on. `profiles` gives by config the
    kernels of one decode step, `fidelity` what was held against the 16-bit configs, token by token.
    """

    rows: tuple[ConfigMetrics, ...]
    outcomes: Mapping[str, Outputs] = field(default_factory=dict)
    choice: str | None = None
    choice_reason: str = ""
    shares: Mapping[str | None, float] = field(default_factory=dict)
    shares_method: str = ""
    hardware: str | None = None
    profiles: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    fidelity: Sequence[FidelityTokens] = ()
    # Holm's p of comparisons already made, kept by evidence.judge_of_family.
    adjusted: dict[Any, float] = field(default_factory=dict, init=False, compare=False, repr=False)

    @property
    def models(self) -> tuple[str, ...]:
        """The models, smallest first, by the most memory that one of their configs takes."""
        sizes: dict[str, float] = {}
        for row in self.rows:
            sizes[row.model] = max(sizes.get(row.model, 0), row.memory_bytes or 0)
        return tuple(sorted(sizes, key=lambda model: sizes[model]))

    @property
    def smaller(self) -> str:
        """The smallest model."""
        return self.models[0]

    @property
    def larger(self) -> str:
        """The largest model."""
        return self.models[-1]

    def architecture(self, model: str) -> ModelSpec | None:
        """A model's architecture, where the catalogue has one of its name."""
        known = MODELS.get(model)
        return known.spec if known else None

    def row(self, model: str, precision: str) -> ConfigMetrics | None:
        """The config of a model at a precision, if it has finished."""
        for row in self.rows:
            if (row.model, row.precision) == (model, precision):
                return row if row.status == "complete" else None
        return None

    def baseline(self, model: str) -> ConfigMetrics | None:
        """A model's 16-bit config."""
        return next((row for name in PARENT_PRECISIONS if (row := self.row(model, name))), None)

    def quantised(self, model: str) -> list[ConfigMetrics]:
        """A model's finished quantised configs, in the study's order."""
        return [
            row
            for row in self.rows
            if row.model == model and row.precision not in UNQUANTISED and row.status == "complete"
        ]

    def by_size(self) -> Pairs:
        """(larger, smaller) model's configs at each precision that both have."""
        if len(self.models) < 2:
            return []
        precisions = dict.fromkeys(row.precision for row in self.rows)
        found = [(self.row(self.larger, p), self.row(self.smaller, p)) for p in precisions]
        return [(large, small) for large, small in found if large and small]

    def by_precision(self) -> Pairs:
        """Every two precisions of each model, (later, earlier) in the study's order."""
        precisions = list(dict.fromkeys(row.precision for row in self.rows))
        orders = [(b, a) for place, a in enumerate(precisions) for b in precisions[place + 1 :]]
        return [pair for later, earlier in orders for pair in self.at(later, earlier)]

    def by_quantising(self) -> Pairs:
        """(quantised, 16-bit) configs of the same model."""
        return [
            (row, baseline)
            for model in self.models
            if (baseline := self.baseline(model))
            for row in self.quantised(model)
        ]

    def at(self, first: str, second: str) -> Pairs:
        """Configs of the same model at two precisions."""
        found = [(self.row(model, first), self.row(model, second)) for model in self.models]
        return [(one, other) for one, other in found if one and other]


@dataclass(frozen=True, kw_only=True)
class Report(StudyData):
    """A published report's aggregates: a study of counts alone, out of `prompts` each.

    `stated` gives by config the figures as the report states them, `captions` by column what it
    says of them. `bandwidth` is the GPU's in GB/s. What is not given is None.
    """

    prompts: int
    stated: Mapping[str, Mapping[str, float | None]]
    vram_gib: float | None = None
    bandwidth: float | None = None
    captions: Mapping[str, str] = field(default_factory=dict)
    claims: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    architectures: Mapping[str, ModelSpec] = field(default_factory=dict)

    def architecture(self, model: str) -> ModelSpec | None:
        """A model's architecture, by the hub id that the report gives."""
        return self.architectures.get(model)

    def claimed(self, name: str) -> tuple[float, float]:
        """The lowest and highest factor claimed under a key of CLAIMED."""
        return self.claims.get(name, CLAIMED[name])


def is_count(value: float | None, prompts: int) -> bool:
    """Whether a figure can be a count out of the prompts."""
    return value is not None and value == int(value) and 0 <= value <= prompts


def is_size(value: float | None) -> bool:
    """Whether a figure can be a speed or a size of memory: above nothing, and below anything that
    could be meant."""
    return value is not None and 0 < value <= MOST


def nearest_count(percent: float, prompts: int) -> int | None:
    """The count whose percentage rounds to the one given; None where there is none, as for what is
    below nothing or above all."""
    if not 0 <= percent <= 100:
        return None
    count = round(percent * prompts / 100)
    decimals = len(f"{percent}".removesuffix(".0").partition(".")[2])
    # Half a unit of the last digit given, and a little for the binary form of decimals.
    tolerance = 0.5 * 10**-decimals + 1e-9
    return count if abs(100 * count / prompts - percent) <= tolerance else None
