"""Which configs of a study with many a page shows."""

from __future__ import annotations

import pytest

from tests.support.metric_rows import metric_row
from vibecore.analysis import SweetSpot
from vibecore.analysis.metrics import METRICS, ConfigMetrics
from vibecore.analysis.sweet_spot import Comparison
from vibecore.views.shown_configs import (
    MOST,
    NEAREST,
    Wanted,
    find_named,
    offers,
    orders,
    parts,
    show_all,
    show_part,
)

NONE_CHOSEN = SweetSpot(None, "")
ROWS = [
    metric_row(f"M{n:03}-bf16", tokens_per_second=float(n % 7), adherent_prompts=n % 30)
    for n in range(MOST + 20)
]


def names(rows: list[ConfigMetrics]) -> list[str]:
    return [row.config for row in rows]


def test_few_configs_are_shown_whole_in_their_order() -> None:
    few = ROWS[:MOST]
    assert not offers(few)
    assert offers(ROWS)
    shown = show_all(few)
    assert shown.whole
    assert shown.rows == few


def test_parts_are_all_configs_once() -> None:
    first = show_part(ROWS, Wanted(order="study"), NONE_CHOSEN)
    second = show_part(ROWS, Wanted(order="study", part=2), NONE_CHOSEN)
    assert first.rows + second.rows == ROWS
    assert not first.whole
    assert first.sentence() == "Shown are 1 to 50 of 70 configs, as in the study."
    assert second.sentence() == "Shown are 51 to 70 of 70 configs, as in the study."
    # Beyond the last there is the last.
    assert show_part(ROWS, Wanted(order="study", part=9), NONE_CHOSEN).rows == second.rows


def test_all_words_of_a_name_in_any_case_and_order() -> None:
    assert names(find_named(ROWS, "BF16 m01")) == [f"M{n:03}-bf16" for n in range(10, 20)]
    shown = show_part(ROWS, Wanted("m01", "study"), NONE_CHOSEN)
    assert shown.sentence() == (
        "Shown are 1 to 10 of 10 whose names match, of 70 configs, as in the study."
    )
    assert parts(0) == 1
    empty = show_part(ROWS, Wanted("nobody"), NONE_CHOSEN)
    assert (empty.rows, empty.sentence()) == ([], "No name of the 70 configs matches.")


@pytest.mark.parametrize(("name", "best"), [("tokens_per_second", 100.0), ("memory_bytes", 1)])
def test_the_best_on_a_metric_comes_first_and_the_unknown_last(name: str, best: float) -> None:
    rows = [metric_row("unknown", **{name: None}), *ROWS, metric_row("small", memory_bytes=1)]
    assert name in orders(METRICS)
    order = show_part(rows, Wanted(order=name), NONE_CHOSEN)
    assert getattr(order.rows[0], name) == best
    last = show_part(rows, Wanted(order=name, part=2), NONE_CHOSEN)
    assert last.rows[-1].config == "unknown"


def test_a_count_is_ordered_by_its_rate() -> None:
    rows = [*ROWS, metric_row("few", adherent_prompts=5, adherence_judged=5)]
    shown = show_part(rows, Wanted(order="adherent_prompts"), NONE_CHOSEN)
    assert shown.rows[0].config == "few"
    assert shown.order == "best adherent first"


def test_nearest_is_the_choice_then_the_fast_then_the_least_worse() -> None:
    spot = SweetSpot(
        "M005-bf16",
        "",
        comparisons=tuple(
            Comparison(config, "adherence", "M009-bf16", 1, 30, 9, 30, "", p)
            for config, p in (("M003-bf16", 0.001), ("M004-bf16", 0.04), ("M007-bf16", 0.9))
        ),
        speed_shares={"M005-bf16": 0.9, "M007-bf16": 0.5, "M009-bf16": 1.0},
    )
    shown = names(show_part(ROWS, Wanted(order=NEAREST), spot).rows)
    assert shown[:5] == [f"M00{n}-bf16" for n in (5, 9, 7, 4, 3)]
    assert shown[5:7] == ["M000-bf16", "M001-bf16"]
