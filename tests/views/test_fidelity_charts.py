"""Charts of fidelity: zero has a place on a log axis, the floor is a band, labels have room."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from tests.support.fidelity_summaries import FLOOR, summary
from tests.support.metric_rows import metric_row
from vibecore.analysis.fidelity.floor import NoiseFloor
from vibecore.analysis.fidelity.summary import (
    NOT_ABOVE,
    TOO_FEW,
    CategoryKld,
    FidelitySummary,
)
from vibecore.analysis.metrics import ConfigMetrics
from vibecore.views.charts.dot_interval import Dot
from vibecore.views.charts.fidelity import category_figure, distribution_figure, kld_figure
from vibecore.views.charts.figure import Figure
from vibecore.views.charts.log_axis import log_scale, with_labels

MEANS = {"1M-8bit": 0.001, "1M-4bit": 0.04, "5M-8bit": 0.0005, "5M-4bit": 0.02}
CONFIGS = ("1M-bf16", *list(MEANS)[:2], "5M-bf16", *list(MEANS)[2:])


def rows(configs: tuple[str, ...] = CONFIGS) -> list[ConfigMetrics]:
    return [
        metric_row(config, model=config.partition("-")[0], precision=config.partition("-")[2])
        for config in configs
    ]


def made(means: dict[str, float] | None = None, **changes: Any) -> list[FidelitySummary]:
    return [summary(config, mean, **changes) for config, mean in (means or MEANS).items()]


def layers(figure: Figure) -> list[dict[str, Any]]:
    """The layers of a figure."""
    assert figure.chart is not None
    return figure.chart.to_dict(validate=True)["layer"]


def values(figure: Figure) -> list[dict[str, Any]]:
    """Every datum of a figure."""
    assert figure.chart is not None
    drawn = figure.chart.to_dict(validate=True)
    found = []

    def collect(part: dict[str, Any]) -> None:
        found.extend(part.get("data", {}).get("values", []))
        for layer in part.get("layer", []):
            collect(layer)

    collect(drawn)
    return found


FIGURES = {"kld": kld_figure, "distribution": distribution_figure, "category": category_figure}
TITLES = {
    "kld": "1M-4bit: furthest from its 16-bit parent, mean KLD 0.0400 (95 % 0.0280–0.0560); "
    "5M-8bit: nearest, 0.000500 (95 % 0.000350–0.000700)",
    "distribution": "Half of 1M-4bit's tokens are within a KLD of 0.00400, one in a hundred is "
    "beyond 0.360",
    "category": "1M-4bit: furthest on code prompts, 0.0800; nearest on creative, 0.0400",
}


@pytest.mark.parametrize("name", FIGURES)
def test_a_title_states_the_finding_and_the_drawing_is_described(name: str) -> None:
    figure = FIGURES[name](made(), rows())
    assert figure.title == TITLES[name]
    assert figure.chart is not None
    assert figure.chart.to_dict(validate=True)["description"] == figure.description
    assert "1M-4bit" in figure.description and figure.note


@pytest.mark.parametrize("name", FIGURES)
def test_nothing_measured_is_a_sentence(name: str) -> None:
    assert FIGURES[name]([], rows()).chart is None
    # A config that is not among the study's rows (one that was deleted) is not drawn.
    assert FIGURES[name](made(), rows(("1M-bf16",))).chart is None


@pytest.mark.parametrize("name", FIGURES)
def test_a_kld_of_zero_has_a_place_and_is_called_zero(name: str) -> None:
    figure = FIGURES[name](made({**MEANS, "1M-8bit": 0.0}), rows())
    text = json.dumps(figure.chart.to_dict())  # type: ignore[union-attr]
    assert "? '0' :" in text
    assert "Infinity" not in text and "NaN" not in text
    # No logarithm of nothing: whatever is drawn is above zero.
    for value in values(figure):
        for field in ("value", "low", "high", "kld_median", "kld_max"):
            assert value.get(field) is None or value[field] > 0, (field, value)
    assert "0" in figure.description


def test_all_zero_says_so_and_is_drawn() -> None:
    figure = kld_figure(made(dict.fromkeys(MEANS, 0.0), floor=None), rows())
    assert figure.title == "No config differs from its 16-bit parent at any token"
    assert {value["label"] for value in values(figure) if "label" in value} == {"0"}


def test_one_config_alone_is_neither_furthest_nor_flat() -> None:
    for figure in (FIGURES[name](made({"1M-4bit": 0.04}), rows()) for name in FIGURES):
        assert figure.chart is not None
        assert figure.chart.to_dict()["height"] >= 170, "beside legend and axis the line has room"
    title = kld_figure(made({"1M-4bit": 0.04}), rows()).title
    assert title == "1M-4bit is at a mean KLD of 0.0400 (95 % 0.0280–0.0560) from its 16-bit parent"


def test_the_noise_floor_is_a_band_up_to_its_upper_bound() -> None:
    figure = kld_figure(made(), rows())
    bands = [value for value in values(figure) if "tip" in value]
    assert {band["line"] for band in bands} == set(MEANS)
    assert all(band["high"] == FLOOR.upper and 0 < band["low"] < band["high"] for band in bands)
    assert bands[0]["tip"] == "the parent by engine graph: 1.00e-6 (95 % 5.00e-7–2.00e-6)"
    assert "grey band" in figure.note
    none = kld_figure(made(floor=None), rows())
    assert not [value for value in values(none) if "tip" in value]
    assert none.note.endswith("No noise floor was measured.")
    zero = kld_figure(made(floor=NoiseFloor("batch", 0.0, None, 30)), rows())
    assert not [value for value in values(zero) if "tip" in value]
    assert "a floor of 0" in zero.note


def test_a_config_at_the_floor_is_labelled_so() -> None:
    figure = kld_figure(made(verdict=NOT_ABOVE), rows())
    labels = {value["label"] for value in values(figure) if "label" in value}
    assert "0.0400, not above floor" in labels
    figure = kld_figure(made(verdict=TOO_FEW), rows())
    labels = {value["label"] for value in values(figure) if "label" in value}
    assert "0.0400, too few prompts" in labels


def test_without_intervals_the_note_does_not_speak_of_bars() -> None:
    assert "Bars are 95 % intervals" in kld_figure(made(), rows()).note
    few = made(mean_kld_interval=None, prompts=2)
    assert "Bars" not in kld_figure(few, rows()).note
    assert "No intervals: one takes 4 prompts." in kld_figure(few, rows()).note
    parts = (CategoryKld("code", 1, 10, 0.02, None), CategoryKld("prose", 2, 10, 0.01, None))
    assert category_figure(made(by_category=parts), rows()).note == (
        "No intervals: one takes 4 prompts of a category."
    )
    mixed = (CategoryKld("code", 5, 10, 0.02, (0.01, 0.03)), parts[1])
    assert category_figure(made(by_category=mixed), rows()).note == (
        "Bars are 95 % intervals over the prompts of a category; one takes 4 prompts."
    )


@pytest.mark.parametrize("draw", [kld_figure, category_figure])
def test_a_mark_without_an_interval_has_its_label_all_the_same(draw: Any) -> None:
    parts = (CategoryKld("code", 1, 10, 0.02, None), CategoryKld("prose", 2, 10, 0.01, None))
    figure = draw(made(mean_kld_interval=None, by_category=parts), rows())
    words = [layer for layer in layers(figure) if layer["mark"]["type"] == "text"]
    assert words
    for layer in words:
        for datum in layer["data"]["values"]:
            assert datum["label"] and datum[layer["encoding"]["x"]["field"]] is not None


def test_forty_configs_are_forty_lines() -> None:
    means = {f"{number}M-4bit": 0.001 * number for number in range(1, 41)}
    for figure in (f(made(means), rows(tuple(means))) for f in FIGURES.values()):
        assert figure.chart is not None
        assert figure.chart.to_dict()["height"] >= 40 * 15
    lines = {v["name"] for v in values(distribution_figure(made(means), rows(tuple(means))))}
    assert len(lines) == 40


@pytest.mark.parametrize(
    ("estimates", "low", "zero"),
    [([0.02, 0.5], 0.01, False), ([0.0, 0.02], 0.001, True), ([-1e-9, 0.02], 0.001, True)],
)
def test_a_log_axis_begins_at_a_power_of_ten_and_a_decade_before_it_is_zero(
    estimates: list[float], low: float, zero: bool
) -> None:
    scale = log_scale(estimates)
    assert scale.low == pytest.approx(low) and scale.zero is zero
    assert scale.place(0.0) == scale.low
    assert scale.share(scale.high) == 1 and scale.share(0) == 0


def test_ticks_are_few_however_many_decades() -> None:
    scale = log_scale([1e-14, 10.0])
    ticks = scale.ticks()
    assert 3 <= len(ticks) <= 7
    assert all(math.log10(tick) == pytest.approx(round(math.log10(tick))) for tick in ticks)


def test_an_interval_that_knows_nothing_does_not_stretch_the_axis() -> None:
    scale = log_scale([0.01], [1e-300, 1e300])
    assert scale.low >= 1e-3 and scale.high < 1
    [dot], scale = with_labels([Dot("a", 0.01, 1e-300, 1e300, "0.0100")], scale)
    assert dot.low == pytest.approx(0.01) or dot.low == scale.low
    assert dot.high is not None and dot.high <= scale.high


def test_a_label_stands_where_it_has_room() -> None:
    dots = [Dot("a", 1e-6, None, None, "1.00e-6"), Dot("b", 1.0, None, None, "1.00")]
    placed, _ = with_labels(dots, log_scale([1e-6, 1.0]))
    assert [dot.label_at for dot in placed] == ["high", "low"]
    wide = [Dot("a name of a config", 1e-2, 1e-2, 1.0, "x" * 40)]
    placed, further = with_labels(wide, log_scale([1e-2], [1.0]))
    assert further.high > log_scale([1e-2], [1.0]).high
