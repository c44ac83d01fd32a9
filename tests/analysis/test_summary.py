"""The metrics table: the published figures exactly, and measured ones from stored outputs."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.scoring.test_ifeval import GOOD
from vibecore import DEFAULT_DB, read_bench, read_summary, store
from vibecore.analysis.metrics import METRICS, RULE_METRICS, ConfigMetrics
from vibecore.analysis.stats.clustered import clustered_interval, clusters_of
from vibecore.catalog.memory import cache_bytes_per_token
from vibecore.catalog.models import MODELS, find_configs
from vibecore.studies.plan import Options, new_plan
from vibecore.studies.queries import Summary, read_scores
from vibecore.studies.run import run_study
from vibecore.views.progress import follow
from vibecore.views.tables.metrics import metric_table
from vibecore.views.terminal import metrics_table

# config: tok/s, vs bf16, repetitive, empty, adherent, of 30
PUBLISHED = {
    "0.5B-bf16": (23.6, None, 13, 1, 0),
    "0.5B-8bit": (10.5, -0.555, 16, 1, 1),
    "0.5B-4bit": (13.7, -0.419, 13, 1, 2),
    "1.5B-bf16": (18.8, None, 4, 0, 4),
    "1.5B-8bit": (9.0, -0.521, 3, 0, 5),
    "1.5B-4bit": (17.1, -0.090, 8, 2, 4),
}


def test_what_the_token_limit_decided_is_counted_apart(db: Path, fake_worker) -> None:
    """Every output of the fake worker ends at the limit."""
    text = "A lighthouse keeper waits, and the storm comes"
    fake_worker.answer = lambda config, prompt: "" if config == "1M-8bit" else text
    summary = run(db, configs=("1M-bf16", "1M-8bit"))
    row, empty = summary.rows
    scores = [score for score in read_scores(db, "s") if score.config == "1M-bf16"]
    assert row.adherence_cut == sum(bool(score.adherent_cut) for score in scores) > 0
    assert row.constraints_cut == sum(score.constraints_cut or 0 for score in scores)
    assert row.adherence_cut < row.adherence_judged
    # Of an answer that had not begun everything is open.
    assert empty.adherence_cut == empty.adherence_judged == 30
    assert empty.constraints_cut == empty.constraints_judged
    note = f"{row.adherence_cut} decided by the token limit"
    assert note in metrics_table(summary.rows)[0]["adherent prompts"]
    table = metric_table(summary, lambda config: {})
    [at] = [i for i, column in enumerate(table["columns"]) if column["label"] == "adherent"]
    assert table["rows"][0]["cells"][at]["also"] == note
    # What older scorers did not know is not known, and nothing is said of it.
    with store.writing(db) as connection:
        connection.execute("UPDATE score SET adherent_cut = NULL, constraints_cut = NULL")
        connection.execute("DELETE FROM digest")
    older = read_summary(db, "s").rows[0]
    assert (older.adherence_cut, older.constraints_cut) == (None, None)
    assert "limit" not in str(metrics_table([older]))


def test_the_published_table(published_db: Path) -> None:
    rows = {row.config: row for row in read_summary(published_db, "published").rows}
    assert list(rows) == list(PUBLISHED)
    for config, (speed, versus, repetitive, empty, adherent) in PUBLISHED.items():
        row = rows[config]
        assert row.tokens_per_second == speed
        assert row.vs_bf16 == (versus if versus is None else pytest.approx(versus, abs=5e-4))
        assert (row.repetitive, row.repetition_rate) == (repetitive, repetitive / 30)
        assert (row.empty, row.prompts) == (empty, 30)
        assert (row.adherent_prompts, row.prompt_adherence) == (adherent, adherent / 30)
        assert row.memory_source == "estimated"
        assert row.memory_bytes == find_configs([config])[0].estimated_weight_bytes


def test_what_the_report_does_not_give_is_null(published_db: Path) -> None:
    for row in read_summary(published_db, "published").rows:
        assert row.garbage is None
        assert row.constraint_adherence is None
        assert row.mean_new_tokens is None


def run(db: Path, **options: Any) -> Summary:
    run_study(new_plan(Options(study="s", **options), db), lambda event: None)
    return read_summary(db, "s")


def labels(summary: Summary) -> list[str]:
    return [column["label"] for column in metric_table(summary, lambda config: {})["columns"]]


def test_measured_rows_add_up(db: Path, fake_worker) -> None:
    fake_worker.answer = lambda config, prompt: "" if config == "1M-8bit" else "the " * 60
    looping, empty = run(db, configs=("1M-bf16", "1M-8bit"), batch_size=4).rows
    # 30 prompts in 8 batches of 0.5 s, 10 tokens each.
    assert looping.tokens_per_second == pytest.approx(30 * 10 / (8 * 0.5))
    assert (looping.prompts, looping.mean_new_tokens) == (30, 10)
    assert (looping.repetitive, looping.empty, looping.adherent_prompts) == (30, 0, 0)
    assert (empty.repetitive, empty.empty, empty.constraint_adherence) == (0, 30, 0)
    assert empty.vs_bf16 == 0
    assert looping.memory_source == "measured"
    assert looping.memory_basis == "weights as loaded"


def test_dummy_weights_are_not_scored(db: Path, fake_worker) -> None:
    fake_worker.dummy = True
    summary = run(db, configs=("0.5B-bf16",), weights="dummy")
    [row] = summary.rows
    assert row.tokens_per_second == pytest.approx(20)
    quality = ("repetitive", "degenerate", "empty", "garbage", "adherent_prompts")
    assert all(getattr(row, name) is None for name in (*quality, "constraint_adherence"))
    assert summary.sweet_spot.config is None


def test_the_two_flags_are_counted_apart(db: Path, fake_worker) -> None:
    # A third of the lines come again, over Gopher's cut; of the word pairs too, under half.
    lines = [f"line {number} is {chr(97 + number)}" for number in range(10)]
    fake_worker.answer = lambda config, prompt: "\n".join([*lines, *lines[:6]])
    [row] = run(db, configs=("1M-bf16",)).rows
    assert (row.degenerate, row.degenerate_judged) == (30, 30)
    assert row.repetitive == 0


@pytest.mark.parametrize("samples", [1, 3])
def test_an_interval_of_constraints_takes_each_prompt_as_one(
    db: Path, fake_worker, samples: int
) -> None:
    fake_worker.answer = lambda config, prompt: prompt[: 20 + len(prompt) % 90]
    plan = new_plan(Options(study="s", configs=("1M-bf16",)), db)
    run_study(replace(plan, protocol=replace(plan.protocol, samples=samples)), lambda event: None)
    summary = read_summary(db, "s")
    [row] = summary.rows
    by_prompt: dict[str, list[int]] = {}
    for score in read_scores(db, "s"):
        sums = by_prompt.setdefault(score.prompt_id, [0, 0])
        sums[0] += score.constraints_met
        sums[1] += score.constraints_judged
    assert sum(judged for _, judged in by_prompt.values()) == row.constraints_judged
    expected = clustered_interval(clusters_of((met, of) for met, of in by_prompt.values()))
    assert row.constraints_interval == pytest.approx(expected)
    assert 0 < row.constraints_met < row.constraints_judged
    metric = next(metric for metric in METRICS if metric.name == "constraints_met")
    assert metric.interval_of(row) == row.constraints_interval
    shown = metric_table(summary, lambda config: {})
    place = labels(summary).index("constraints")
    low, rate, high = shown["rows"][0]["cells"][place]["interval"]
    assert (low, high) == row.constraints_interval and low < rate < high


def test_an_ifeval_study_has_both_readings(db: Path, fake_worker, tmp_path: Path) -> None:
    suite = tmp_path / "small.jsonl"
    fake_worker.answer = lambda config, prompt: "Oh, well:\nthe storm"
    suite.write_text(json.dumps(GOOD))
    summary = run(db, configs=("1M-bf16",), suite=str(suite))
    [row] = summary.rows
    assert (row.adherent_prompts, row.adherent_prompts_loose) == (0, 1)
    assert (row.constraints_met, row.constraints_met_loose) == (1, 2)
    assert row.constraints_interval is row.constraints_interval_loose is None, "one prompt"
    [shown] = metrics_table(summary.rows)
    assert (shown["adherent, loose"], shown["met, loose"]) == ("1/1 · 100 %", "2/2 · 100 %")
    assert "adherent, loose" in labels(summary)
    cells = metric_table(summary, lambda config: {})
    assert len(cells["columns"]) == len(cells["rows"][0]["cells"])


# A config on a GPU as its load reports it, asked for engine graph.
CAPTURED = {"device": "cuda", "engine": "graph", "precision": "8bit", "kernels": "triton"}


def test_a_config_that_another_engine_decoded_says_so(
    db: Path, fake_worker, capfd: pytest.CaptureFixture[str]
) -> None:
    fake_worker.environment = CAPTURED
    follow(new_plan(Options(configs=("1M-8bit",), study="s", batch_size=10), db), resume=False)
    assert "1M-8bit: engine eager decodes this instead of graph" in capfd.readouterr().err
    summary = read_summary(db, "s")
    [row] = summary.rows
    assert (row.engine, row.decoded_by) == ("graph", "eager")
    assert metrics_table([row])[0]["tok/s"].endswith("(batch 10, by engine eager)")
    speed = metric_table(summary, lambda config: {})["rows"][0]["cells"][1]
    assert speed["note"] == "batch 10, by engine eager"
    native = replace(row, batch_size=1, engine="llama.cpp", decoded_by="llama.cpp")
    assert metrics_table([native])[0]["tok/s"].endswith("(by engine llama.cpp)")
    follow(new_plan(Options(configs=("1M-8bit",), study="one", batch_size=1), db), resume=False)
    assert "instead of graph" not in capfd.readouterr().err
    summary = read_summary(db, "one")
    assert summary.rows[0].decoded_by == "graph"
    assert metric_table(summary, lambda config: {})["rows"][0]["cells"][1]["note"] is None


def made_study(
    db: Path, fake_worker, environment: dict[str, Any] | None = None, batch_size: int = 1
) -> tuple[ConfigMetrics, list[str], dict[str, str]]:
    """A config's metrics, its columns on the page and its row in the terminal."""
    if environment:
        fake_worker.environment = environment
    summary = run(db, configs=("1M-bf16",), batch_size=batch_size)
    [shown] = metrics_table(summary.rows)
    return summary.rows[0], labels(summary), shown


def test_latencies_are_of_single_requests(db: Path, fake_worker) -> None:
    row, columns, shown = made_study(db, fake_worker)
    # The fake's first token takes 0.1 s, the 9 others 0.4 s together.
    assert row.ttft_seconds == pytest.approx(0.1)
    assert (row.tpot_seconds, row.tpot_p99_seconds) == pytest.approx((0.4 / 9, 0.4 / 9))
    assert (shown["TTFT"], shown["TPOT"]) == ("100 ms", "44.4 ms (p99 44.4 ms)")
    assert {"TTFT", "TPOT"} <= set(columns)
    assert row.mbu is None and "MBU" not in columns and "MBU" not in shown


def test_a_batch_has_no_latency(db: Path, fake_worker) -> None:
    gpu = {"device": "cuda", "engine": "eager", "gpu": {"name": "NVIDIA H200"}}
    row, columns, _ = made_study(db, fake_worker, gpu, batch_size=10)
    assert (row.ttft_seconds, row.tpot_seconds, row.tpot_p99_seconds, row.mbu) == (None,) * 4
    assert not {"TTFT", "TPOT", "MBU"} & set(columns)


def test_mbu_is_bytes_read_a_token_over_the_peak(db: Path, fake_worker) -> None:
    gpu = {"device": "cuda", "engine": "eager", "gpu": {"name": "NVIDIA H200"}}
    row, columns, _ = made_study(db, fake_worker, gpu)
    # 1000 bytes of weights; keys and values of 5 tokens of the prompt and half of 10 new ones.
    cache = cache_bytes_per_token(MODELS["1M"].spec) * (5 + 10 / 2)
    assert row.mbu == pytest.approx((1000 + cache) / (0.4 / 9) / 4800e9)
    assert "MBU" in columns


def test_mbu_on_a_gpu_that_is_not_in_the_table_is_unknown(db: Path, fake_worker) -> None:
    gpu = {"device": "cuda", "engine": "eager", "gpu": {"name": "Voodoo 2"}}
    row, columns, _ = made_study(db, fake_worker, gpu)
    assert row.mbu is None and row.tpot_seconds is not None and "MBU" not in columns


def test_mbu_of_a_bench_takes_the_bandwidth_it_measured() -> None:
    rows = {row.config: row for row in read_summary(DEFAULT_DB, "bench-h100-dummy").rows}
    bench = {one["config"]: one for one in read_bench(DEFAULT_DB, "bench-h100-dummy")}
    for config, row in rows.items():
        peak = bench[config]["ceiling_bytes_per_second"]
        assert row.mbu == pytest.approx(row.weight_bytes / row.tpot_seconds / peak)
        # The bench's own share of the ceiling, from the median step.
        assert row.mbu == pytest.approx(bench[config]["speeds"][0]["ceiling_share"], rel=0.03)
    for study in ("bench-demo-cpu", "bench-h100-dummy-batch30", "published"):
        assert {row.mbu for row in read_summary(DEFAULT_DB, study).rows} == {None}


def test_the_two_outputs_of_a_report_are_not_counted_beside_its_thirty() -> None:
    for row in read_summary(DEFAULT_DB, "published").rows:
        totals = {metric.total(row) for metric in METRICS if metric.value(row) is not None}
        assert totals <= {None, 30}, row.config


def test_every_metric_is_a_field_and_explains_itself() -> None:
    fields = {field.name for field in dataclasses.fields(ConfigMetrics)}
    for metric in METRICS:
        assert {metric.name, metric.of or metric.name, metric.rate or metric.name} <= fields
        assert metric.sentence or not metric.label
    assert list(RULE_METRICS) == ["broken outputs", "adherence"]
