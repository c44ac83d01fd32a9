"""A study's outputs as arrays, prompt by config: what is drawn again in a bootstrap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

from vibecore.analysis.metrics import RULE_METRICS, ConfigMetrics
from vibecore.core.rows import RunOutcomes

if TYPE_CHECKING:
    from numpy.typing import NDArray

# By name alone, so that it is there without NumPy.
Array: TypeAlias = "NDArray[Any]"


@dataclass(frozen=True)
class Outcomes:
    """Arrays of shape (outputs, configs): one row a prompt, or a sample of one.

    `prompt` (outputs,) numbers the prompt that each row is of, in ascending order. `flags` has one
    array a metric of the rule: 1, 0, or −1 where not known. `tokens` and `seconds` are NaN where
    not known, as in a study all of which was decoded in batches.
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


def to_outcomes(runs: Mapping[int, RunOutcomes], configs: Sequence[str]) -> Outcomes | None:
    """Outcomes from store.read_outcomes, by a config's place; None where a study has no outputs.

    `configs` are all of the study's, in its order.
    """
    import numpy as np

    filled = {place: run for place, run in runs.items() if len(run.prompt)}
    if not filled:
        return None
    samples = 1 + max(int(run.sample.max()) for run in filled.values())
    last = max(int(run.prompt.max()) for run in filled.values())
    there = np.zeros((last + 1) * samples, dtype=bool)
    keys: dict[tuple[int, int], Array] = {}
    for run in filled.values():
        # Of one object for all runs it is made once.
        same = id(run.prompt), id(run.sample)
        if same not in keys:
            keys[same] = run.prompt.astype(np.int64) * samples + run.sample
            there[keys[same]] = True
    found, row_of = np.flatnonzero(there), np.cumsum(there) - 1
    rows = {same: row_of[one] for same, one in keys.items()}
    # Of runs that have every output in order nothing has to be found a place.
    whole = {same for same, one in rows.items() if np.array_equal(one, np.arange(len(found)))}
    _, prompt = np.unique(found // samples, return_inverse=True)

    def spread(name: str, missing: float, kind: type) -> Array:
        # Each config's values lie beside each other.
        values: Array = np.empty((len(configs), len(found)), dtype=kind)
        for place, own in enumerate(values):
            run = filled.get(place)
            same = (id(run.prompt), id(run.sample)) if run is not None else None
            if same in whole:
                own[:] = getattr(run, name)
            else:
                own.fill(missing)
                if run is not None and same is not None:
                    own[rows[same]] = getattr(run, name)
        return values.T

    timed = all(run.total_seconds is not None for run in filled.values())
    unknown = np.broadcast_to(np.nan, (len(found), len(configs)))
    return Outcomes(
        tuple(configs),
        {name: spread(metric.flag, -1, np.int8) for name, metric in RULE_METRICS.items()},
        spread("new_tokens", np.nan, float) if timed else unknown,
        spread("total_seconds", np.nan, float) if timed else unknown,
        prompt,
    )
