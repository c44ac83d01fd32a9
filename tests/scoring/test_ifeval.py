"""IFEval: agreement with the reference, edges that were looked for, files, and bounded time."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.ifeval_cases import ARGUMENTS, cases
from benchmarks.ifeval_reference import reference, reference_verdicts
from benchmarks.ifeval_texts import corpus
from vibecore.catalog.suites import Constraint, SuiteError
from vibecore.scoring import constraint_defect, judge, load_suite, score_output
from vibecore.scoring.ifeval import INSTRUCTIONS, words
from vibecore.scoring.text.detection import detect_language
from vibecore.studies.responses import IfevalCounts, score_responses

GOOD = {
    "key": 7,
    "prompt": "Write of a storm, without commas.",
    "instruction_id_list": ["punctuation:no_comma", "keywords:existence"],
    "kwargs": [{"num_words": None, "keywords": None}, {"keywords": ["storm"], "relation": None}],
}


def verdicts(name: str, kwargs: dict, text: str) -> tuple[bool, bool]:
    result = judge(text, Constraint("ifeval", {"instruction_id": name, "kwargs": kwargs}))
    assert result.status in ("pass", "fail"), result
    return result.status == "pass", result.status_loose == "pass"


def test_the_table_has_the_reference_s_instructions():
    from lm_eval.tasks.ifeval.instructions_registry import INSTRUCTION_DICT

    assert reference()
    assert set(INSTRUCTIONS) == set(INSTRUCTION_DICT)
    assert len(INSTRUCTIONS) == 25


def test_agreement_with_the_reference():
    """A few hundred pairs; `benchmarks.ifeval_agreement` compares as many as wanted."""
    seen = set()
    for _, name, kwargs, text in cases(corpus(1), 1000, seed=1):
        theirs = reference_verdicts(name, kwargs, text)
        assert verdicts(name, kwargs, text) == theirs, (name, kwargs, text)
        seen.add((name, theirs[0]))
    # Nearly every instruction was seen both followed and not.
    assert len(seen) >= 45


EDGES = [
    ("detectable_format:number_bullet_lists", {"num_bullets": 1}, "*\n* a"),
    ("detectable_format:number_bullet_lists", {"num_bullets": 2}, "\n \n\t* a\n\x0c- b"),
    ("detectable_format:number_bullet_lists", {"num_bullets": 1}, "x\n*\n\n* a"),
    ("detectable_content:number_placeholders", {"num_placeholders": 2}, "[a [b] c] ]["),
    ("detectable_format:title", {}, "<<a>> b >>"),
    ("detectable_format:title", {}, "<<>>>"),
    ("detectable_format:title", {}, "<<\n>> <<>> << x>>"),
    ("detectable_format:multiple_sections", {"section_spliter": "(S)", "num_sections": 2}, "S1"),
    (
        "detectable_format:multiple_sections",
        {"section_spliter": "S ", "num_sections": 2},
        "S\x1c1S2",
    ),
    ("keywords:frequency", {"keyword": " C++", "frequency": 1, "relation": "at least"}, "ccc"),
    ("keywords:forbidden_words", {"forbidden_words": ["C++", "a|b"]}, "xa C"),
    ("keywords:forbidden_words", {"forbidden_words": ["C++"]}, "xC C\u031d"),
    ("keywords:existence", {"keywords": ["İ", "ß"]}, "i̇ SS ß"),
    ("startend:end_checker", {"end_phrase": " The END. "}, 'x the end.""\n'),
    ("startend:quotation", {}, '\x0b"'),
    ("combination:repeat_prompt", {"prompt_to_repeat": "IŞIK "}, "ışık"),
    ("change_case:english_capital", {}, "Ⅷ"),
    ("change_case:english_lowercase", {}, "ª ª"),
    ("punctuation:no_comma", {}, "\u200b"),
    ("detectable_format:json_format", {}, "```json```json 1```"),
    ("detectable_format:json_format", {}, "9" * 5000),
    ("length_constraints:number_words", {"num_words": 2, "relation": "less than"}, "रात में"),
    ("detectable_content:postscript", {"postscript_marker": "p.p.s."}, "pxpxsx"),
    ("length_constraints:number_paragraphs", {"num_paragraphs": 1}, "***\na\n***"),
]


@pytest.mark.parametrize(("name", "kwargs", "text"), EDGES)
def test_edges(name, kwargs, text):
    assert verdicts(name, kwargs, text) == reference_verdicts(name, kwargs, text)


QUICK = [name for name in ARGUMENTS if not name.startswith("language")]
PIECES = [
    "*", "-", "[", "]", "<<", ">>", "\n", " ", "a", "A", "I'M ", ". ", "!", "?", '"', ",", "İ",
    "***", "\x1c", "\u2028", "Mr. ", "... ", "p.s.", "Section 1", "5. ", "e\u0301", "«", "”", "İ",
]  # fmt: skip


@settings(max_examples=150, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(
    text=st.lists(st.sampled_from(PIECES), max_size=20).map("".join) | st.text(max_size=30),
    name=st.sampled_from(QUICK),
    chance=st.randoms(use_true_random=False),
)
def test_agreement_on_any_text(text, name, chance):
    kwargs = ARGUMENTS[name](text, chance)
    if constraint_defect(Constraint("ifeval", {"instruction_id": name, "kwargs": kwargs})) is None:
        assert verdicts(name, kwargs, text) == reference_verdicts(name, kwargs, text)


def test_the_own_table_knows_common_abbreviations():
    text = "Dr. Fox left at 5 p.m. on Jan. 3. He met J. K. Roe there... quietly. Why? (No.) Yes."
    assert len(words.split_sentences(text)) == 5


def test_a_text_without_language_follows_as_in_the_reference():
    assert verdicts("language:response_language", {"language": "en"}, "12 34") == (True, True)


@pytest.mark.parametrize(
    "unit", ["*", "[", "<<", "\n", " ", "-\n", '"', "\n*", "a. ", "((", "P.", "x,"]
)
def test_no_instruction_is_slow(unit):
    """A second on 10,000 characters, of processor time, the best of five: nothing is quadratic."""
    text = unit * (10_000 // len(unit))
    for _, name, kwargs, _ in cases([("shape", "storm")], len(INSTRUCTIONS)):
        constraint = Constraint("ifeval", {"instruction_id": name, "kwargs": kwargs})
        times = []
        for _ in range(5):
            words.split_sentences.cache_clear()
            detect_language.cache_clear()
            start = time.process_time()
            judge(text, constraint)
            times.append(time.process_time() - start)
            if times[-1] < 1:
                break
        assert min(times) < 1, (name, times)


def write(tmp_path, *rows) -> str:
    path = tmp_path / "small.jsonl"
    path.write_text("\n".join(r if isinstance(r, str) else json.dumps(r) for r in rows), "utf-8")
    return str(path)


def test_a_file_loads_as_a_suite(tmp_path):
    suite = load_suite(write(tmp_path, GOOD, "", {**GOOD, "key": "b"}))
    assert (suite.name, [prompt.id for prompt in suite.prompts]) == ("small", ["7", "b"])
    assert suite.prompts[0].category == "ifeval"
    assert suite.prompts[0].constraints[1] == Constraint(
        "ifeval", {"instruction_id": "keywords:existence", "kwargs": {"keywords": ["storm"]}}
    )
    score = score_output(suite.prompts[0], "Oh, well:\nthe storm")
    assert [c.status for c in score.constraints] == ["fail", "pass"]
    assert [c.status_loose for c in score.constraints] == ["pass", "pass"]
    assert (score.adherent, score.adherent_loose) == (False, True)


def test_responses_are_scored_strictly_and_loosely(tmp_path):
    suite = write(tmp_path, GOOD)
    responses = tmp_path / "responses.jsonl"
    responses.write_text(json.dumps({"prompt_id": "7", "text": "Oh, well:\nthe storm"}))
    [row] = score_responses(suite, responses)
    assert (row["adherent"], row["adherent_loose"]) == (False, True)
    assert (row["constraints_met"], row["constraints_met_loose"]) == (1, 2)
    assert row["constraints"][0]["status_loose"] == "pass"
    assert sentence_of(row) == (
        "IFEval, 1 prompt, 2 instructions: prompt strict 0.0%, instruction strict 50.0%, "
        "prompt loose 100.0%, instruction loose 100.0%"
    )
    assert sentence_of({"adherent": True}) is None


def sentence_of(row):
    counts = IfevalCounts()
    assert list(counts.passing([row])) == [row]
    return counts.sentence()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"key": True}, 'line 1 cannot be used: key "key": True is neither'),
        ({"prompt": ""}, 'key "prompt": wanted text'),
        ({"instruction_id_list": []}, "wanted a list of instructions"),
        ({"kwargs": [{}]}, "2 instructions have 1 sets of kwargs"),
        ({"kwargs": [{}, 3]}, "wanted a list of objects"),
        ({"kwargs": [{}, {}]}, 'key "keywords" is missing; the arguments of keywords:existence'),
        ({"kwargs": [{"num_words": 3}, {"keywords": ["a"]}]}, '"num_words" is unknown'),
        ({"kwargs": [{}, {"keywords": ["("]}]}, "reads as a regular expression, and it is none"),
        ({"instruction_id_list": ["a:b", "c"]}, "'a:b' is unknown; allowed: keywords:existence"),
    ],
)
def test_each_defect_of_a_file_is_named(tmp_path, change, message):
    path = write(tmp_path, {**GOOD, **change})
    with pytest.raises(SuiteError, match="cannot be used") as caught:
        load_suite(path)
    assert message in str(caught.value)
    assert path in str(caught.value)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "it is not JSON"),
        ("3", "wanted an object with the keys key, prompt"),
        ('{"key": 1}', 'the key "prompt" is missing'),
        ('{"key": NaN}', "NaN is not JSON"),
        (json.dumps(GOOD), "another prompt has the key 7 too"),
    ],
)
def test_each_broken_line_is_named(tmp_path, line, message):
    with pytest.raises(SuiteError) as caught:
        load_suite(write(tmp_path, GOOD, line))
    assert message in str(caught.value)
    assert "line 2" in str(caught.value)


def test_a_file_that_is_not_there_or_empty(tmp_path):
    with pytest.raises(SuiteError, match="cannot be read"):
        load_suite(tmp_path / "none.jsonl")
    with pytest.raises(SuiteError, match="it holds no prompts"):
        load_suite(write(tmp_path, ""))


def test_languages_are_told_as_langdetect_tells_them():
    import langdetect

    assert reference()
    for _, text in corpus(3)[::7]:
        try:
            theirs = langdetect.detect(text)
        except langdetect.LangDetectException:
            theirs = None
        assert detect_language(text) == theirs, text
