"""What a claim is checked on: a study's metrics, and each prompt's outcome where outputs exist."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Row = Mapping[str, Any]

QUANTISED = ("8bit", "8bit-t0", "4bit")
SIXTEEN_BIT = ("bf16", "fp16")


@dataclass(frozen=True)
class StudyData:
    """A study as the claims see it.

    `rows` are those of analysis.summarise. `outcomes` gives by config and prompt id what each
    output was (`repetitive`, `adherent`, `empty`: bool or None; `new_tokens`; `total_seconds`);
    it is empty where only counts are known. `choice` is the sweet spot's config and `shares` how
    often each config (or None, for none) wins a bootstrap. `profiles` gives by config the rows
    of one decode step's profile.
    """

    name: str
    title: str
    hardware: str | None
    rows: tuple[Row, ...]
    outcomes: Mapping[str, Mapping[str, Row]] = field(default_factory=dict)
    choice: str | None = None
    choice_reason: str = ""
    shares: Mapping[str | None, float] = field(default_factory=dict)
    shares_method: str = ""
    profiles: Mapping[str, Sequence[Row]] = field(default_factory=dict)

    @property
    def models(self) -> tuple[str, ...]:
        """The models, smallest first, by the most memory a config of theirs takes."""
        sizes: dict[str, float] = {}
        for row in self.rows:
            sizes[row["model"]] = max(sizes.get(row["model"], 0), row["memory_bytes"] or 0)
        return tuple(sorted(sizes, key=lambda model: sizes[model]))

    @property
    def smaller(self) -> str:
        """The smallest model."""
        return self.models[0]

    @property
    def larger(self) -> str:
        """The largest model."""
        return self.models[-1]

    def row(self, model: str, precision: str) -> Row | None:
        """The config of a model at a precision, if it has finished."""
        for row in self.rows:
            if (row["model"], row["precision"]) == (model, precision):
                return row if row["status"] == "complete" else None
        return None

    def baseline(self, model: str) -> Row | None:
        """A model's 16-bit config."""
        return next((row for name in SIXTEEN_BIT if (row := self.row(model, name))), None)

    def quantised(self, model: str) -> list[Row]:
        """A model's quantised configs, in the study's order."""
        return [
            row
            for row in self.rows
            if row["model"] == model
            and row["precision"] in QUANTISED
            and row["status"] == "complete"
        ]

    def by_size(self) -> list[tuple[Row, Row]]:
        """(larger, smaller) model's configs at each precision that both have."""
        if len(self.models) < 2:
            return []
        precisions = dict.fromkeys(row["precision"] for row in self.rows)
        found = [(self.row(self.larger, p), self.row(self.smaller, p)) for p in precisions]
        return [(large, small) for large, small in found if large and small]

    def by_quantising(self) -> list[tuple[Row, Row]]:
        """(quantised, 16-bit) configs of the same model."""
        return [
            (row, baseline)
            for model in self.models
            if (baseline := self.baseline(model))
            for row in self.quantised(model)
        ]

    def at(self, first: str, second: str) -> list[tuple[Row, Row]]:
        """Configs of the same model at two precisions."""
        found = [(self.row(model, first), self.row(model, second)) for model in self.models]
        return [(one, other) for one, other in found if one and other]
