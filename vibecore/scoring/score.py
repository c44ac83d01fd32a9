"""All scores of one output: its measures and its constraints' verdicts."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from vibecore.catalog.suites import Constraint, Prompt
from vibecore.core.rows import LOOPING, VerdictRow
from vibecore.scoring.judge import judge_answer
from vibecore.scoring.measures.broken import broken_reasons
from vibecore.scoring.measures.degenerate import cuts_exceeded
from vibecore.scoring.measures.echo import prompt_echo
from vibecore.scoring.measures.garbage import is_garbage
from vibecore.scoring.measures.loops import find_loop, has_text_loop, rep_n
from vibecore.scoring.measures.refusal import is_refusal
from vibecore.scoring.measures.repetition import distinct, repetition_ratio, zlib_ratio
from vibecore.scoring.measures.script import language_switch
from vibecore.scoring.text.prose import prose
from vibecore.scoring.text.reasoning import split_reasoning
from vibecore.scoring.text.sentences import sentences
from vibecore.scoring.text.words import count_words, has_visible, lines

# Raise it whenever the score of any text can change. Version 2 covers the move to
# Unicode's own scripts too: they differ only in rare letters (phonetic, historical), and no stored
# output has any.
SCORER_VERSION = 4
# How an output ends that the token limit cut off: in its answer, or before it began; and what other
# programs call that (Anthropic's and Google's, for responses files).
CUT_SHORT = frozenset({"length", "thinking", "max_tokens", "MAX_TOKENS"})


@dataclass(frozen=True)
class Score:
    """The scores of one output; the source of each measure is in the function that computes it.

    `repetitive` is the published study's flag alone; it and its ratio are None where white space
    does not part the text into words (`text.spacing`). `degenerate` means that a cut published by
    others is exceeded, the exceeded ones named in `degenerate_by`; the two are never mixed.
    `degenerate`, `duplicates` and `garbage` are read on the answer's prose alone (`text.prose`);
    where there is too little of it, `duplicates` is empty and the flags are None. `broken_by` has
    the reasons why the output is of no use (`measures.broken`). `rep_4`,
    `loop_onset` (a token index) and `loop_period` (tokens) need token ids, and are None without
    them; the latter two also where there is no loop. `language_switch` is a character index.
    """

    words: int
    characters: int
    sentences: int
    lines: int
    empty: bool
    repetition_ratio: float | None
    repetitive: bool | None
    degenerate: bool | None
    degenerate_by: tuple[str, ...]
    duplicates: Mapping[str, float]
    garbage: bool | None
    distinct_1: float | None
    distinct_2: float | None
    rep_4: float | None
    zlib_ratio: float | None
    loop_onset: int | None
    loop_period: int | None
    prompt_echo: float | None
    refusal: bool
    language_switch: int | None
    constraints: tuple[VerdictRow, ...]
    broken_by: tuple[str, ...] = ()

    @property
    def broken(self) -> bool:
        """Whether the output is of no use to anybody."""
        return bool(self.broken_by)

    @property
    def constraints_cut(self) -> int:
        """How many verdicts only the token limit decided."""
        return sum(bool(result.cut) for result in self.constraints)

    @property
    def adherent_cut(self) -> bool:
        """Whether only the token limit decided that the answer is, or is not, adherent."""
        decisive = "pass" if self.adherent else "fail"
        cut = [result.cut for result in self.constraints if result.status == decisive]
        if self.adherent is None:
            return False
        return any(cut) if self.adherent else all(cut)

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
        """Whether all constraints that were judged passed; skipped ones do not count.
        None where none was judged, or where one is an error."""
        statuses = {result.status for result in self.constraints} - {"skipped"}
        if not statuses or "error" in statuses:
            return None
        return statuses == {"pass"}

    @property
    def constraints_met_loose(self) -> int | None:
        """How many constraints passed, IFEval's instructions in their loose reading; None where
        there is no such instruction."""
        statuses = self._loose_statuses()
        return statuses.count("pass") if statuses else None

    @property
    def adherent_loose(self) -> bool | None:
        """`adherent` with IFEval's instructions in their loose reading; None where `adherent` is
        and where there is no such instruction."""
        statuses = self._loose_statuses()
        if not statuses or self.adherent is None:
            return None
        return all(status == "pass" for status in statuses if status != "skipped")

    def _loose_statuses(self) -> list[str]:
        if all(result.status_loose is None for result in self.constraints):
            return []
        return [result.status_loose or result.status for result in self.constraints]


def score_output(
    prompt: Prompt,
    text: str,
    token_ids: Sequence[int] | None = None,
    *,
    repetitive_at: float = 0.5,
    execute_code: bool = False,
    finish_reason: str | None = None,
) -> Score:
    """Score one output of one prompt.

    `text` is the new text alone, and `token_ids` the new tokens alone, without an end token.
    `repetitive` is `repetition_ratio >= repetitive_at`. Constraints that run code are skipped
    unless `execute_code`. `finish_reason` is `length` where the token limit ended the output, and
    `thinking` where it did so before an answer began.

    Reasoning that the text begins with is not scored (see `text.reasoning`). Which of the
    `token_ids` are the answer's is then not known: a loop that goes on to the end is the answer's,
    its onset counted from the first of all tokens, and there is no `rep_4`.
    """
    reasoning, text = split_reasoning(text)
    has_text = has_visible(text)
    if reasoning is not None and not has_text:
        token_ids = []
    repetition = repetition_ratio(text)
    loop = find_loop(token_ids) if token_ids is not None else None
    repetitive = None if repetition is None else repetition >= repetitive_at
    read = prose(text)
    garbage = is_garbage(read)
    duplicates, over = cuts_exceeded(read)
    broken = broken_reasons(
        text,
        empty=not has_text,
        repetitive=repetitive,
        loops=loop is not None or has_text_loop(text),
        garbage=garbage,
    )
    return Score(
        words=count_words(text),
        characters=len(text),
        sentences=len(sentences(text)),
        lines=len(lines(text)),
        empty=not has_text,
        repetition_ratio=repetition,
        repetitive=repetitive,
        degenerate=None if over is None else bool(over),
        degenerate_by=tuple(over or ()),
        duplicates=duplicates,
        garbage=garbage,
        distinct_1=distinct(text, 1),
        distinct_2=distinct(text, 2),
        rep_4=rep_n(token_ids) if token_ids is not None and reasoning is None else None,
        zlib_ratio=zlib_ratio(text),
        loop_onset=loop.onset if loop else None,
        loop_period=loop.period if loop else None,
        prompt_echo=prompt_echo(prompt.text, text),
        refusal=is_refusal(text),
        language_switch=language_switch(text),
        constraints=tuple(
            judge_output(text, one, finish_reason, broken, execute_code=execute_code)
            for one in prompt.constraints
        ),
        broken_by=broken,
    )


def judge_output(
    answer: str,
    constraint: Constraint,
    finish_reason: str | None,
    broken_by: Collection[str],
    *,
    execute_code: bool = False,
) -> VerdictRow:
    """The verdict of one constraint on an output without its reasoning, as a score has it.

    Where the token limit ended the output, what stands whole is judged, also of one that loops; but
    that would have gone on looping, so there the limit decided nothing.
    """
    cut = finish_reason in CUT_SHORT
    verdict = judge_answer(answer, constraint, execute_code=execute_code, cut=cut)
    if verdict.cut and not set(broken_by).isdisjoint(LOOPING):
        return replace(verdict, cut=False)
    return verdict
