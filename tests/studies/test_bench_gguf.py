"""A bench of a GGUF file as it is beside configs of other engines: measured for real, imported, and
drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("gguf")
pytest.importorskip("xllamacpp")

from tests.support.gguf_files import write_gguf
from vibecore import store
from vibecore.catalog.gguf import EMBEDDINGS, read_gguf
from vibecore.core import formats
from vibecore.core.errors import InputError
from vibecore.studies.bench.choose import Bench, Options, choose
from vibecore.studies.bench.import_report import import_reports
from vibecore.studies.bench.measure import run_bench
from vibecore.studies.bench.report import model_rows, speed_rows
from vibecore.studies.queries import read_summary
from vibecore.views.charts.engine_speed import engine_figure, host_figure, mbu_figure
from vibecore.views.charts.whole_answers import answer_figure
from vibecore.views.tables.speed import measured_where

Report = Mapping[str, Any]


def bench_of(paths: Sequence[Path], **more: Any) -> Bench:
    settings = {"prompt_tokens": 8, "new_tokens": 6, "repetitions": 2, "llama": False} | more
    models = tuple(str(path) for path in paths)
    return choose(Options(models=models, precisions=("as-is",), **settings))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_gguf(tmp_path_factory.mktemp("gguf") / "tiny.gguf", "qwen2", head="own")


@pytest.fixture(scope="module")
def tied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_gguf(tmp_path_factory.mktemp("gguf") / "tied.gguf", "qwen2")


@pytest.fixture(scope="module")
def told() -> list[str]:
    return []


@pytest.fixture(scope="module")
def report(path: Path, tied: Path, told: list[str]) -> Report:
    more = {"configs": ("1M-bf16",), "engines": ("eager", "graph"), "batch_sizes": (1, 3)}
    return run_bench(bench_of([path, tied], profile=True, **more), told.append)


def test_it_is_measured_once_whichever_engines_the_others_have(report: Report) -> None:
    named = [(result["config"], result["engine"]) for result in report["results"]]
    assert named == [
        *(("1M-bf16", engine) for engine in ("eager", "graph")),
        *((f"{model}-as-is", "llama.cpp") for model in ("tiny", "tied")),
    ]
    assert all(result["error"] is result["trouble"] is None for result in report["results"])
    assert report["interleaved"] is True


def test_it_has_the_figures_that_every_config_has(report: Report, path: Path) -> None:
    other, _, own, _ = report["results"]
    assert own["environment"]["packages"]["xllamacpp"] and own["threads"] == 1
    assert own["weights"] == "gguf" and own["source"] == str(path)
    for result in report["results"]:
        assert [speed["batch_size"] for speed in result["speeds"]] == [1, 3]
        for speed in result["speeds"]:
            assert speed["new_tokens"] == 6 and len(speed["by_repetition"]) == 2
            assert speed["first_token_seconds"]["least"] > 0
            assert 0 < speed["ceiling_share"] < 10
            # A process with torch in it.
            assert 2**26 < speed["peak_allocated_bytes"] < 2**33
            assert speed["peak_reserved_bytes"] is None
    assert own.keys() == other.keys()


def test_a_step_reads_all_weights_but_the_table_of_embeddings(report: Report, path: Path) -> None:
    """Which is the head where the file holds no other."""
    own, tied = report["results"][-2:]
    sizes = {tensor.name: tensor.size for tensor in read_gguf(path).tensors}
    assert own["weight_bytes"] == sum(sizes.values())
    assert own["bytes_per_step"] == sum(sizes.values()) - sizes[EMBEDDINGS]
    assert tied["bytes_per_step"] == tied["weight_bytes"]


def test_its_steps_are_not_profiled_and_that_is_said(report: Report, told: list[str]) -> None:
    profiled = [result["engine"] for result in report["results"] if result["profile"]]
    assert profiled == ["eager", "graph"]
    assert any(line.startswith("tiny-as-is llama.cpp: no profile") for line in told)


def test_the_tables_name_its_engine(report: Report) -> None:
    row = speed_rows(report)[5]
    assert (row["config"], row["engine"], row["batch"]) == ("tiny-as-is", "llama.cpp", "3")
    assert model_rows(report)[-1]["peak resident"] != "–"
    assert "peak allocated" not in model_rows(report)[-1]


def test_it_is_drawn_beside_the_others(report: Report) -> None:
    results = report["results"]
    answers = answer_figure(results, 1)
    assert "tiny-as-is llama.cpp" in answers.description and "1M-bf16" in answers.description
    assert "llama.cpp" not in answers.note
    assert "tiny-as-is llama.cpp" in mbu_figure(results, 3).description
    engines = engine_figure(results, 1)
    assert "tiny-as-is llama.cpp" in engines.description
    assert engine_figure(results[1:], 1).title.startswith("No config was decoded by two engines")
    assert host_figure(results, 1).chart is None
    alone = answer_figure(results[-1:], 1)
    assert alone.title.startswith("At batch 1, tied-as-is llama.cpp answers fastest")


def test_a_bench_with_it_becomes_a_study(report: Report, tmp_path: Path) -> None:
    db, file = tmp_path / "bench.duckdb", tmp_path / "bench.json"
    file.write_text(formats.to_json(report))
    assert import_reports(db, [file], "mixed") == ["mixed"]
    with store.reading(db) as connection:
        study = store.read_study(connection, "mixed")
        results = store.read_bench(connection, "mixed")
    assert study.protocol is not None and study.protocol.engine == "graph"
    assert "xllamacpp" in measured_where(study, results)
    row = {row.config: row for row in read_summary(db, "mixed").rows}["tiny-as-is"]
    assert row.decoded_by == "llama.cpp"
    assert row.tokens_per_second and row.memory_bytes

    lone = tmp_path / "lone.json"
    lone.write_text(formats.to_json({**report, "results": report["results"][-1:]}))
    assert import_reports(db, [lone], "lone") == ["lone"]


def test_random_weights_are_refused_before_anything_starts(path: Path) -> None:
    with pytest.raises(InputError, match="tiny-as-is cannot run on dummy weights"):
        run_bench(bench_of([path], weights="dummy"), lambda line: None)
