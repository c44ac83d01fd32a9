"""Charts: the finding in the title, a description, one mark a precision, and valid Vega-Lite."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.support import dashboard_database as made
from tests.support.metric_rows import metric_row
from vibecore.analysis import wilson_interval
from vibecore.analysis.speed_interval import speed_interval
from vibecore.catalog.precisions import PRECISIONS
from vibecore.core.machine import GIB
from vibecore.core.paths import DEFAULT_DB, PROJECT_ROOT
from vibecore.studies.queries import Summary, read_evidence, read_scores, read_summary
from vibecore.views.charts.figure import LEGEND_ROW, PICKED, Figure
from vibecore.views.charts.prompts import category_figure, prompt_figure
from vibecore.views.charts.quality import (
    constraint_adherence_figure,
    prompt_adherence_figure,
    repetition_figure,
)
from vibecore.views.charts.speed import loss_figure, speed_figure
from vibecore.views.charts.style import ACCENT, OTHER_MARK, PRECISION_MARKS, SHAPES, mark_of
from vibecore.views.charts.tradeoff import Point, pareto_front, tradeoff_figure


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made.build(tmp_path_factory.mktemp("charts") / "charts.duckdb")


@pytest.fixture(scope="module")
def published(studies: Path) -> Summary:
    return read_summary(studies, "published")


def figures(db: Path, study: str) -> dict[str, Figure]:
    rows, scores = read_summary(db, study).rows, read_scores(db, study)
    return {
        "speed": speed_figure(rows),
        "loss": loss_figure(rows),
        "repetition": repetition_figure(rows),
        "by prompt": prompt_adherence_figure(rows),
        "by constraint": constraint_adherence_figure(rows),
        "tradeoff": tradeoff_figure(rows),
        "category": category_figure(scores, rows),
        "prompts": prompt_figure(scores, rows),
    }


TITLES = {
    "speed": "0.5B-bf16 is the fastest, at 23.6 tok/s, 2.6 times as fast as 1.5B-8bit, the "
    "slowest; without an interval, since no prompt's own time is known",
    "loss": "8bit is 52 % to 56 % slower than bf16; 4bit is 9 % to 42 % slower than bf16; without "
    "an interval, since no prompt's own time is known",
    "repetition": "1.5B-8bit: fewest repetitive outputs, 3 of 30 (95 % 3–26 %); 0.5B-8bit: most, "
    "16 of 30 (95 % 36–70 %)",
    "by prompt": "1.5B-8bit: most prompts met in full, 5 of 30 (95 % 7–34 %); 0.5B-bf16: fewest, 0 "
    "of 30 (95 % 0–11 %)",
    "by constraint": "Adherence by constraint is not known in this study",
    "tradeoff": "0.5B-8bit alone is off the Pareto front of memory, speed and repetition, behind "
    "0.5B-4bit on memory, speed and repetition, repetitive 16/30 (95 % 36–70 %) against 13/30 (95 "
    "% 27–61 %); the sweet spot, 1.5B-4bit, is on the front",
}


@pytest.mark.parametrize("name", TITLES)
def test_a_title_states_the_finding(studies: Path, name: str) -> None:
    assert figures(studies, "published")[name].title == TITLES[name]


@pytest.mark.parametrize("study", ["published", "varied"])
def test_every_chart_is_valid_described_and_opens_something(studies: Path, study: str) -> None:
    for name, figure in figures(studies, study).items():
        if figure.chart is None:
            continue
        spec = figure.chart.to_dict(validate=True)
        assert spec["description"] == figure.description, name
        assert len(spec["description"]) > 40, name
        assert [p["name"] for p in spec["params"]] == [PICKED], name
        tips = json.dumps(spec)
        assert '"n"' in tips or "prompts (n)" in tips or name == "prompts", name


def test_unscored_studies_have_no_quality_chart(studies: Path) -> None:
    found = figures(studies, "speed-only")
    assert found["speed"].chart is not None
    for name in ("repetition", "by prompt", "by constraint", "tradeoff", "category", "prompts"):
        assert found[name].chart is None
        assert found[name].title


def test_every_precision_has_its_own_mark() -> None:
    chosen = {name for name, one in PRECISIONS.items() if not one.is_label}
    assert set(PRECISION_MARKS) == chosen, "a new precision takes a mark"
    marks = list(PRECISION_MARKS.values())
    for part in ("shape", "vega"):
        assert len({getattr(mark, part) for mark in marks}) == len(marks), "colour tells not all"
    every = [mark_of(name) for name in PRECISIONS]
    assert len(set(every)) == len(every) == len(PRECISIONS)
    assert ACCENT not in {mark.colour for mark in every}
    assert mark_of("2bit") == OTHER_MARK


def test_the_formats_that_are_compared_most_differ_in_shape_and_colour() -> None:
    names = ("bf16", "8bit", "4bit", "int8-torchao", "int4-torchao", "Q8_0", "Q4_K_M")
    marks = [mark_of(name) for name in names]
    assert len({mark.shape for mark in marks}) == len({mark.colour for mark in marks}) == 7


def test_an_outline_is_within_its_box() -> None:
    for outline in SHAPES.values():
        for number in re.findall(r"-?\d*\.?\d+", outline) if outline.startswith("M") else ():
            assert abs(float(number)) <= 1.1


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("background", ["#fdfdfb", "#16181b"])
def test_marks_have_contrast_on_both_backgrounds(background: str) -> None:
    """WCAG 1.4.11: 3:1 for the parts of a figure."""
    for colour in [ACCENT, *(mark.colour for mark in PRECISION_MARKS.values())]:
        light, dark = sorted((luminance(colour), luminance(background)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 3, colour


def test_a_speed_title_has_its_interval_where_prompts_were_timed() -> None:
    rows = read_summary(DEFAULT_DB, "demo").rows
    outcomes = read_evidence(DEFAULT_DB, "demo").outcomes
    title = speed_figure(rows, outcomes).title
    fastest, slowest = (
        pick(rows, key=lambda row: row.tokens_per_second or 0) for pick in (max, min)
    )
    low, high = speed_interval(fastest, slowest, outcomes)
    times = fastest.tokens_per_second / slowest.tokens_per_second
    assert low < times < high
    assert f"{times:.1f} times (95 % {low:.1f} to {high:.1f}) as fast" in title
    assert "without an interval" not in title
    loss = loss_figure(rows, outcomes)
    assert re.search(r"4bit runs from \d+ % \(95 % \d+ to \d+\) slower to", loss.title)
    assert "over prompts" in loss.note
    batched = [replace(row, batch_size=8) for row in rows]
    assert "without an interval" in speed_figure(batched, outcomes).title
    assert speed_interval(fastest, slowest, None) is None


def test_a_title_tells_the_slowest_and_the_fastest_of_many_precisions() -> None:
    costs = {"8bit": -0.58, "4bit": -0.47, "int8-torchao": -0.39, "Q8_0": -0.79, "Q4_K_M": -0.78}
    rows = [
        metric_row(f"A-{name}", model="A", precision=name, vs_bf16=change)
        for name, change in costs.items()
    ]
    title = loss_figure(rows).title
    assert title.startswith(
        "Slowest and fastest of 5 precisions: Q8_0 is 79 % slower than bf16; int8-torchao is 39 %"
    )
    assert "4bit" in loss_figure(rows[:3]).title


def test_a_legend_of_several_rows_leaves_the_lines_their_room() -> None:
    def height(names: Sequence[str]) -> int:
        rows = [
            metric_row(f"A{place}-{name}", model=f"A{place}", precision=name)
            for place, name in enumerate(names)
        ]
        found = speed_figure(rows).chart
        assert found is not None
        return found.to_dict()["height"]

    seven = ("bf16", "8bit", "4bit", "int8-torchao", "int4-torchao", "Q8_0", "Q4_K_M")
    assert height(seven) == height(["bf16"] * 7) + 2 * LEGEND_ROW


def test_categories_are_compared_over_all_configs_with_intervals_over_prompts() -> None:
    rows, scores = read_summary(DEFAULT_DB, "demo").rows, read_scores(DEFAULT_DB, "demo")
    title = category_figure(scores, rows).title
    found = re.fullmatch(
        r"Constraints of (.+) prompts are met most, (\d+) % \(95 % (\d+)–(\d+) %\) over all "
        r"configs; of (.+) prompts least, (\d+) % \(95 % (\d+)–(\d+) %\)",
        title,
    )
    assert found, title
    for category, *figures in (found.groups()[:4], found.groups()[4:]):
        of = [score for score in scores if score.category == category]
        rate, low, high = map(int, figures)
        met, judged = sum(s.constraints_met for s in of), sum(s.constraints_judged for s in of)
        assert rate == round(100 * met / judged)
        # Six configs answer the same prompts: as independent constraints they would say less.
        alone = wilson_interval(met, judged)
        assert low < 100 * alone[0] < rate < 100 * alone[1] < high
    one = [score for score in scores if score.category == found[1]]
    assert category_figure(one, rows).title.startswith(f"Constraints of {found[1]} prompts are met")


def test_precisions_keep_their_colour_on_every_chart(studies: Path) -> None:
    for figure in figures(studies, "varied").values():
        spec = json.dumps(figure.chart.to_dict()) if figure.chart else ""
        for precision, mark in PRECISION_MARKS.items():
            if f'"group": "{precision}"' in spec:
                assert mark.colour in spec
                assert mark.vega in spec


def test_rates_carry_wilson_intervals(published: Summary) -> None:
    chart = repetition_figure(published.rows).chart
    assert chart is not None
    value = next(v for v in data_of(chart.to_dict()) if v["line"] == "1.5B-bf16")
    assert value["label"] == "4/30 · 13 %"
    assert value["tip_2"] == "5–30 %"
    assert (round(value["low"], 3), round(value["high"], 3)) == (0.053, 0.297)


def data_of(spec: dict[str, Any]) -> list[dict[str, Any]]:
    """The values of a chart's first layer."""
    data = spec["layer"][0].get("data", spec.get("data"))
    values: list[dict[str, Any]] = data["values"]
    return values


def test_pareto_front(published: Summary) -> None:
    row = published.rows[0]
    points = [
        Point(replace(row, config=config), memory, speed, repetition)
        for config, memory, speed, repetition in (
            ("a", 1, 10.0, 0.5),
            ("b", 2, 9.0, 0.5),
            ("c", 2, 9.0, 0.1),
            ("d", 1, 10.0, 0.5),
        )
    ]
    # b is beaten by a; c is the least repetitive; a and d are alike and beat each other in nothing.
    assert pareto_front(points) == ["a", "c", "d"]


def test_hostile_names_stay_data(studies: Path) -> None:
    """A chart's texts are drawn, never parsed; no expression or link is made of them."""
    evil = "x'] + datum.constructor['<img src=x>"
    rows = [
        replace(row, config=evil) if row.config == "0.5B-bf16" else row
        for row in read_summary(studies, "published").rows
    ]
    chart = speed_figure(rows).chart
    assert chart is not None
    spec = chart.to_dict()
    assert "href" not in json.dumps(spec)
    assert evil not in json.dumps(spec.get("params"))


def test_labels_of_points_that_are_close_do_not_cover_each_other(published: Summary) -> None:
    rows = [
        replace(row, memory_bytes=10**9 + number, tokens_per_second=100.0 + number)
        for number, row in enumerate(published.rows)
    ]
    chart = tradeoff_figure(rows).chart
    assert chart is not None
    values = next(v for v in json_values(chart.to_dict()) if "label_y" in v[0])
    heights = sorted(value["label_y"] for value in values)
    assert all(high - low >= 5 for low, high in pairwise(heights))


def json_values(spec: dict[str, Any]) -> list[list[dict[str, Any]]]:
    """The values of every layer that has its own."""
    return [layer["data"]["values"] for layer in spec["layer"] if "data" in layer]


def test_altair_is_used_only_once_pandas_is_whole() -> None:
    """A chart looks into a pandas that another visitor's thread is just importing, and fails."""
    importing = re.compile(r"^\s*(import altair|from altair)", re.MULTILINE)
    files = [*(PROJECT_ROOT / "vibecore").rglob("*.py"), *(PROJECT_ROOT / "pages").rglob("*.py")]
    found = [file.name for file in files if importing.search(file.read_text("utf-8"))]
    assert found == ["vega.py"]
    program = "import sys, vibecore.views.charts.vega; assert 'pandas' in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True, cwd=PROJECT_ROOT)


def test_of_many_configs_the_front_alone_has_labels_and_a_title_that_counts() -> None:
    rows = [
        metric_row(
            f"m{n:02}-bf16",
            memory_bytes=GIB + n,
            tokens_per_second=100.0 + (n % 10) * (1 if n < 30 else -1),
            repetitive=n,
            repetition_judged=100,
            repetition_rate=n / 100,
            sweet_spot=n == 5,
        )
        for n in range(40)
    ]
    figure = tradeoff_figure(rows)
    assert figure.title.startswith("10 of 40 configs are on the Pareto front")
    assert figure.title.endswith("the sweet spot, m05-bf16, is on the front")
    words = [
        value["config"]
        for layer in figure.chart.to_dict()["layer"]
        if layer["mark"]["type"] == "text"
        for value in layer["data"]["values"]
    ]
    assert sorted(words) == [f"m{n:02}-bf16" for n in range(10)]
