"""Any text through every check and score: no exception, no error, bounded time and quotation."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.check_cases import read_cases
from vibecore.catalog.suites import Constraint, Prompt
from vibecore.scoring import CHECKS, judge, load_suite, score_output
from vibecore.scoring.judge import EXECUTING
from vibecore.scoring.text.code import find_code
from vibecore.scoring.text.detection import detect_language
from vibecore.scoring.text.json_objects import find_objects
from vibecore.scoring.text.sentences import sentences

# Every argument set that the suite or a test uses: all are valid.
CONSTRAINTS = [
    *(c for prompt in load_suite("vibe30").prompts for c in prompt.constraints),
    *{str(c): c for c in (Constraint(one.check, one.arguments) for one in read_cases())}.values(),
]
EVERYTHING = Prompt("all", "code", "Write about a storm at sea.", tuple(CONSTRAINTS))
FRAGMENTS = [
    "```", "```python\n", "~~~", "def f(x):\n", "    return x\n", "class A:\n", "import os\n",
    "@x\n", '"""', "'", '"', "#", "(", ")", "[", "{", "}", '{"a": ', "\\", "\x00", "\ud800",
    "\u200b", "\ufffd", "\n", "\r\n", "\n\n", "\t", " ", "- ", "1. ", "2) ", "Answer: ",
    "the answer is ", "\\boxed{", "####", "1,2", "3.5", "-7", "1/0", "²", "٣", ".", "...", "?!",
    "“", "”", "e.g.", "Dr. ", "word", "İ", "ß", "中文。", "🙂", "\u2028", "\x0c", "\x85", "ﬁ",
    "a" * 50, "9" * 60,
]  # fmt: skip
# Few enough that lines, paragraphs and n-grams of them repeat.
PIECES = ["a", "b ", "\n", "\n\n", "Ж", "中", "\u200b", ". "]
ANY_TEXT = st.one_of(
    st.text(alphabet=st.characters(exclude_categories=()), max_size=80),
    st.lists(st.sampled_from(FRAGMENTS), max_size=25).map("".join),
    st.lists(st.sampled_from(PIECES), max_size=80).map("".join),
)
# The reasons a check may give for having no verdict; an exception that escaped is none.
EXPLAINED = re.compile(
    "no language can be told|no words can be counted|takes too long|nested too deeply"
)
TOKENS = st.none() | st.lists(st.integers(0, 3), max_size=60)


@settings(max_examples=250, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(text=ANY_TEXT, token_ids=TOKENS)
def test_any_text_gets_a_score(text, token_ids):
    score = score_output(EVERYTHING, text, token_ids)
    for result in score.constraints:
        judged = result.check not in EXECUTING
        allowed = ("pass", "fail", "error") if judged else ("skipped",)
        assert result.status in allowed, (result, text)
        if result.status == "error":
            assert EXPLAINED.search(result.explanation), (result, text)
        assert "\n" not in result.explanation
        assert result.explanation
    assert score.repetition_ratio is None or 0 <= score.repetition_ratio < 1
    assert (score.repetition_ratio is None) == (score.repetitive is None)
    assert score.empty is (score.lines == 0)
    if score.empty:
        # IFEval alone takes what cannot be seen for text, and says so itself.
        met = [r for r in score.constraints if r.status == "pass" and r.check != "ifeval"]
        assert (score.words, score.sentences, met) == (0, 0, [])
    assert all(0 <= share <= 1 for share in score.duplicates.values())
    assert bool(score.degenerate) == bool(score.degenerate_by)
    assert 0 <= score.prompt_echo <= 1
    assert (score.loop_period is None) == (score.loop_onset is None)
    if score.loop_onset is not None:
        tail = token_ids[score.loop_onset :]
        assert tail[score.loop_period :] == tail[: -score.loop_period]
    if score.language_switch is not None:
        assert 0 < score.language_switch < len(text)


@pytest.mark.parametrize("constraint", CONSTRAINTS, ids=lambda constraint: constraint.check)
def test_explanations_quote_little(constraint):
    """A text of one long word in every form: at most 60 characters of it are quoted."""
    word = "Q" * 3000
    forms = ("{0}", "Answer: {0}", "def {0}(x): return {0}", "{0}\n{0}", "{0}.")
    for text in forms:
        assert judge(text.format(word), constraint).explanation.count("Q") <= 60


SLOW_UNITS = [
    "[{",
    '{"a":\n\n',
    "[1, ",
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
]
SLOW_TEXTS = [unit * (10_000 // len(unit)) for unit in (*FRAGMENTS, *SLOW_UNITS)]
# Processor seconds: a check that is quadratic in the text takes several times as long.
SLOW = 0.15


def test_no_check_is_slow_on_any_loop_of_10_000_characters():
    """Processor time, which other processes do not use up; the best of five."""
    slow = []
    for text in SLOW_TEXTS:
        for check in set(CHECKS) - EXECUTING:
            constraint = next(c for c in CONSTRAINTS if c.check == check)
            least = min(_seconds(text, constraint, tries=5), default=0)
            if least > SLOW:
                slow.append((round(least, 3), check, text[:20]))
    assert not slow, slow


def _seconds(text: str, constraint: Constraint, tries: int) -> Iterator[float]:
    """Processor seconds of each try, until one is quick; caches of whole texts are emptied."""
    for _ in range(tries):
        detect_language.cache_clear()
        find_code.cache_clear()
        sentences.cache_clear()
        find_objects.cache_clear()
        start = time.process_time()
        judge(text, constraint)
        seconds = time.process_time() - start
        yield seconds
        if seconds < SLOW:
            return
