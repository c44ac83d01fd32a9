"""What is known of a study's fidelity: what was measured token by token, and what its stored
outputs say beside their parents'."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from vibecore import store
from vibecore.analysis.fidelity.divergence import Divergence, find_divergence
from vibecore.analysis.fidelity.flips import ConfigFlips, find_flips
from vibecore.analysis.fidelity.gaps import Gap, find_gaps
from vibecore.analysis.fidelity.pairs import KldPair, judge_kld_pairs
from vibecore.analysis.fidelity.summary import FidelitySummary, summarise_fidelity
from vibecore.core.fidelity import FLOOR_WAYS, Reference
from vibecore.core.rows import OutputRow
from vibecore.studies.queries import read_all_outputs

REFERENCES: tuple[Reference, ...] = ("outputs", "text")


@dataclass(frozen=True)
class FidelityResults:
    """A study's fidelity, all in the order of its configs.

    `parents` gives every config whose model ran at 16 bit its parent; a parent is its own.
    `summaries` are of what was measured, the noise floor's ways among them, `pairs` of every two
    configs of a parent. `flips` and `divergences` come of stored outputs alone, one for each config
    that is not a parent and has outputs that its parent has too. `gaps` are what was begun and is
    not whole.
    """

    parents: Mapping[str, str]
    summaries: tuple[FidelitySummary, ...] = ()
    pairs: tuple[KldPair, ...] = ()
    flips: tuple[ConfigFlips, ...] = ()
    divergences: tuple[Divergence, ...] = ()
    gaps: tuple[Gap, ...] = ()

    @property
    def children(self) -> list[str]:
        """The configs that have a parent besides themselves."""
        return [config for config, parent in self.parents.items() if config != parent]

    @property
    def references(self) -> list[Reference]:
        """What was compared along."""
        return [one for one in REFERENCES if any(row.reference == one for row in self.summaries)]

    def of(self, reference: Reference) -> list[FidelitySummary]:
        """Every config against its parent, along one reference."""
        return [
            row
            for row in self.summaries
            if row.reference == reference and row.way not in FLOOR_WAYS
        ]

    def floors(self, reference: Reference) -> list[FidelitySummary]:
        """Every parent against itself, along one reference."""
        return [
            row for row in self.summaries if row.reference == reference and row.way in FLOOR_WAYS
        ]


def read_fidelity_results(db: Path, study: str) -> FidelityResults:
    """All that is known of a study's fidelity. Raises InputError for an unknown study."""
    with store.reading(db) as connection:
        parents = store.read_parents(connection, study)
        tokens = store.read_fidelity(connection, study)
        runs = store.read_configs(connection, study)
        categories = {
            prompt.prompt_id: prompt.category for prompt in store.read_prompts(connection, study)
        }
    outputs: dict[str, dict[tuple[str, int], OutputRow]] = {}
    answers = read_all_outputs(db, study, "Counting flips", list(parents)) if parents else []
    for row in answers:
        outputs.setdefault(row.config, {})[row.prompt_id, row.sample] = row
    flips, divergences = [], []
    for config, parent in parents.items():
        if config == parent or not (config in outputs and parent in outputs):
            continue
        sides = outputs[config], outputs[parent]
        flips.append(find_flips(config, parent, *sides))
        divergences.append(find_divergence(config, parent, *sides))
    summaries = summarise_fidelity(tokens, categories)
    answered = {
        parent: len({prompt for (prompt, _), row in outputs.get(parent, {}).items() if _tells(row)})
        for parent in set(parents.values())
    }
    no_floor = {run.config: run.environment.get("no_floor_by", {}) for run in runs}
    return FidelityResults(
        parents,
        tuple(summaries),
        tuple(judge_kld_pairs(tokens)),
        tuple(flips),
        tuple(one for one in divergences if one is not None),
        tuple(find_gaps(parents, answered, summaries, no_floor)),
    )


def _tells(row: OutputRow) -> bool:
    """Whether others can be held against an output (see store.reference_outputs)."""
    return bool(row.token_ids) and row.finish_reason != "non_finite"
