"""Everything that is said of one output: its measures and its constraints' verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vibecore.prompts import Prompt
from vibecore.scoring.code import find_code
from vibecore.scoring.degeneration import find_loop, rep_n
from vibecore.scoring.judge import ConstraintResult, judge
from vibecore.scoring.measures import distinct, is_garbage, repetition_ratio, zlib_ratio
from vibecore.scoring.words import count_words, has_visible, lines, sentences

# Raise it whenever any score of any text can come out different.
SCORER_VERSION = 1


@dataclass(frozen=True)
class Score:
    """The scores of one output; see `measures` and `degeneration` for each one's source.

    `garbage` is None for answers with code and for fewer than 50 words. `rep_4` and `loop_onset`
    (a token index) need token ids; `loop_onset` is None where there is no loop.
    """

    words: int
    characters: int
    sentences: int
    lines: int
    empty: bool
    repetition_ratio: float
    repetitive: bool
    garbage: bool | None
    distinct_1: float | None
    distinct_2: float | None
    rep_4: float | None
    zlib_ratio: float | None
    loop_onset: int | None
    constraints: tuple[ConstraintResult, ...]

    @property
    def constraints_met(self) -> int:
        """How many constraints passed."""
        return sum(result.status == "pass" for result in self.constraints)

    @property
    def constraints_total(self) -> int:
        """How many constraints the prompt has, errors and skipped ones included."""
        return len(self.constraints)

    @property
    def constraints_judged(self) -> int:
        """How many constraints passed or failed."""
        return sum(result.status in ("pass", "fail") for result in self.constraints)

    @property
    def adherent(self) -> bool | None:
        """Whether all constraints passed; None without any, or where one has no verdict."""
        statuses = {result.status for result in self.constraints}
        if not statuses or statuses & {"error", "skipped"}:
            return None
        return statuses == {"pass"}


def score_output(
    prompt: Prompt,
    text: str,
    token_ids: Sequence[int] | None = None,
    *,
    repetitive_at: float = 0.5,
) -> Score:
    """Score one output of one prompt.

    `text` is the new text alone, and `token_ids` the new tokens alone, without an end token.
    `repetitive` is `repetition_ratio >= repetitive_at`.
    """
    repetition = repetition_ratio(text)
    loop = find_loop(token_ids) if token_ids is not None else None
    garbage = is_garbage(text)
    return Score(
        words=count_words(text),
        characters=len(text),
        sentences=len(sentences(text)),
        lines=len(lines(text)),
        empty=not has_visible(text),
        repetition_ratio=repetition,
        repetitive=repetition >= repetitive_at,
        garbage=None if garbage is None or find_code(text) else garbage,
        distinct_1=distinct(text, 1),
        distinct_2=distinct(text, 2),
        rep_4=rep_n(token_ids) if token_ids is not None else None,
        zlib_ratio=zlib_ratio(text),
        loop_onset=loop.onset if loop else None,
        constraints=tuple(judge(text, constraint) for constraint in prompt.constraints),
    )
