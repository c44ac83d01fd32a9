"""What scoring again changed of an output: its verdicts and its flags, each with both reasons."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from vibecore.core.rows import JudgedRow, Scores, VerdictRow
from vibecore.scoring import Score

Flag = tuple[bool | None, str]


@dataclass(frozen=True)
class Change:
    """One verdict on a constraint, or one flag, that is another than before. `cut`: only the token
    limit decides the new verdict."""

    config: str
    prompt_id: str
    sample: int
    kind: Literal["verdict", "flag"]
    check: str
    before: str
    after: str
    explanation: str
    explanation_before: str
    cut: bool | None = None


def find_changes(
    config: str,
    stored: Mapping[tuple[str, int], JudgedRow],
    scored: Sequence[tuple[str, int, Score]],
) -> Iterator[Change]:
    """The changes of some outputs of a config: first an output's verdicts, then its flags.

    A flag that was not known, or does not apply, counts as one that is not raised; whether an
    answer is adherent has three values.
    """
    for prompt_id, sample, score in scored:
        before = stored.get((prompt_id, sample))
        if before is None:
            continue
        for old, new in zip(before.constraints, score.constraints, strict=False):
            for name, was, now in _verdicts(old, new):
                if was != now:
                    yield Change(
                        config,
                        prompt_id,
                        sample,
                        "verdict",
                        name,
                        was or "–",
                        now or "–",
                        new.explanation,
                        old.explanation,
                        new.cut,
                    )
        old_flags, new_flags = flags_of(before.scores, before.broken), flags_of(score, None)
        for name, (is_raised, why) in new_flags.items():
            was_raised, why_before = old_flags[name]
            if is_raised != was_raised and (name == "adherent" or is_raised or was_raised):
                words = (_word(was_raised), _word(is_raised))
                yield Change(config, prompt_id, sample, "flag", name, *words, why, why_before)


def _verdicts(old: VerdictRow, new: VerdictRow) -> Iterator[tuple[str, str | None, str | None]]:
    yield new.check, old.status, new.status
    if old.status_loose or new.status_loose:
        yield f"{new.check}, loose", old.status_loose, new.status_loose


def _word(flag: bool | None) -> str:
    return "no verdict" if flag is None else "yes" if flag else "no"


def flags_of(score: Score | Scores, broken: bool | None) -> dict[str, Flag]:
    """Every flag of an output with what it rests on; `broken` where the score does not say."""
    ratio = score.repetition_ratio
    reasons = score.broken_by or ()
    loop = score.loop_onset
    period = "" if score.loop_period is None else f", period {score.loop_period}"
    met = f"{score.constraints_met} of {score.constraints_judged} constraints met"
    return {
        "empty": (score.empty, f"{score.characters} characters"),
        "repetitive": (score.repetitive, "" if ratio is None else f"repetition {ratio:.2f}"),
        "loops": (loop is not None, "" if loop is None else f"from token {loop}{period}"),
        "degenerate": (score.degenerate, ", ".join(score.degenerate_by or ())),
        "garbage": (score.garbage, ""),
        "refusal": (score.refusal, ""),
        "language switch": (score.language_switch is not None, ""),
        "broken": (bool(reasons) if broken is None else broken, ", ".join(reasons)),
        "adherent": (score.adherent, met),
    }
