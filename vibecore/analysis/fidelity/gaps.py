"""What of a study's fidelity is not measured yet: of which config, against what, along which
reference and in which way."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from vibecore.analysis.fidelity.summary import FidelitySummary
from vibecore.core.fidelity import PARENT_WAYS, Reference, Way


@dataclass(frozen=True)
class Gap:
    """A comparison that lacks reference texts: `measured` of `whole` prompts, or chunks of the
    running text, are stored; 0 where none is. `whole` is None where that is not known."""

    config: str
    against: str
    way: Way
    reference: Reference
    measured: int
    whole: int | None


def find_gaps(
    parents: Mapping[str, str],
    answered: Mapping[str, int],
    found: Sequence[FidelitySummary],
    left_out: Mapping[str, Collection[str]] | None = None,
) -> list[Gap]:
    """The gaps of what was begun: references along which anything was measured, and the noise
    floors of parents that have anything held against them.

    `parents` gives every config its parent, a parent itself; `answered` parents the number of
    prompts that they answered with a token; `left_out` parents the ways that they are known to have
    no noise floor by.
    """
    prompts = {(one.config, one.way, one.reference): one.prompts for one in found}
    references = list(dict.fromkeys(row.reference for row in found))
    compared = {
        parent
        for config, parent in parents.items()
        if any(parent in (row.config, row.against) for row in found)
    }
    gaps = []
    for reference in references:
        for config, parent in parents.items():
            ways: Sequence[Way] = ("alone",)
            if config == parent:
                skipped = (left_out or {}).get(config, ())
                ways = [way for way in PARENT_WAYS if way not in skipped]
                if config not in compared:
                    continue
            whole = _whole(reference, parent, answered, found)
            for way in ways:
                measured = prompts.get((config, way, reference), 0)
                if not measured or (whole is not None and measured < whole):
                    gaps.append(Gap(config, parent, way, reference, measured, whole))
    return gaps


def _whole(
    reference: Reference,
    parent: str,
    answered: Mapping[str, int],
    found: Sequence[FidelitySummary],
) -> int | None:
    """How many reference texts a whole comparison with a parent has."""
    if reference == "outputs":
        return answered.get(parent)
    # The text is cut by the parent's tokenizer: the longest comparison shows its chunks.
    chunks = [row.prompts for row in found if (row.against, row.reference) == (parent, "text")]
    return max(chunks, default=None)
