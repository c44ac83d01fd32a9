"""Flips: what passes at the parent and fails at a config, and the other way.

Two configs with the same rate can differ on many prompts (Dutta et al. 2024, arXiv 2407.09141), so
both directions are counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from vibecore.analysis.stats.exact import swap_exact
from vibecore.core.rows import OutputRow, Outputs

Level = Literal["prompts", "constraints"]
LEVELS: tuple[Level, ...] = ("prompts", "constraints")
# A prompt's flips change sign together: exact McNemar of prompts rather than of verdicts.
CLUSTERED = "exact sign test, a prompt's flips together"


@dataclass(frozen=True)
class Flip:
    """One output's verdict that is not the parent's: on the prompt, or on the constraint at `place`
    of its list, whose `check` and `arguments` are None and empty for the prompt.

    `lost`: it passes at the parent and fails here; else the other way. `cut`: the token limit
    decided one of the two verdicts.
    """

    level: Level
    prompt_id: str
    sample: int
    category: str
    lost: bool
    cut: bool
    place: int | None = None
    check: str | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class FlipCount:
    """How verdicts at one level compare: `lost` pass at the parent only, `gained` here only.

    `p`: two-sided, of "flips go either way alike". Where every prompt has one verdict it is exact
    McNemar; where it has several (constraints, samples) a prompt's flips change sign together
    (stats.exact.swap_exact). `method` says which. `prompts` are those with a verdict on both sides.
    """

    level: Level
    both: int
    lost: int
    gained: int
    neither: int
    prompts: int
    p: float
    method: str

    @property
    def flips(self) -> int:
        """Both directions."""
        return self.lost + self.gained

    @property
    def judged(self) -> int:
        """Verdicts that both sides have."""
        return self.both + self.flips + self.neither


@dataclass(frozen=True)
class ConfigFlips:
    """A config's flips against its parent, in the suite's order; `counts` has one a level that was
    judged at all."""

    config: str
    against: str
    counts: tuple[FlipCount, ...]
    flips: tuple[Flip, ...]

    def count(self, level: Level) -> FlipCount | None:
        """The count at one level; None where nothing was judged on both sides."""
        return next((one for one in self.counts if one.level == level), None)


def find_flips(config: str, against: str, own: Outputs, parent: Outputs) -> ConfigFlips:
    """Compare a config's outputs with its parent's, prompt by prompt and sample by sample; what is
    not judged on both sides, or not passed or failed, is left out."""
    seen = [one for key in parent if key in own for one in _pairs(own[key], parent[key])]
    counts = []
    for level in LEVELS:
        at_level = [one for one in seen if one.flip.level == level]
        if at_level:
            counts.append(_count(level, at_level))
    flips = tuple(one.flip for one in seen if one.passes != one.passed)
    return ConfigFlips(config, against, tuple(counts), flips)


@dataclass(frozen=True)
class _Pair:
    """A verdict on both sides, and the flip that it is where they differ."""

    passes: bool
    passed: bool
    flip: Flip


def _pairs(own: OutputRow, parent: OutputRow) -> Iterator[_Pair]:
    """The verdicts that one output has on both sides."""
    if own.adherent is not None and parent.adherent is not None:
        cut = bool(own.adherent_cut or parent.adherent_cut)
        flip = Flip("prompts", own.prompt_id, own.sample, own.category, parent.adherent, cut)
        yield _Pair(own.adherent, parent.adherent, flip)
    for place, (one, other) in enumerate(zip(own.constraints, parent.constraints, strict=False)):
        judged = {one.status, other.status} <= {"pass", "fail"}
        if not judged or (one.check, one.arguments) != (other.check, other.arguments):
            continue
        passes, passed = one.status == "pass", other.status == "pass"
        yield _Pair(
            passes,
            passed,
            Flip(
                "constraints",
                own.prompt_id,
                own.sample,
                own.category,
                passed,
                bool(one.cut or other.cut),
                place,
                one.check,
                one.arguments,
            ),
        )


def _count(level: Level, pairs: Sequence[_Pair]) -> FlipCount:
    tables = Counter((one.passed, one.passes) for one in pairs)
    of_prompt = Counter(one.flip.prompt_id for one in pairs)
    changes = dict.fromkeys(of_prompt, 0)
    for one in pairs:
        changes[one.flip.prompt_id] += int(one.passed) - int(one.passes)
    return FlipCount(
        level,
        tables[True, True],
        tables[True, False],
        tables[False, True],
        tables[False, False],
        len(of_prompt),
        swap_exact(changes.values()),
        "exact McNemar" if max(of_prompt.values()) == 1 else CLUSTERED,
    )
