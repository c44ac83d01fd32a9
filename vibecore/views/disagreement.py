"""How configs differ on one prompt: in what, which two most, and how a list is sorted by it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from vibecore.core.rows import PromptOutput, PromptResult
from vibecore.store.prompt_list import MOST_COMPARED

ORDERS = {"suite": "suite order", "disagreement": "most disagreement first"}


def order_note(order: str, compares_words: bool) -> str:
    """What the prompts are sorted by, in one sentence; `compares_words` says what settles ties."""
    if order == "suite":
        return "Sorted as in the suite."
    ties = (
        "the share of words that the two most different answers do not have in common"
        if compares_words
        else "how much shorter the shortest answer is than the longest (words are compared up to "
        f"{MOST_COMPARED:,} outputs)"
    )
    return (
        "Sorted by disagreement: the configs' largest difference in adherence (0 or 1), in being "
        "broken (0 or 1) and in the share of constraints met, added up; ties by "
        f"{ties}."
    )


def differences(results: Sequence[PromptResult]) -> list[str]:
    """In which verdicts the configs of one prompt differ: adherence, broken, constraints met.

    What is not known for a config is no difference.
    """
    known: dict[str, set[bool | float | None]] = {
        "adherence": {row.adherent for row in results},
        "broken": {row.broken for row in results},
        "constraints met": {share_met(row) for row in results},
    }
    return [what for what, values in known.items() if len(values - {None}) > 1]


def texts_differ(texts: Sequence[str | None]) -> bool:
    """Whether the texts that there are differ."""
    return len({text for text in texts if text is not None}) > 1


def furthest_pair(outputs: Sequence[PromptOutput]) -> tuple[str, str] | None:
    """The two configs whose outputs of one prompt differ most; None with fewer than two outputs.

    By the differences in adherence, broken and share of constraints met, added up; ties by the
    share of words that their texts do not have in common, then in the order given.
    """
    written = [row for row in outputs if row.sample is not None and row.config is not None]
    pairs = list(combinations(written, 2))
    if not pairs:
        return None
    words = {row.config: set((row.text or "").lower().split()) for row in written}

    def distance(pair: tuple[PromptOutput, PromptOutput]) -> tuple[float, float]:
        one, two = pair
        every = words[one.config] | words[two.config]
        both = words[one.config] & words[two.config]
        return _verdict_distance(one, two), 1 - len(both) / len(every) if every else 0.0

    one, two = max(pairs, key=distance)
    return str(one.config), str(two.config)


def share_met(row: PromptResult) -> float | None:
    """The share of constraints met of those judged; None where none was judged."""
    if not row.constraints_judged or row.constraints_met is None:
        return None
    return row.constraints_met / row.constraints_judged


def _verdict_distance(one: PromptResult, two: PromptResult) -> float:
    pairs = (
        (one.adherent, two.adherent),
        (one.broken, two.broken),
        (share_met(one), share_met(two)),
    )
    return sum(abs(a - b) for a, b in pairs if a is not None and b is not None)
