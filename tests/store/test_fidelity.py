"""Distances token by token: read as they were written, in the suite's order, and moved with their
study."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from tests.support.fidelity import add_study, distances
from vibecore import store
from vibecore.core.errors import InputError, VibeError
from vibecore.core.fidelity import FidelityTokens, TokenDistances, Way

Rows = list[tuple[str, int, TokenDistances]]


def add(
    db: Path,
    runs: dict[str, int],
    config: str,
    rows: Rows,
    way: Way = "alone",
    against: str = "1M-bf16",
) -> None:
    with store.writing(db) as connection:
        store.add_fidelity(
            connection, runs[config], runs[against], way, "outputs", rows, "a machine"
        )


def read(db: Path, study: str = "s", config: str | None = None) -> list[FidelityTokens]:
    with store.reading(db) as connection:
        return store.read_fidelity(connection, study, config)


def test_tokens_are_read_as_they_were_written_in_the_order_of_the_suite(db: Path) -> None:
    runs = add_study(db, samples=2)
    # p2 comes first in the suite; written in another order.
    rows = [
        (prompt, sample, distances(range(length), seed=10 * sample + length))
        for sample in (1, 0)
        for prompt, length in (("p1", 3), ("p2", 2))
    ]
    add(db, runs, "1M-4bit", rows)
    [found] = read(db)
    assert (found.config, found.against) == ("1M-4bit", "1M-bf16")
    assert (found.way, found.reference) == ("alone", "outputs")
    assert found.items == ("p2", "p1")
    assert list(found.item_of) == [0] * 4 + [1] * 6
    ordered = [rows[index][2] for index in (3, 1, 2, 0)]
    for name in ("kld", "same_top", "log_p", "parent_log_p"):
        values = getattr(found, name)
        expected = np.concatenate([getattr(one, name) for one in ordered])
        # Stored in float32.
        np.testing.assert_allclose(values, expected, rtol=1e-7, err_msg=name)
        assert len(values) == 10
    assert found.same_top.dtype == bool
    assert found.seconds == 1.0
    assert found.peak_memory_bytes == 3003
    assert found.measured_on == "a machine"


def test_each_config_way_and_reference_is_an_entry_and_one_config_can_be_asked_for(
    db: Path,
) -> None:
    runs = add_study(db)
    add(db, runs, "1M-4bit", [("p1", 0, distances(range(3)))])
    add(db, runs, "1M-8bit", [("p1", 0, distances(range(3)))])
    add(db, runs, "1M-bf16", [("p1", 0, distances(range(3)))], "batch")
    with store.writing(db) as connection:
        both = [(f"part {n}", 0, distances(range(2), seed=n)) for n in (1, 2)]
        ids = (runs["1M-4bit"], runs["1M-bf16"])
        store.add_fidelity(connection, *ids, "alone", "text", both, "a machine")
    keys = [(one.config, one.way, one.reference) for one in read(db)]
    assert keys == [
        ("1M-bf16", "batch", "outputs"),
        ("1M-8bit", "alone", "outputs"),
        ("1M-4bit", "alone", "outputs"),
        ("1M-4bit", "alone", "text"),
    ]
    assert [(one.config, one.items) for one in read(db, config="1M-4bit")] == [
        ("1M-4bit", ("p1",)),
        ("1M-4bit", ("part 1", "part 2")),
    ]
    assert read(db, config="1M-bf16")[0].kld.shape == (3,)


def test_a_study_without_any_gives_none_and_an_unknown_one_is_refused(db: Path) -> None:
    add_study(db)
    assert read(db) == []
    with pytest.raises(InputError, match="There is no study 't'"):
        read(db, "t")


def test_what_is_missing_is_the_parent_s_outputs_that_were_not_compared(db: Path) -> None:
    runs = add_study(db, samples=2)
    with store.writing(db) as connection:
        connection.execute(
            "UPDATE generation SET token_ids = [] WHERE prompt_id = 'p1' AND sample = 1"
        )
    add(db, runs, "1M-4bit", [("p2", 1, distances(range(2)))])
    ids = (runs["1M-4bit"], runs["1M-bf16"])
    with store.reading(db) as connection:
        missing = store.missing_fidelity(connection, *ids, "alone")
        floor = store.missing_fidelity(connection, ids[1], ids[1], "batch")
    # An output without tokens has nothing to compare.
    assert [(one.prompt_id, one.sample) for one in missing] == [("p2", 0), ("p1", 0)]
    assert missing[0].text == "Say p2."
    assert missing[0].token_ids == (0, 1)
    assert len(floor) == 3


def test_broken_numbers_are_no_reference(db: Path) -> None:
    runs = add_study(db)
    with store.writing(db) as connection:
        connection.execute(
            "UPDATE generation SET finish_reason = 'non_finite' WHERE prompt_id = 'p2'"
        )
    with store.reading(db) as connection:
        left = store.reference_outputs(connection, runs["1M-bf16"])
    assert [one.prompt_id for one in left] == ["p1"]


def test_nothing_is_stored_twice(db: Path) -> None:
    runs = add_study(db)
    add(db, runs, "1M-4bit", [("p1", 0, distances(range(3)))])
    with pytest.raises(VibeError, match="Nothing was written twice"):
        add(db, runs, "1M-4bit", [("p1", 0, distances(range(3), seed=2))])
    assert len(read(db)[0].kld) == 3


def test_the_parent_is_bf16_else_fp16_and_what_was_held_against_another_is_not_read(
    db: Path,
) -> None:
    runs = add_study(db, configs=("1M-fp16", "1M-4bit", "3M-8bit"))
    with store.reading(db) as connection:
        assert store.read_parents(connection, "s") == {"1M-fp16": "1M-fp16", "1M-4bit": "1M-fp16"}
    add(db, runs, "1M-4bit", [("p1", 0, distances(range(3)))], against="1M-fp16")
    assert [one.against for one in read(db)] == ["1M-fp16"]
    with store.writing(db) as connection:
        new = store.NewRun("1M-bf16", "1M", "bf16", "demo/1M", "demo")
        runs |= store.add_runs(connection, 1, [new])
    assert read(db) == []
    add(db, runs, "1M-4bit", [("p1", 0, distances(range(3)))])
    add(db, runs, "1M-fp16", [("p1", 0, distances(range(3)))])
    assert [(one.config, one.against) for one in read(db)] == [
        ("1M-fp16", "1M-bf16"),
        ("1M-4bit", "1M-bf16"),
    ]


def test_the_marks_of_an_output_say_what_a_config_would_have_chosen(db: Path) -> None:
    runs = add_study(db, samples=2)
    one, two = (distances(range(3), seed=seed) for seed in (5, 6))
    add(db, runs, "1M-4bit", [("p1", 0, one), ("p1", 1, two)])
    with store.reading(db) as connection:
        marks = store.read_token_marks(connection, "s", "1M-4bit", "p1", 1)
        assert store.read_token_marks(connection, "s", "1M-8bit", "p1", 1) is None
        assert store.read_token_marks(connection, "s", "1M-4bit", "p2") is None
    assert marks is not None
    assert marks.against == "1M-bf16"
    assert marks.pieces == list(two.pieces)
    assert marks.same_top == list(two.same_top)
    assert marks.top_pieces == list(two.top_pieces)
    assert marks.top_p == pytest.approx(two.top_p)
    assert marks.log_p == pytest.approx(two.log_p)
    assert marks.parent_log_p == pytest.approx(two.parent_log_p)


def test_configs_with_marks_are_those_compared_along_their_parents_outputs(db: Path) -> None:
    runs = add_study(db)
    with store.reading(db) as connection:
        assert store.list_compared(connection, "s") == []
    rows = [("p1", 0, distances(range(3)))]
    add(db, runs, "1M-4bit", rows)
    add(db, runs, "1M-bf16", rows, "batch")
    with store.writing(db) as connection:
        ids = (runs["1M-8bit"], runs["1M-bf16"])
        store.add_fidelity(connection, *ids, "alone", "text", rows, "a machine")
    with store.reading(db) as connection:
        assert store.list_compared(connection, "s") == ["1M-4bit"]
        with pytest.raises(InputError):
            store.list_compared(connection, "none")


def test_a_copied_study_has_its_distances_under_the_new_ids(db: Path, tmp_path: Path) -> None:
    runs = add_study(db)
    add(db, runs, "1M-4bit", [("p1", 0, distances(range(3)))])
    add(db, runs, "1M-bf16", [("p1", 0, distances(range(3), size=0))], "graph")
    target = tmp_path / "other.duckdb"
    store.prepare(target)
    add_study(target, "there before")
    store.copy_studies(db, target)
    before, after = read(db), read(target)
    assert [(one.config, one.against, one.way, one.items) for one in after] == [
        ("1M-bf16", "1M-bf16", "graph", ("p1",)),
        ("1M-4bit", "1M-bf16", "alone", ("p1",)),
    ]
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(old.kld, new.kld)
    assert read(target, "there before") == []


def test_a_study_is_renamed_and_deleted_with_its_distances(db: Path) -> None:
    runs, kept = add_study(db), add_study(db, "kept")
    add(db, runs, "1M-4bit", [("p1", 0, distances(range(3)))])
    add(db, kept, "1M-4bit", [("p1", 0, distances(range(3), seed=1))])
    with store.writing(db) as connection:
        store.rename_study(connection, "s", "t")
    assert len(read(db, "t")) == 1
    with store.writing(db) as connection:
        store.delete_study(connection, "t")
        assert connection.execute("SELECT DISTINCT run_id FROM fidelity").fetchall() == [
            (kept["1M-4bit"],)
        ]
    assert len(read(db, "kept")) == 1


def test_parts_of_another_text_are_dropped(db: Path) -> None:
    runs = add_study(db)
    ids = (runs["1M-4bit"], runs["1M-bf16"])
    add(db, runs, "1M-4bit", [("p1", 0, distances(range(3)))])
    with store.writing(db) as connection:
        rows = [(f"{text} {n}", 0, distances(range(2))) for text in ("old", "new") for n in (1, 2)]
        store.add_fidelity(connection, *ids, "alone", "text", rows, "a machine")
        store.drop_fidelity_text(connection, *ids, ["new 1", "new 2"])
    assert [one.items for one in read(db)] == [("p1",), ("new 1", "new 2")]


def test_half_a_million_tokens_are_read_in_a_second(db: Path) -> None:
    prompts = [f"p{number:03d}" for number in range(541)]
    runs = add_study(db, prompts=prompts, samples=1)
    long = distances(range(1000))
    with store.writing(db) as connection:
        ids = (runs["1M-4bit"], runs["1M-bf16"])
        store.add_fidelity(
            connection, *ids, "alone", "outputs", [(prompts[0], 0, long)], "a machine"
        )
        # Quicker than by add_fidelity.
        connection.execute(
            """INSERT INTO fidelity SELECT fidelity.* REPLACE (prompt_id AS item) FROM fidelity,
               prompt WHERE prompt_id != item"""
        )
    started = time.perf_counter()
    [found] = read(db)
    assert time.perf_counter() - started < 1
    assert len(found.kld) == 541_000
    assert found.items == tuple(prompts)
