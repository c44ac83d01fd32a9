"""A study's outputs as arrays, prompt by config: what is drawn again in a bootstrap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from vibecore.analysis.metrics import RULE_METRICS

if TYPE_CHECKING:
    from numpy.typing import NDArray

# By name alone, so that it is there without NumPy.
Array: TypeAlias = "NDArray[Any]"


@dataclass(frozen=True)
class Outcomes:
    """Arrays of shape (prompts, configs).

    `flags` has one array a metric of the rule: 1, 0, or −1 where not known. `tokens` and
    `seconds` are NaN where not known.
    """

    configs: tuple[str, ...]
    flags: Mapping[str, Array]
    tokens: Array
    seconds: Array

    @property
    def prompts(self) -> int:
        """How many prompts have at least one output."""
        return len(self.tokens)

    def place(self, config: str) -> int:
        """A config's column."""
        return self.configs.index(config)


def to_outcomes(columns: Mapping[str, Any], configs: Sequence[str]) -> Outcomes | None:
    """Outcomes from the columns of store.read_outcomes; None where a study has no outputs.

    `configs` are all of the study's, in its order.
    """
    import numpy as np

    if not len(columns["prompt"]):
        return None
    _, rows = np.unique(columns["prompt"], return_inverse=True)
    shape = (int(rows.max()) + 1, len(configs))

    def spread(name: str, missing: float, kind: type) -> Array:
        values: Array = np.full(shape, missing, dtype=kind)
        values[rows, columns["config"]] = columns[name]
        return values

    return Outcomes(
        tuple(configs),
        {name: spread(metric.flag, -1, np.int8) for name, metric in RULE_METRICS.items()},
        spread("new_tokens", np.nan, float),
        spread("total_seconds", np.nan, float),
    )
