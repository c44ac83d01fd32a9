"""Any text through every check and score: no exception, no error, bounded time and quotation."""

from __future__ import annotations

import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.test_scoring_checks import ROWS
from vibecore.prompts import Constraint, Prompt
from vibecore.scoring import CHECKS, judge, load_suite, score_output

# Every argument set that the suite or a test uses: all are valid.
CONSTRAINTS = [
    *(c for prompt in load_suite("vibe30").prompts for c in prompt.constraints),
    *(Constraint(check, arguments) for check, arguments, *_ in ROWS),
]
EVERYTHING = Prompt("all", "code", "Do all.", tuple(CONSTRAINTS))
FRAGMENTS = [
    *(
        "```",
        "```python\n",
        "~~~",
        "def f(x):\n",
        "    return x\n",
        "class A:\n",
        "import os\n",
        "@x\n",
    ),
    *(
        '"""',
        "'",
        '"',
        "#",
        "(",
        ")",
        "[",
        "{",
        "}",
        '{"a": ',
        "\\",
        "\x00",
        "\ud800",
        "\u200b",
        "\ufffd",
    ),
    *(
        "\n",
        "\r\n",
        "\n\n",
        "\t",
        " ",
        "- ",
        "1. ",
        "2) ",
        "Answer: ",
        "the answer is ",
        "\\boxed{",
    ),
    *(
        "####",
        "1,2",
        "3.5",
        "-7",
        "1/0",
        "²",
        "٣",
        ".",
        "...",
        "?!",
        "“",
        "”",
        "e.g.",
        "Dr. ",
        "word",
    ),
    *("İ", "ß", "中文。", "🙂", "\u2028", "\x0c", "\x85", "ﬁ", "a" * 50, "9" * 60),
]
ANY_TEXT = st.one_of(
    st.text(alphabet=st.characters(exclude_categories=()), max_size=80),
    st.lists(st.sampled_from(FRAGMENTS), max_size=25).map("".join),
)
TOKENS = st.none() | st.lists(st.integers(0, 3), max_size=60)


@settings(max_examples=250, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(text=ANY_TEXT, token_ids=TOKENS)
def test_any_text_gets_a_score(text, token_ids):
    score = score_output(EVERYTHING, text, token_ids)
    for result in score.constraints:
        assert result.status in ("pass", "fail"), (result, text)
        assert "\n" not in result.explanation
        assert result.explanation
    assert 0 <= score.repetition_ratio < 1
    assert score.empty is (score.lines == 0)
    if score.empty:
        assert (score.words, score.sentences, score.constraints_met) == (0, 0, 0)
    if score.loop_onset is not None:
        assert 0 <= score.loop_onset < len(token_ids)


@pytest.mark.parametrize("constraint", CONSTRAINTS, ids=lambda constraint: constraint.check)
def test_explanations_quote_little(constraint):
    """A text of one long word in every form: at most 60 characters of it are quoted."""
    word = "Q" * 3000
    for text in (
        word,
        f"Answer: {word}",
        f"def {word}(x): return {word}",
        f"{word}\n{word}",
        f"{word}.",
    ):
        assert judge(text, constraint).explanation.count("Q") <= 60


SLOW_TEXTS = [
    unit * (10_000 // len(unit))
    for unit in (
        *FRAGMENTS,
        "a ",
        "a. ",
        "a.A",
        "!a",
        " \n",
        "x = (\n",
        '"a',
        "Ben, ",
        "six packs ",
        "`a",
    )
]


def test_no_check_is_slow_on_any_loop_of_10_000_characters():
    slowest = (0.0, "", "")
    for text in SLOW_TEXTS:
        for check in CHECKS:
            constraint = next(c for c in CONSTRAINTS if c.check == check)
            start = time.perf_counter()
            judge(text, constraint)
            slowest = max(slowest, (time.perf_counter() - start, check, text[:20]))
    # The aim is 50 ms; the bound leaves room for a busy machine.
    assert slowest[0] < 0.5, slowest
