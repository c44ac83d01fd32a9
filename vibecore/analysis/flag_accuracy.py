"""How well each flag finds the outputs that a reader called looping.

The labelled set and the rule it was read by are in `vibecore/analysis/labelled/`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from vibecore.analysis.stats.exact import wilson_interval
from vibecore.catalog.suites import Prompt
from vibecore.scoring import Score, score_output

FILE = Path(__file__).resolve().parent / "labelled" / "outputs.jsonl"
_NO_PROMPT = Prompt("labelled", "creative", "", ())

# The flags compared with the labels: name → whether a score flags the output.
FLAGS: dict[str, Callable[[Score], bool]] = {
    "repetitive": lambda score: bool(score.repetitive),
    "degenerate": lambda score: bool(score.degenerate),
    "loop": lambda score: score.loop_onset is not None,
    "broken": lambda score: bool(score.broken_by),
}


@dataclass(frozen=True)
class Labelled:
    """One output with its reader's verdict; `loop_begins` is a character of the text."""

    id: str
    looping: bool
    loop_begins: int | None
    source: str
    text: str
    token_ids: tuple[int, ...]


@dataclass(frozen=True)
class Agreement:
    """A flag compared with the labels: counts, and shares with Wilson's 95 % intervals.

    A share is None where its denominator is 0.
    """

    flag: str
    outputs: int
    looping: int
    flagged: int
    both: int

    @property
    def precision(self) -> float | None:
        """Share of the flagged outputs that loop."""
        return self.both / self.flagged if self.flagged else None

    @property
    def precision_interval(self) -> tuple[float, float] | None:
        """Its 95 % interval."""
        return wilson_interval(self.both, self.flagged) if self.flagged else None

    @property
    def recall(self) -> float | None:
        """Share of the looping outputs that are flagged."""
        return self.both / self.looping if self.looping else None

    @property
    def recall_interval(self) -> tuple[float, float] | None:
        """Its 95 % interval."""
        return wilson_interval(self.both, self.looping) if self.looping else None


def read_labelled() -> list[Labelled]:
    """The labelled outputs, in the order of the file."""
    rows = (json.loads(line) for line in FILE.read_text(encoding="utf-8").split("\n") if line)
    return [Labelled(**{**row, "token_ids": tuple(row["token_ids"])}) for row in rows]


def score_labelled(outputs: Sequence[Labelled]) -> list[Score]:
    """The outputs' scores, as of a prompt without constraints."""
    return [score_output(_NO_PROMPT, output.text, output.token_ids) for output in outputs]


def measure_flags() -> list[Agreement]:
    """Every flag of FLAGS compared with the labels, on freshly computed scores."""
    outputs = read_labelled()
    scores = score_labelled(outputs)
    return [agreement(name, outputs, list(map(flag, scores))) for name, flag in FLAGS.items()]


def agreement(name: str, outputs: Sequence[Labelled], flagged: Sequence[bool]) -> Agreement:
    """One flag's values, one an output, compared with the labels."""
    looping = [output.looping for output in outputs]
    return Agreement(
        flag=name,
        outputs=len(outputs),
        looping=sum(looping),
        flagged=sum(flagged),
        both=sum(a and b for a, b in zip(looping, flagged, strict=True)),
    )
