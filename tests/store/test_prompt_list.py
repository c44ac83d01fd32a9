"""The list of prompts: which match, in which order, and what the configs wrote on them."""

from __future__ import annotations

from pathlib import Path

import pytest

from vibecore import store
from vibecore.catalog.suites import Constraint, Prompt
from vibecore.core.records import Protocol
from vibecore.scoring import SCORER_VERSION, score_output
from vibecore.store import prompt_list
from vibecore.store.prompt_list import PromptFilter

STARTS = Constraint("starts_with", {"prefix": "hi"})
ENDS = Constraint("ends_with", {"suffix": "bye"})
LOOP = "la " * 40
# prompt -> what the two configs write; constraints are STARTS and ENDS
TEXTS = {
    "same": ("hi and bye", "hi and bye"),
    "words": ("hi and bye", "hi dear friend and bye"),
    "more-words": ("hi and bye", "hi to you my very dear friend, good bye"),
    "half": ("hi and bye", "hi and more"),
    "adherence": ("hi and bye", "no and no"),
    "broken": ("hi and bye", LOOP),
}
CONFIGS = ("1M-bf16", "1M-4bit")


@pytest.fixture
def filled(db: Path) -> Path:
    prompts = tuple(Prompt(id_, "code", f"About {id_}.", (STARTS, ENDS)) for id_ in TEXTS)
    study = store.NewStudy(
        "s", "measured", "S", "suite", prompts, len(prompts), Protocol(samples=2)
    )
    runs = [store.NewRun(c, "1M", c.split("-")[1], "demo/1M", "demo") for c in CONFIGS]
    with store.writing(db) as connection:
        ids = store.create_study(connection, study, runs)
        for number, config in enumerate(CONFIGS):
            for index, prompt in enumerate(prompts):
                text = TEXTS[prompt.id][number]
                rows = [(prompt.id, {"text": text}, score_output(prompt, text))]
                # A second sample on which all agree and which all break: the first one counts.
                again = (prompt.id, {"text": LOOP, "sample": 1}, score_output(prompt, LOOP))
                store.add_generations(
                    connection, ids[config], index, [*rows, again], SCORER_VERSION
                )
    return db


def found(path: Path, **wanted: str) -> list[str]:
    with store.reading(path) as connection:
        return store.find_prompts(connection, "s", PromptFilter(**wanted))


def test_disagreement_is_the_spread_of_verdicts_then_of_texts(filled: Path) -> None:
    assert found(filled) == list(TEXTS)
    assert found(filled, order="disagreement") == [
        "broken",  # adherence, broken and both constraints: 3
        "adherence",  # adherence and both constraints: 2
        "half",  # adherence and one of two constraints: 1.5
        "more-words",
        "words",
        "same",
    ]


def test_beyond_so_many_outputs_lengths_settle_ties(
    filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both orders agree here, so the words' query must not be what answers."""
    monkeypatch.setattr(prompt_list, "MOST_COMPARED", 11)
    monkeypatch.setattr(prompt_list, "_DISTANCE", "no SQL")
    with store.reading(filled) as connection:
        assert not store.compares_words(connection, "s")
        assert store.compares_words(connection, "s", CONFIGS[:1])
    assert found(filled, order="disagreement")[-3:] == ["more-words", "words", "same"]


@pytest.mark.parametrize(
    ("only", "listed"),
    [
        ("differ", ["half", "adherence", "broken"]),
        ("differ in adherence", ["half", "adherence", "broken"]),
        ("differ in broken", ["broken"]),
        ("differ in text", ["words", "more-words", "half", "adherence", "broken"]),
        ("broken", ["broken"]),
    ],
)
def test_what_configs_differ_in(filled: Path, only: str, listed: list[str]) -> None:
    assert found(filled, only=only) == listed


def test_a_numerically_broken_output_is_broken_without_scores(filled: Path) -> None:
    with store.writing(filled) as connection:
        connection.execute("DELETE FROM score WHERE prompt_id = 'same' AND run_id = 1")
        connection.execute(
            """UPDATE generation SET finish_reason = 'non_finite'
               WHERE prompt_id = 'same' AND run_id = 1"""
        )
    assert found(filled, only="broken") == ["same", "broken"]
    assert found(filled, only="differ in broken") == ["same", "broken"]
    with store.reading(filled) as connection:
        first, second = store.read_prompt_outputs(connection, "s", ["same"], CONFIGS)
        results = store.read_prompt_results(connection, "s", ["same"])
    assert (first.broken, first.adherent) == (True, None)
    assert second.broken is False
    assert [row.broken for row in results if row.sample == 0] == [True, False]


def test_a_grid_reads_the_first_outputs_of_the_prompts_named(
    filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with store.reading(filled) as connection:
        rows = store.read_prompt_outputs(connection, "s", ["words", "half"], CONFIGS)
    assert [(row.prompt_id, row.config, row.text) for row in rows] == [
        (prompt, config, TEXTS[prompt][number])
        for prompt in ("words", "half")
        for number, config in enumerate(CONFIGS)
    ]
    assert [row.constraints_met for row in rows] == [2, 2, 2, 1]
    monkeypatch.setattr(prompt_list, "CELL_CHARACTERS", 5)
    with store.reading(filled) as connection:
        [row] = store.read_prompt_outputs(connection, "s", ["words"], CONFIGS[:1])
    assert (row.text, row.characters) == ("hi an", 10)


def test_prompts_decided_by_the_token_limit(filled: Path) -> None:
    limit = "decided by the token limit"
    assert found(filled, only=limit) == []
    with store.writing(filled) as connection:
        [(run,)] = connection.execute("SELECT run_id FROM run WHERE config = '1M-4bit'").fetchall()
        # The second sample stands for nothing here.
        for prompt, sample in (("half", 0), ("words", 1)):
            score = score_output(
                Prompt(prompt, "code", "", (ENDS,)), "hi and more", finish_reason="length"
            )
            scored = [(prompt, sample, score)]
            store.replace_scores(connection, run, scored, SCORER_VERSION)
        # An older scorer did not say.
        connection.execute("UPDATE score SET adherent_cut = NULL WHERE prompt_id = 'same'")
    assert found(filled, only=limit) == ["half"]
    assert found(filled, only=limit, configs=("1M-bf16",)) == []
    with store.reading(filled) as connection:
        outputs = store.read_prompt_outputs(connection, "s", ["half", "same"], CONFIGS)
    assert [one.adherent_cut for one in outputs] == [False, True, None, None]
