"""`import`: a bench's report becomes a study that every page and command can show."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.support.bench_report import GPU, make_report, write_report
from vibecore import store
from vibecore.catalog.models import find_configs
from vibecore.cli import app
from vibecore.core.errors import InputError
from vibecore.studies.bench.import_report import import_reports
from vibecore.studies.plan import Options, resumed_plan
from vibecore.studies.published import add_published
from vibecore.studies.queries import list_studies, read_bench, read_outputs, read_runs, read_summary
from vibecore.views.export import export_study

NAME = "bench-test-gpu-80gb-dummy-20261123"


@pytest.fixture
def report(tmp_path: Path) -> Path:
    return write_report(tmp_path / "bench.json")


def test_a_report_becomes_a_study_named_for_its_gpu(db: Path, report: Path) -> None:
    assert import_reports(db, [report]) == [NAME]
    study = list_studies(db)[0]
    assert (study.hardware, study.source, study.complete) == (GPU, "measured", 6)
    assert study.protocol.engine == "graph"
    assert study.protocol.weights == "dummy"
    assert study.protocol.device == "cuda"
    assert study.prompt_count == 5


def test_speed_and_memory_are_the_bench_s_and_quality_is_unscored(db: Path, report: Path) -> None:
    import_reports(db, [report], "gpu")
    summary = read_summary(db, "gpu")
    config = find_configs(["1.5B-bf16"])[0]
    row = next(row for row in summary.rows if row.config == config.id)
    graph = next(
        result
        for result in make_report()["results"]
        if (result["config"], result["engine"]) == (config.id, "graph")
    )["speeds"][0]
    seconds = sum(one["total_seconds"] for one in graph["by_repetition"])
    assert row.tokens_per_second == pytest.approx(5 * 200 / seconds)
    assert row.memory_bytes == graph["peak_allocated_bytes"]
    assert row.memory_source == "measured"
    assert row.repetitive is None and row.adherent_prompts is None
    assert summary.sweet_spot.config is None
    assert summary.sweet_spot.excluded[config.id] == "its quality was not scored"
    assert len(read_outputs(db, "gpu", config=config.id)) == 5


def test_every_engine_and_batch_is_kept_for_the_speed_page(db: Path, report: Path) -> None:
    add_published(db)
    import_reports(db, [report], "gpu")
    results = read_bench(db, "gpu")
    assert json.loads(json.dumps(make_report()["results"])) == results
    assert read_bench(db, "published") == []
    # What every page reads stays small.
    assert not hasattr(read_runs(db, "gpu")[0], "bench")


def test_a_config_that_failed_is_a_failed_run(db: Path, tmp_path: Path) -> None:
    path = tmp_path / "broken.json"
    path.write_text(json.dumps(make_report(broken="1.5B-8bit")))
    import_reports(db, [path], "gpu")
    row = next(r for r in read_summary(db, "gpu").rows if r.config == "1.5B-8bit")
    assert (row.status, row.error) == ("failed", "out of memory")


def test_a_batch_alone_is_a_throughput(db: Path, tmp_path: Path) -> None:
    report = make_report()
    report["settings"]["batch_sizes"] = [30]
    for result in report["results"]:
        result["speeds"] = result["speeds"][1:]
    path = tmp_path / "batched.json"
    path.write_text(json.dumps(report))
    import_reports(db, [path], "gpu")
    rows = {row.config: row for row in read_summary(db, "gpu").rows}
    assert rows["0.5B-4bit"].batch_size == 30
    speeds = report["results"][5]["speeds"][0]["by_repetition"]
    seconds = sum(one["total_seconds"] for one in speeds)
    assert rows["0.5B-4bit"].tokens_per_second == pytest.approx(5 * 30 * 200 / seconds)


def test_a_bench_whose_time_was_up_has_the_repetitions_it_made(db: Path, tmp_path: Path) -> None:
    report = make_report()
    report["settings"]["repetitions"] = 1000
    path = tmp_path / "hurried.json"
    path.write_text(json.dumps(report))
    import_reports(db, [path], "gpu")
    study = list_studies(db)[0]
    assert (study.prompt_count, study.complete) == (5, 6)


def test_a_report_cut_short_between_two_engines_is_that_of_the_first(
    db: Path, tmp_path: Path
) -> None:
    report = make_report()
    path = tmp_path / "cut.json"
    report["results"] = report["results"][:3]
    assert [r["engine"] for r in report["results"]] == ["eager", "graph", "eager"]
    path.write_text(json.dumps(report))
    import_reports(db, [path], "gpu")
    assert list_studies(db)[0].protocol.engine == "eager"
    assert len(read_bench(db, "gpu")) == 3


def test_the_commands_read_it(db: Path, report: Path, tmp_path: Path) -> None:
    import_reports(db, [report], "gpu")
    for command in ("summary", "sweet-spot", "outputs"):
        for form in ("table", "json", "md"):
            arguments = [command, "--study", "gpu", "--db", str(db), "--format", form]
            assert CliRunner().invoke(app, arguments).exit_code == 0, (command, form)
    assert export_study(db, "gpu", tmp_path / "out")


def test_nothing_is_written_of_what_cannot_be_imported(db: Path, report: Path) -> None:
    import_reports(db, [report], "gpu")
    before = list_studies(db)
    incomplete = write_report(report.with_name("half.json"), settings={"engines": ["graph"]})
    results = make_report()["results"]
    results[0]["speeds"][0]["step_p50_seconds"] = "x"
    wrong = write_report(report.with_name("wrong.json"), results=results)
    results = make_report()["results"]
    results[0]["speeds"] = results[0]["speeds"][1:]
    slow = write_report(report.with_name("slow.json"), results=results)
    for files, study, said in (
        ([report], "gpu", "already has a study 'gpu'"),
        ([report, report], "two", "one at a time"),
        ([report, report], None, "one name"),
        ([incomplete], "half", "not a whole bench report: `settings.prompt_tokens` is missing"),
        ([wrong], "half", "result 1: speed 1: `step_p50_seconds` must be a valid number, not 'x'"),
        ([slow], "half", "0.5B-bf16 has no speed at batch size 1"),
        ([report.with_name("none.json")], None, "cannot be read"),
        ([report.parent], None, "is a folder"),
    ):
        with pytest.raises(InputError, match=said):
            import_reports(db, files, study)
    assert list_studies(db) == before


def test_it_cannot_be_resumed(db: Path, report: Path) -> None:
    import_reports(db, [report], "gpu")
    with pytest.raises(InputError, match="imported from a bench"):
        resumed_plan(Options(study="gpu"), db)


def test_an_older_database_gets_the_column(tmp_path: Path, report: Path) -> None:
    path = tmp_path / "old.duckdb"
    store.prepare(path)
    with store.writing(path) as connection:
        connection.execute("ALTER TABLE run DROP COLUMN bench")
        connection.execute("DELETE FROM schema_version WHERE version = 5")
    import_reports(path, [report], "gpu")
    assert len(read_bench(path, "gpu")) == 12
