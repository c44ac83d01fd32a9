"""Loops: repeated 4-grams of tokens, and tails of tokens or characters that repeat themselves."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from vibecore.scoring.text.spacing import count_letters, is_ideographic
from vibecore.scoring.text.words import n_grams, pieces

LOOP_REPETITIONS = 3
LOOP_MINIMUM_TOKENS = 16
# A loop of characters: 16 tokens have about 64 letters, or 24 ideographs; of marks and digits
# alone, which draw rules and write large numbers, it takes more. One that counts must say something
# beside its number.
LOOP_MINIMUM_LETTERS, LOOP_MINIMUM_MARKS, LETTERS_BESIDE_A_COUNTER = 64, 160, 8
# Calls that count are examples ("print(is_prime(2))") up to about ten of them.
CALLS = 12
IDEOGRAPH_LETTERS = 3
# An emoji is a token or more.
_FIRST_EMOJI = "\U0001f000"
_NUMBER = re.compile(r"\d{1,9}")
# Stands for a number where a loop that counts is looked for; no text is made of it.
_ANY_NUMBER = "\uffff"
_CALLED = re.compile(rf"\w\({_ANY_NUMBER}")


@dataclass(frozen=True)
class Loop:
    """A tail that repeats itself to the end: where it begins and its period, both in tokens."""

    onset: int
    period: int


def rep_n(token_ids: Sequence[int], n: int = 4) -> float | None:
    """1 − unique / total n-grams of token ids, in [0, 1); None with fewer than n tokens.

    Welleck et al. 2020, "Neural Text Generation with Unlikelihood Training": seq-rep-n, with
    n = 4 as they report it.
    """
    total = len(token_ids) - n + 1
    if total < 1:
        return None
    return 1 - len(set(n_grams(token_ids, n))) / total


def find_loop(token_ids: Sequence[int]) -> Loop | None:
    """The earliest token from which all the rest is periodic, with the shortest such period.

    From `onset + period` on, every token equals the one `period` before it; the last cycle may be
    cut short. A tail counts as a loop when it has at least three cycles and at least 16 tokens,
    so that "10000" or "..." does not. Only exact repetition counts: a loop that counts upwards is
    not one. Every period is found, in linear time (see `_periodic_tail`).
    """
    if len(token_ids) < LOOP_MINIMUM_TOKENS:
        return None
    # As characters, which are quick to search; ids are far below Unicode's 1.1 million.
    return _periodic_tail("".join(map(chr, token_ids)), LOOP_MINIMUM_TOKENS)


def has_text_loop(text: str) -> bool:
    """Whether the text ends in a loop of characters, as `find_loop` finds one of tokens.

    White space and a closing fence are left out, so it does not matter what parts the turns. The
    tail has at least three turns and 64 letters, an ideograph or kana counting as three and an
    emoji too; 160 where it has no letters, so that a drawn rule or a large number is none. A loop
    that counts is one too, where each number that changes does so by the same step and there are
    8 letters or more beside it: a table or a list of numbers is none. Of calls ("f(1) f(2)")
    it takes twelve turns: a few are examples.
    """
    squeezed = "".join(pieces(text))
    if squeezed.endswith(("```", "~~~")):
        squeezed = squeezed.rstrip("`~") or squeezed
    if len(squeezed) < LOOP_MINIMUM_LETTERS // IDEOGRAPH_LETTERS:
        return False
    shortest = LOOP_MINIMUM_LETTERS // IDEOGRAPH_LETTERS
    ending = squeezed[-_known(shortest) :]
    if squeezed.find(ending) == len(squeezed) - len(ending) and not _NUMBER.search(ending):
        return False  # whatever numbers come before it
    weight = IDEOGRAPH_LETTERS if is_ideographic(squeezed) else 1
    numbers = [int(number) for number in _NUMBER.findall(squeezed)]
    counting = _NUMBER.sub(_ANY_NUMBER, squeezed) if len(numbers) >= LOOP_REPETITIONS else squeezed
    loop = _periodic_tail(counting, shortest)
    if loop is None:
        return False
    if counting != squeezed:
        turns = _turns_that_count(counting, numbers, loop, weight)
        if turns >= LOOP_REPETITIONS and _is_long(counting[-turns * loop.period :], weight):
            return True
        loop = _periodic_tail(squeezed, shortest)
    return loop is not None and _is_long(squeezed[loop.onset :], weight)


def _is_long(tail: str, weight: int) -> bool:
    """Whether a tail of characters is long enough to be a loop."""
    letters = count_letters(tail)
    emoji = 0 if tail.isascii() else sum(character >= _FIRST_EMOJI for character in tail)
    if not letters and not emoji:
        return len(tail) >= LOOP_MINIMUM_MARKS
    rest = len(tail) - letters - emoji
    return weight * letters + IDEOGRAPH_LETTERS * emoji + rest >= LOOP_MINIMUM_LETTERS


def _turns_that_count(counting: str, numbers: Sequence[int], loop: Loop, weight: int) -> int:
    """Of how many last turns each number is the one before, or all changing ones go by one step.

    `counting` has a placeholder for each of the `numbers`.
    """
    turn = counting[len(counting) - loop.period :]
    slots = turn.count(_ANY_NUMBER)
    letters = weight * count_letters(turn)
    if not slots or letters < LETTERS_BESIDE_A_COUNTER:
        return 0
    turns = 1
    steps: list[int] | None = None
    while (turns + 1) * loop.period <= len(counting) - loop.onset:
        last = numbers[len(numbers) - turns * slots :][:slots]
        before = numbers[len(numbers) - (turns + 1) * slots :][:slots]
        found = [after - earlier for earlier, after in zip(before, last, strict=True)]
        if len({step for step in found if step}) > 1 or (steps is not None and found != steps):
            break
        steps = found
        turns += 1
    if steps is not None and any(steps) and _CALLED.search(turn + turn):
        return turns if turns >= CALLS else 0
    return turns


def _periodic_tail(sequence: str, shortest: int) -> Loop | None:
    """The earliest start from which the rest is periodic, of at least three turns and `shortest`
    items.

    With the sequence reversed, the Z-function at p is how far the tail goes on repeating with
    period p (Gusfield 1997, section 1.3). Of a tail of t items, at least `shortest` and three
    periods, the last t − p occurred one period earlier too; these are two thirds of `shortest` or
    more. So only where that many of the last items occur again can p be a period, and the
    Z-function is needed there alone: linear time, and little of it in a text that does not loop.
    """
    backwards = sequence[::-1]
    known = backwards[: _known(shortest)]
    longest, best = shortest - 1, 0
    # The Z-function where it is known, and the piece that reaches farthest of those found to occur
    # at the beginning too.
    found: dict[int, int] = {}
    left = right = 0
    period = backwards.find(known, 1)
    while 0 < LOOP_REPETITIONS * period <= len(sequence) and longest < len(sequence):
        matched = found.get(period - left, 0)
        if not 0 < matched < right - period:
            matched = _common(backwards, period, max(right - period, len(known)))
        found[period] = matched
        tail = period + matched
        if tail > right:
            left, right = period, tail
        if tail > longest and tail >= LOOP_REPETITIONS * period:
            longest, best = tail, period
        period = backwards.find(known, period + 1)
    return Loop(len(sequence) - longest, best) if best else None


def _known(shortest: int) -> int:
    """How many of the last items of a loop of at least so many occur in it before too."""
    return max(shortest - shortest // LOOP_REPETITIONS, 1)


def _common(sequence: str, start: int, matched: int) -> int:
    """How far the sequence is the same from `start` as from its beginning; `matched` is known."""
    step = 16
    while sequence[matched : matched + step] == sequence[start + matched : start + matched + step]:
        matched += step
        step *= 2
    while step:
        step //= 2
        if sequence[matched : matched + step] == sequence[start + matched : start + matched + step]:
            matched += step
    return matched
