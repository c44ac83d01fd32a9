"""A study's outputs as arrays, prompt by config: what is drawn again in a bootstrap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

from vibecore.analysis.metrics import RULE_METRICS, ConfigMetrics

if TYPE_CHECKING:
    from numpy.typing import NDArray

# By name alone, so that it is there without NumPy.
Array: TypeAlias = "NDArray[Any]"


@dataclass(frozen=True)
class Outcomes:
    """Arrays of shape (outputs, configs): one row a prompt, or a sample of one.

    `prompt` (outputs,) numbers the prompt that each row is of, in ascending order. `flags` has one
    array a metric of the rule: 1, 0, or −1 where not known. `tokens` and `seconds` are NaN where
    not known.
    """

    configs: tuple[str, ...]
    flags: Mapping[str, Array]
    tokens: Array
    seconds: Array
    prompt: Array

    @property
    def prompts(self) -> int:
        """How many prompts have at least one output."""
        return int(self.prompt.max(initial=-1)) + 1

    def by_prompt(self, values: Array) -> Array:
        """Sums of values (outputs, …) over the samples of each prompt: (prompts, …)."""
        import numpy as np

        if len(values) == self.prompts:
            return values.astype(float)
        # Rows are in the order of their prompts.
        starts = np.flatnonzero(np.diff(self.prompt, prepend=-1))
        # Counts are added up as small whole numbers: a quarter of the time.
        kind = np.int32 if values.dtype.kind in "bi" else float
        sums: Array = np.add.reduceat(values, starts, axis=0, dtype=kind).astype(float)
        return sums

    def place(self, config: str) -> int:
        """A config's column."""
        return self._places[config]

    @cached_property
    def _places(self) -> Mapping[str, int]:
        return {config: place for place, config in enumerate(self.configs)}

    def covers(self, rows: Sequence[ConfigMetrics]) -> bool:
        """Whether every count of these configs has its outputs behind it."""
        places = [self.place(row.config) for row in rows]
        for name, metric in RULE_METRICS.items():
            flags = self.flags[name]
            known, yes = (flags >= 0).sum(axis=0)[places], (flags == 1).sum(axis=0)[places]
            if known.tolist() != [metric.total(row) or 0 for row in rows]:
                return False
            if yes.tolist() != [metric.value(row) or 0 for row in rows]:
                return False
        return True


def to_outcomes(columns: Mapping[str, Any], configs: Sequence[str]) -> Outcomes | None:
    """Outcomes from the columns of store.read_outcomes; None where a study has no outputs.

    `configs` are all of the study's, in its order.
    """
    import numpy as np

    if not len(columns["prompt"]):
        return None
    samples = int(columns["sample"].max()) + 1
    keys = columns["prompt"].astype(np.int64) * samples + columns["sample"]
    found, rows = np.unique(keys, return_inverse=True)
    _, prompt = np.unique(found // samples, return_inverse=True)
    shape = (len(found), len(configs))

    def spread(name: str, missing: float, kind: type) -> Array:
        values: Array = np.full(shape, missing, dtype=kind)
        values[rows, columns["config"]] = columns[name]
        return values

    return Outcomes(
        tuple(configs),
        {name: spread(metric.flag, -1, np.int8) for name, metric in RULE_METRICS.items()},
        spread("new_tokens", np.nan, float),
        spread("total_seconds", np.nan, float),
        prompt,
    )
