"""The Speed page and its charts: findings in the titles, and words where there is nothing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.support.bench_report import GPU, make_report
from tests.support.pages import component, has_component, html, visit
from vibecore.studies.bench.import_report import import_reports
from vibecore.views.charts.engine_speed import (
    batch_sizes,
    engine_figure,
    host_figure,
    mbu_figure,
)
from vibecore.views.charts.figure import Figure
from vibecore.views.charts.step_time import kernel_figure, layer_figure
from vibecore.views.charts.whole_answers import answer_figure
from vibecore.views.short_names import Names
from vibecore.views.tables.speed import bottlenecks_met, profiles, speed_table

RESULTS = make_report()["results"]
ON_CPU = [
    {
        **result,
        "on_gpu": False,
        "speeds": [{**s, "host_seconds": None, "gpu_seconds": None} for s in result["speeds"]],
    }
    for result in RESULTS
]
# A GPU's engine `graph` leaves batches of LLM.int8() with outliers to `eager`.
LEFT_TO_EAGER = [
    {
        **result,
        "environment": {
            **result["environment"],
            "precision": result["precision"],
            "kernels": "triton",
        },
    }
    for result in RESULTS
]


@pytest.fixture(scope="module")
def studies(studies: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("speed")
    db = Path(shutil.copy(studies, folder / "speed.duckdb"))
    report = folder / "bench.json"
    report.write_text(json.dumps(make_report(broken="1.5B-8bit")))
    import_reports(db, [report], "gpu")
    return db


def figures() -> dict[str, Figure]:
    profile = RESULTS[0]["profile"]
    return {
        "answers": answer_figure(RESULTS, 1),
        "mbu": mbu_figure(RESULTS, 1),
        "engines": engine_figure(RESULTS, 30),
        "host": host_figure(RESULTS, 1),
        "layers": layer_figure(profile, "0.5B-bf16 eager"),
        "kernels": kernel_figure(profile, "0.5B-bf16 eager"),
    }


TITLES = {
    "answers": "At batch 1, 0.5B-4bit graph answers fastest: 200 tokens in 476 ms, 6 % of that "
    "before the first",
    "mbu": "At batch 1, 0.5B-bf16 graph reaches 73 % MBU, the most; 0.5B-4bit eager 6 %, the least",
    "engines": "At batch 30, engine graph decodes 1.2 to 7.2 times as fast as eager",
    "host": "At batch 1, 6 of 12 wait for the host",
    "layers": "0.5B-bf16 eager: 24 layers take 92 % of a step's device time, head and the rest 8 %",
    "kernels": "0.5B-bf16 eager: gemv × 49 takes 68 % of a step's device time",
}


@pytest.mark.parametrize("name", TITLES)
def test_a_title_states_the_finding_and_the_drawing_is_described(name: str) -> None:
    figure = figures()[name]
    assert figure.title == TITLES[name]
    assert figure.chart is not None
    assert figure.chart.to_dict(validate=True)["description"] == figure.description
    assert len(figure.description) > 60 and figure.note


def test_shares_of_a_profile_are_of_the_whole_step() -> None:
    profile = RESULTS[0]["profile"]
    for figure in (layer_figure(profile, "x"), kernel_figure(profile, "x")):
        assert figure.chart is not None
        values = figure.chart.to_dict()["data"]["values"]
        assert sum(value["share"] for value in values) == pytest.approx(1)


def test_a_study_on_a_cpu_says_why_host_and_device_are_one() -> None:
    figure = host_figure(ON_CPU, 1)
    assert figure.chart is None
    assert "CPU" in figure.title
    on_gpu = [{**result, "on_gpu": True} for result in ON_CPU]
    assert "CPU" not in host_figure(on_gpu, 1).title
    alone = [result for result in RESULTS if result["engine"] == "eager"]
    assert "nothing to compare" in engine_figure(alone, 1).title


def test_what_another_engine_decoded_is_named_so_and_left_out_of_the_comparison() -> None:
    engines = [row["cells"][1]["text"] for row in speed_table(LEFT_TO_EAGER, Names())["rows"]]
    assert engines.count("graph (by eager)") == 2, "8bit of both models, at batch 30 alone"
    figure = engine_figure(LEFT_TO_EAGER, 30)
    assert figure.note.endswith("Left out: 0.5B-8bit graph (by eager), 1.5B-8bit graph (by eager).")
    assert "8bit graph" not in figure.description and "8bit eager" in figure.description
    assert "Left out" not in engine_figure(LEFT_TO_EAGER, 1).note
    assert "0.5B-8bit graph (by eager)" in mbu_figure(LEFT_TO_EAGER, 30).description
    alone = [result for result in LEFT_TO_EAGER if result["precision"] == "8bit"]
    assert engine_figure(alone, 30).title.startswith("One engine alone decoded")


def test_an_answer_is_its_first_token_and_the_rest() -> None:
    figure = answer_figure(RESULTS, 30)
    assert figure.chart is not None and "all sequences together" in figure.note
    assert figure.note.endswith("Answers of eager are in the table below.")
    values = figure.chart.to_dict()["data"]["values"]
    first, rest = values[:2]
    assert (first["name"], first["part"]) == ("0.5B-bf16", "first token (TTFT)")
    assert first["milliseconds"] == pytest.approx(30)
    [result] = [one for one in RESULTS if (one["config"], one["engine"]) == ("0.5B-bf16", "graph")]
    whole = result["speeds"][1]["by_repetition"][2]["total_seconds"]
    assert first["milliseconds"] + rest["milliseconds"] == pytest.approx(1000 * whole)
    assert first["label"].endswith(f", {30 * 200 / whole:,.0f} tok/s, TTFT 30.0 ms")
    alone = answer_figure([one for one in RESULTS if one["engine"] == "eager"], 1)
    assert "eager answers fastest" in alone.title and "table below" not in alone.note
    assert "0.5B-8bit (by eager)" in answer_figure(LEFT_TO_EAGER, 30).description
    assert answer_figure(RESULTS, 7).title == "No answer was measured"


def test_one_repetition_has_no_spread() -> None:
    assert "median of the repetitions" in engine_figure(RESULTS, 1).note
    once = [
        {**result, "speeds": [{**s, "repetitions": 1} for s in result["speeds"]]}
        for result in RESULTS
    ]
    assert engine_figure(once, 1).note == "Decoding alone, one repetition."
    assert "least–most" in speed_labels(RESULTS)
    assert "least–most" not in speed_labels(once)


def speed_labels(results: list[dict]) -> list[str]:
    return [column["label"] for column in speed_table(results, Names())["columns"]]


def test_configs_whose_host_and_device_were_not_measured_apart_are_named() -> None:
    assert "measured apart" not in host_figure(RESULTS, 1).note
    note = host_figure([ON_CPU[0], *RESULTS[1:]], 1).note
    assert note.endswith("Host and device were not measured apart: 0.5B-bf16 eager.")


def test_mbu_is_not_meaningful_where_a_cache_can_hold_the_weights() -> None:
    cached = [
        {**result, "speeds": [{**s, "reading": "cache-resident"} for s in result["speeds"]]}
        for result in RESULTS
    ]
    assert mbu_figure(cached, 1).title.endswith("so MBU is not meaningful")
    mixed = [cached[0], *RESULTS[1:]]
    assert "reaches 73 % MBU" in mbu_figure(mixed, 1).title
    # Nor does the title speak of one that a cache can hold beside others.
    title = mbu_figure([RESULTS[0], *cached[1:]], 1).title
    assert title == "At batch 1, 0.5B-bf16 eager reaches 12 % MBU"


def test_ratios_that_are_written_alike_are_no_range() -> None:
    twice = [{**one, "config": name} for one in RESULTS[:2] for name in ("first", "second")]
    title = engine_figure(twice, 30).title
    assert title == "At batch 30, engine graph decodes 4.8 times as fast as eager"


def test_batches_profiles_and_bottlenecks_are_those_there_are() -> None:
    assert batch_sizes(RESULTS) == [1, 30]
    assert len(profiles(RESULTS)) == 12
    said = " ".join(bottlenecks_met(RESULTS))
    assert "overhead-bound" in said and "below the ceiling" not in said


def test_the_page_shows_a_bench_with_a_failed_config(studies: Path, use) -> None:
    use(studies)
    app = visit("speed", study="gpu")
    assert not app.error
    assert TITLES["mbu"] in html(app)
    assert f">{GPU}, measured on 2026-11-23</p>" in html(app)
    labels = [column["label"] for column in component(app, "speeds")["columns"]]
    assert labels[3:9] == [
        *("TTFT ms", "TPOT p50 ms", "TPOT p99 ms", "decode tok/s", "least–most", "answer tok/s"),
    ]
    rows = component(app, "speeds")["rows"]
    assert any("failed: out of memory" in cell["text"] for row in rows for cell in row["cells"])
    assert app.selectbox(key="step").value == "0.5B-bf16 eager"
    app.selectbox(key="step").select("1.5B-4bit graph").run()
    assert not app.exception
    assert "1.5B-4bit graph: 28 layers" in html(app)


def test_repetitions_of_a_batch_are_not_its_sequences(tmp_path: Path, use) -> None:
    report = make_report()
    for result in report["results"]:
        result["speeds"] = [s for s in result["speeds"] if s["batch_size"] == 30]
    report["settings"]["batch_sizes"] = [30]
    file = tmp_path / "bench.json"
    file.write_text(json.dumps(report))
    db = tmp_path / "batched.duckdb"
    import_reports(db, [file], "batched")
    use(db)
    assert "<dt>repetitions</dt><dd>5</dd>" in html(visit("speed", study="batched"))


@pytest.mark.parametrize("study", ["published", "varied"])
def test_a_study_without_a_bench_says_how_to_make_one(studies: Path, use, study: str) -> None:
    use(studies)
    app = visit("speed", study=study)
    assert not app.error
    assert "has no bench" in html(app)
    assert "python -m vibecore import" in app.code[0].value


def test_a_study_without_a_bench_links_to_those_that_have_one(
    studies: Path, use, published_db: Path
) -> None:
    use(studies)
    rows = component(visit("speed", study="published"), "benches")["rows"]
    assert [(row["id"], row["link"]["href"]) for row in rows] == [("gpu", "speed?study=gpu")]
    assert rows[0]["cells"][1]["text"].startswith("Bench of")
    use(published_db)
    alone = visit("speed", study="published")
    assert not has_component(alone, "benches")
    assert "has no bench" in html(alone)


@pytest.mark.parametrize("page", ["metrics", "charts", "outputs", "about"])
def test_every_other_page_shows_a_bench_study(studies: Path, use, page: str) -> None:
    use(studies)
    assert not visit(page, study="gpu").error
