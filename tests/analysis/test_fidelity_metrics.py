"""Fidelity among the metrics of a config, and what the rule does with it: nothing, unless asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.fidelity import add_study, distances
from tests.support.metric_rows import metric_row as row
from vibecore import read_summary, store
from vibecore.analysis import Rule, find_sweet_spot
from vibecore.analysis.fidelity.summary import ABOVE, summarise_fidelity
from vibecore.analysis.metrics import ConfigMetrics, known_metrics
from vibecore.analysis.sweet_spot import Observed, choose
from vibecore.analysis.switches import find_switches, sentences_by_control
from vibecore.core import formats
from vibecore.core.fidelity import Way
from vibecore.core.machine import GIB
from vibecore.studies.plan import Options, new_plan
from vibecore.studies.run import run_study
from vibecore.views.tables.metrics import metric_table
from vibecore.views.terminal import metrics_table

COLUMNS = {"mean KLD", "same top", "flips"}


def add(
    db: Path, ids: dict[str, int], config: str, way: Way, size: float, lengths: dict[str, int]
) -> None:
    with store.writing(db) as connection:
        rows = [
            (prompt, sample, distances(range(length), seed=17 * sample + length, size=size))
            for prompt, length in lengths.items()
            for sample in (0, 1)
        ]
        store.add_fidelity(connection, ids[config], ids["1M-bf16"], way, "outputs", rows, "here")


def test_a_study_without_fidelity_has_none_of_its_columns(db: Path) -> None:
    add_study(db)
    rows = read_summary(db, "s").rows
    assert not COLUMNS & {metric.label for metric in known_metrics(rows)}
    assert {one.parent for one in rows} == {"1M-bf16"}


def test_the_columns_are_the_summary_s_figures(db: Path) -> None:
    ids = add_study(db, samples=2)
    lengths = {"p2": 40, "p1": 7}
    add(db, ids, "1M-bf16", "batch", 1e-6, lengths)
    add(db, ids, "1M-bf16", "graph", 1e-5, lengths)
    add(db, ids, "1M-4bit", "alone", 0.05, lengths)
    add(db, ids, "1M-8bit", "alone", 0.01, {"p2": 5})
    with store.reading(db) as connection:
        tokens = store.read_fidelity(connection, "s")
    parent, eight, four = read_summary(db, "s").rows
    found = {(one.config, one.way): one for one in summarise_fidelity(tokens)}
    for own in (eight, four):
        summary = found[own.config, "alone"]
        assert own.mean_kld == pytest.approx(summary.mean_kld)
        assert own.same_top == pytest.approx(summary.same_top)
        assert own.kld_floor == pytest.approx(found["1M-bf16", "graph"].mean_kld)
        assert summary.floor is not None and summary.floor.mean_kld == own.kld_floor
    assert (parent.mean_kld, parent.same_top, parent.kld_floor) == (None, None, four.kld_floor)
    assert (eight.kld_outputs, four.kld_outputs) == (2, 4)
    assert [one.flips for one in (parent, eight, four)] == [None] * 3
    table = metrics_table([parent, eight, four])
    assert table[0]["mean KLD"].startswith("parent")
    assert (
        "noise floor" in table[1]["mean KLD"]
        and "along 2 outputs of bf16 so far" in (table[1]["mean KLD"])
    )
    assert "output" not in table[2]["mean KLD"]


def test_a_floor_that_was_interrupted_is_not_that_of_the_metrics_nor_of_the_summary(
    db: Path,
) -> None:
    prompts = [f"p{number}" for number in range(7)]
    ids = add_study(db, prompts=prompts)
    lengths = dict.fromkeys(prompts, 20)
    add(db, ids, "1M-bf16", "batch", 1e-6, lengths)
    add(db, ids, "1M-bf16", "graph", 1e-2, {"p0": 20})
    add(db, ids, "1M-4bit", "alone", 0.05, lengths)
    with store.reading(db) as connection:
        found = summarise_fidelity(store.read_fidelity(connection, "s"))
    [four] = [one for one in found if one.way == "alone"]
    assert four.floor is not None and four.floor.way == "batch"
    assert four.verdict == ABOVE
    _, eight, own = read_summary(db, "s").rows
    assert own.kld_floor == pytest.approx(four.floor.mean_kld)
    assert (eight.mean_kld, eight.kld_floor) == (None, own.kld_floor)
    assert "not measured against bf16" in metrics_table([eight, own])[0]["mean KLD"]


def test_a_mean_kld_has_the_interval_of_the_summary(db: Path) -> None:
    prompts = [f"p{number}" for number in (6, 2, 5, 1, 4, 3)]
    ids = add_study(db, prompts=prompts, samples=2)
    add(db, ids, "1M-4bit", "alone", 0.05, {name: 5 + 9 * n for n, name in enumerate(prompts)})
    add(db, ids, "1M-8bit", "alone", 0.01, {"p2": 5, "p1": 3, "p6": 4})
    with store.reading(db) as connection:
        tokens = store.read_fidelity(connection, "s")
    [wanted] = [one for one in summarise_fidelity(tokens) if one.config == "1M-4bit"]
    parent, eight, four = read_summary(db, "s").rows
    assert wanted.mean_kld_interval is not None
    assert four.mean_kld_interval == pytest.approx(wanted.mean_kld_interval, rel=1e-9)
    assert (parent.mean_kld_interval, eight.mean_kld_interval) == (None, None), "three prompts"
    said = formats.divergence_range(*wanted.mean_kld_interval)
    assert f"({said}" in metrics_table([parent, eight, four])[2]["mean KLD"]
    shown = metric_table(read_summary(db, "s"), lambda config: {})
    place = [column["label"] for column in shown["columns"]].index("mean KLD")
    cells = [row["cells"][place] for row in shown["rows"]]
    assert [cell["note"] for cell in cells[1:]] == ["along 6 outputs of bf16 so far", said]


def test_what_was_held_against_a_former_parent_does_not_count(db: Path) -> None:
    ids = add_study(db, configs=("1M-bf16", "1M-fp16", "1M-4bit"))
    with store.writing(db) as connection:
        rows = [("p1", 0, distances(range(5)))]
        store.add_fidelity(
            connection, ids["1M-4bit"], ids["1M-fp16"], "alone", "outputs", rows, "here"
        )
    assert [one.mean_kld for one in read_summary(db, "s").rows] == [None] * 3


def test_flips_are_counted_where_distributions_were_compared(db: Path, fake_worker) -> None:
    configs = ("1M-bf16", "1M-4bit")
    run_study(new_plan(Options(study="s", configs=configs), db), lambda event: None)
    assert [one.flips for one in read_summary(db, "s").rows] == [None, None]
    with store.writing(db) as connection:
        ids = dict(connection.execute("SELECT config, run_id FROM run").fetchall())
        own, parent = ids["1M-4bit"], ids["1M-bf16"]
        first, *_, unjudged = connection.execute(
            "SELECT prompt_id FROM prompt ORDER BY position"
        ).fetchall()
        store.add_fidelity(
            connection, own, parent, "alone", "outputs", [(*first, 0, distances(range(4)))], "here"
        )
        # All fail but for three lost, one gained and one that both pass; one is not judged.
        connection.execute("UPDATE score SET adherent = false")
        connection.execute("UPDATE score SET adherent = NULL WHERE prompt_id = ?", unjudged)
        for run_id, places in ((parent, (0, 1, 2, 3)), (own, (3, 4))):
            connection.execute(
                """UPDATE score SET adherent = true WHERE run_id = ? AND prompt_id IN
                   (SELECT prompt_id FROM prompt WHERE list_contains(?, position))""",
                [run_id, list(places)],
            )
    before, after = read_summary(db, "s").rows
    assert (before.flips, before.flips_judged) == (None, None)
    assert (after.flips, after.flips_judged, after.flips_lost) == (4, 29, 3)
    assert metrics_table([before, after])[1]["flips"].endswith("(3 lost, 1 gained)")


FAR = {"mean_kld": 0.08, "parent": "big"}
ROWS = [
    row("big", memory_bytes=4 * GIB, parent="big"),
    row("near", memory_bytes=2 * GIB, mean_kld=0.01, parent="big"),
    row("far", **FAR),
]


def test_the_rule_states_kld_and_does_not_use_it() -> None:
    spot = find_sweet_spot(ROWS)
    assert spot.config == "far"
    assert "0.0800 nats, which this rule does not ask about" in spot.reason


@pytest.mark.parametrize(
    ("cap", "choice"), [(0.1, "far"), (0.08, "far"), (0.05, "near"), (0.0, "big")]
)
def test_a_kld_cap_drops_what_is_further(cap: float, choice: str) -> None:
    spot = find_sweet_spot(ROWS, rule=Rule(kld_cap=cap))
    assert spot.config == choice
    assert "are within a mean KLD of" in spot.reason
    if choice != "far":
        assert spot.excluded["far"].startswith("its mean KLD from 16 bit is 0.0800 nats, over")


def test_an_unknown_kld_passes_no_cap() -> None:
    rows = [row("a", parent="b"), row("c")]
    spot = find_sweet_spot(rows, rule=Rule(kld_cap=0.1))
    assert spot.config is None
    assert "nothing good is known to be within a mean KLD of 0.100 nats" in spot.reason
    assert "is not known" in spot.excluded["a"]


def test_both_caps_are_named_where_nothing_meets_both() -> None:
    spot = find_sweet_spot(ROWS, rule=Rule(kld_cap=0.05, vram_gib=1.5))
    assert spot.config is None
    assert "near" in spot.reason and "1.5 GiB" in spot.reason
    assert "over the cap of 0.0500 nats" in spot.excluded["far"]
    assert "1.5 GiB" in spot.excluded["near"]


def test_what_cap_would_change_the_choice_is_said() -> None:
    def sentences(rule: Rule, rows: Sequence[ConfigMetrics] = ROWS) -> dict[str, str]:
        study = Observed(rows)
        return sentences_by_control(find_switches(study, rule, choose(study, rule)), rule)

    assert sentences(Rule())["kld"] == (
        "KLD cap (now none): at 0.0799 nats or less, near takes over."
    )
    assert sentences(Rule(kld_cap=0.05))["kld"] == (
        "KLD cap (now 0.0500 nats): at 0.00999 nats or less, big takes over; from 0.0800 nats on, "
        "far takes over."
    )
    # What is said holds, and the next value has the other answer.
    for cap, choice in ((0.0799, "near"), (0.08, "far"), (0.00999, "big"), (0.01, "near")):
        assert find_sweet_spot(ROWS, rule=Rule(kld_cap=cap)).config == choice
    unknown = [replace(one, mean_kld=None) for one in ROWS]
    assert "kld" not in sentences(Rule(), unknown)
    assert sentences(Rule(kld_cap=1.0), unknown)["kld"].startswith("KLD cap (now 1.00 nats)")
