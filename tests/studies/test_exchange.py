"""Studies as Parquet files: whole, in parts, and what two machines made as one study."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

from vibecore import read_outputs, read_runs, store
from vibecore.catalog.suites import Constraint, Prompt
from vibecore.core.errors import InputError
from vibecore.core.paths import DEFAULT_DB
from vibecore.core.records import LoadReport, Protocol
from vibecore.runtime import study_use
from vibecore.scoring import SCORER_VERSION, score_output
from vibecore.store import connection as connection_module
from vibecore.store import copy as copy_module
from vibecore.store import join as join_module
from vibecore.store import parquet as parquet_module
from vibecore.studies.bench.report_file import read_report
from vibecore.studies.exchange import export_parquet, import_parquet, is_parquet_export
from vibecore.studies.queries import read_fidelity_summaries, read_study

PROMPTS = tuple(
    Prompt(f"p{number}", "code", "Say hi.", (Constraint("starts_with", {"prefix": "hi"}),))
    for number in range(4)
)
STUDY = store.NewStudy(
    "s", "measured", "s", "suite", PROMPTS, len(PROMPTS), Protocol(), hardware="CPU one"
)


def run_of(config: str, **known: Any) -> store.NewRun:
    return store.NewRun(config, config.split("-")[0], "bf16", "demo", "demo", **known)


def make(
    db: Path,
    made: dict[str, Sequence[int]],
    text: str = "hi there",
    study: store.NewStudy = STUDY,
    **known: Any,
) -> Path:
    """A study with each config's outputs of the prompts of these numbers, one a batch."""
    store.prepare(db)
    with store.writing(db) as connection:
        run_ids = store.create_study(
            connection, study, [run_of(config, **known) for config in made]
        )
        for config, numbers in made.items():
            environment = {"device": "cpu", "machine": {"cpu": study.hardware, "node": text}}
            if numbers:
                report = LoadReport(1.0, 10, "bfloat16", environment)
                store.start_run(connection, run_ids[config], report)
            for batch, number in enumerate(numbers):
                prompt = PROMPTS[number]
                output = {"text": text, "token_ids": [1, 2], "new_tokens": 2, "total_seconds": 0.5}
                rows = [(prompt.id, output, score_output(prompt, text, [1, 2]))]
                store.add_generations(connection, run_ids[config], batch, rows, SCORER_VERSION)
            status = "complete" if len(numbers) == len(PROMPTS) else "stopped"
            if numbers:
                store.finish_run(connection, run_ids[config], status)
    return db


def texts(db: Path) -> dict[tuple[str, str], str | None]:
    rows = read_outputs(db, "s")
    assert set(Counter((row.config, row.prompt_id) for row in rows).values()) <= {1}
    assert all(len(row.constraints) == 1 and row.words is not None for row in rows)
    return {(row.config, row.prompt_id): row.text for row in rows}


def exported(db: Path, folder: Path) -> Path:
    export_parquet(db, "s", folder)
    return folder


def refused(db: Path, folder: Path, *words: str) -> None:
    """An import that is refused, in words, and changes nothing."""
    before = db.read_bytes()
    with pytest.raises(InputError) as caught:
        import_parquet(db, folder)
    for word in words:
        assert word in str(caught.value)
    assert db.read_bytes() == before


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("shipped") / "all.duckdb"
    shutil.copy(DEFAULT_DB, path)
    store.prepare(path)
    return path


def test_a_study_comes_back_as_it_was(shipped: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("vibecore.store.parquet.OUTPUTS_A_PART", 60)
    folder = tmp_path / "it's [one] *"
    files = export_parquet(shipped, "demo", folder)
    assert sorted(path.name for path in folder.iterdir()) == sorted(path.name for path in files)
    assert len([path for path in files if path.name.startswith("generation-")]) == 3
    assert is_parquet_export(folder)
    db = tmp_path / "other.duckdb"
    make(db, {"9M-bf16": [0]}, study=replace(STUDY, name="demo-before"))
    assert import_parquet(db, folder) == ("demo", None)
    assert read_outputs(db, "demo") == read_outputs(shipped, "demo")
    for here, there in zip(read_runs(db, "demo"), read_runs(shipped, "demo"), strict=True):
        assert replace(here, run_id=0, study_id=0) == replace(there, run_id=0, study_id=0)
    assert read_fidelity_summaries(db, "demo") == read_fidelity_summaries(shipped, "demo") != []
    assert import_parquet(db, folder, "again") == ("again", None)
    _, joined = import_parquet(db, folder)
    assert joined == store.Joined([], 0, 180)
    assert read_outputs(db, "demo") == read_outputs(shipped, "demo")


def test_two_machines_make_one_study(tmp_path: Path) -> None:
    one = make(tmp_path / "one.duckdb", {"1M-bf16": [0, 1], "5M-bf16": [], "9M-bf16": [0]}, "hi")
    other = make(
        tmp_path / "two.duckdb",
        {"7M-bf16": [0, 1, 2, 3], "5M-bf16": [2], "1M-bf16": [1, 2, 3]},
        "hi from two",
        replace(STUDY, hardware="CPU two"),
    )
    folder = exported(other, tmp_path / "export")
    name, joined = import_parquet(one, folder)
    assert (name, joined) == ("s", store.Joined(["7M-bf16"], 7, 1))
    found = texts(one)
    assert found == {
        ("1M-bf16", "p0"): "hi",
        ("1M-bf16", "p1"): "hi",
        ("1M-bf16", "p2"): "hi from two",
        ("1M-bf16", "p3"): "hi from two",
        ("5M-bf16", "p2"): "hi from two",
        ("9M-bf16", "p0"): "hi",
        **{("7M-bf16", f"p{number}"): "hi from two" for number in range(4)},
    }
    runs = {row.config: row for row in read_runs(one, "s")}
    assert list(runs) == ["1M-bf16", "5M-bf16", "9M-bf16", "7M-bf16"]
    assert [row.status for row in runs.values()] == ["complete", "stopped", "stopped", "complete"]
    assert runs["5M-bf16"].environment["machine"]["cpu"] == "CPU two"
    assert runs["1M-bf16"].environment["machine"]["cpu"] == "CPU one"
    # Four batches of half a second: none of theirs was taken for one of ours.
    assert runs["1M-bf16"].total_seconds == 2.0
    assert read_study(one, "s").hardware == "CPU one + CPU two"
    # Once more changes nothing.
    assert import_parquet(one, folder)[1] == store.Joined([], 0, 8)
    assert texts(one) == found


def test_all_rows_of_an_import_go_through_a_bounded_part_of_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "MEMORY", "321MB")
    folder = exported(make(tmp_path / "a.duckdb", {"one-bf16": range(4)}), tmp_path / "x")
    limits: list[str] = []
    copy_places, require_whole = copy_module.copy_places, parquet_module._require_whole

    def note(connection: duckdb.DuckDBPyConnection) -> None:
        [(limit,)] = connection.execute("SELECT current_setting('memory_limit')").fetchall()
        limits.append(limit)

    def noted_copy(connection: duckdb.DuckDBPyConnection) -> None:
        note(connection)
        copy_places(connection)

    def noted_whole(connection: duckdb.DuckDBPyConnection, *given: Any) -> None:
        note(connection)
        require_whole(connection, *given)

    monkeypatch.setattr(copy_module, "copy_places", noted_copy)
    monkeypatch.setattr(join_module, "copy_places", noted_copy)
    monkeypatch.setattr(parquet_module, "_require_whole", noted_whole)
    other = make(tmp_path / "b.duckdb", {"one-bf16": range(2)})
    import_parquet(tmp_path / "c.duckdb", folder)
    import_parquet(other, folder)
    # Staged and copied as a new study, staged and joined to one.
    assert len(limits) == 4
    assert len(set(limits)) == 1 and limits[0].startswith("306")  # 321 MB in MiB
    assert len(texts(other)) == 4


def test_what_does_not_belong_together_is_refused(tmp_path: Path) -> None:
    db = make(tmp_path / "one.duckdb", {"1M-bf16": [0]}, weights_sha256="aa")
    others = {
        "suite": (
            replace(STUDY, prompts=(*PROMPTS[:3], replace(PROMPTS[3], text="Say ho."))),
            {},
            ("one suite", "p3 differ", "--study"),
        ),
        "protocol": (
            replace(STUDY, protocol=Protocol(max_new_tokens=300, batch_size=8)),
            {},
            ("max new tokens 200 here, 300 there", "batch size 1 here, 8 there"),
        ),
        "weights": (STUDY, {"weights_sha256": "bb"}, ("1M-bf16", "weights sha256 is aa here")),
    }
    for kind, (study, known, words) in others.items():
        other = make(tmp_path / f"{kind}.duckdb", {"1M-bf16": [1]}, study=study, **known)
        refused(db, exported(other, tmp_path / kind), *words)
    assert import_parquet(db, tmp_path / "suite", "other suite") == ("other suite", None)


def test_a_damaged_export_is_refused(tmp_path: Path) -> None:
    db = make(tmp_path / "one.duckdb", {"1M-bf16": [0]})
    whole = exported(make(tmp_path / "two.duckdb", {"5M-bf16": [0, 1]}), tmp_path / "whole")

    def broken(name: str) -> Path:
        return shutil.copytree(whole, tmp_path / name)

    missing = broken("missing")
    (missing / "score-0001.parquet").unlink()
    refused(db, missing, "score-0001.parquet", "Copy the folder again")
    cut = broken("cut")
    content = (cut / "generation-0001.parquet").read_bytes()
    (cut / "generation-0001.parquet").write_bytes(content[: len(content) // 2])
    refused(db, cut, "generation-0001.parquet", "Nothing was imported")
    for change, words in {
        "SELECT * FROM old LIMIT 1": "it has 1 of the 2 rows of generation",
        "SELECT * REPLACE ('p0' AS prompt_id) FROM old": "1 rows of generation twice",
        "SELECT * REPLACE (run_id + 7 AS run_id) FROM old": "belong to no row of run",
        "SELECT * REPLACE ('x' AS finish_reason) FROM old": "CHECK",
        "SELECT * EXCLUDE (prompt_id) FROM old": "cannot be read",
    }.items():
        changed = broken(str(len(list(tmp_path.iterdir()))))
        file = changed / "generation-0001.parquet"
        with duckdb.connect() as connection:
            connection.execute(f"CREATE TABLE old AS FROM '{file}'")
            connection.execute(f"COPY ({change}) TO '{file}'")
        refused(db, changed, words)
    newer = broken("newer")
    with duckdb.connect() as connection:
        file = newer / store.CONTENTS
        connection.execute(
            f"CREATE TABLE old AS SELECT * REPLACE (999 AS schema_version) FROM '{file}'"
        )
        connection.execute(f"COPY old TO '{file}'")
    refused(db, newer, "has schema 999", "Update Vibe check")
    assert not list(tmp_path.glob(".import-*"))


def test_an_export_is_whole_or_not_there(tmp_path: Path, monkeypatch) -> None:
    db = make(tmp_path / "one.duckdb", {"1M-bf16": [0]})
    with pytest.raises(InputError, match="no study 'x'"):
        export_parquet(db, "x", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["one.duckdb"]
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="is there already"):
        export_parquet(db, "s", tmp_path / "kept")
    with pytest.raises(InputError, match="cannot be written"):
        export_parquet(db, "s", db / "below")


def test_a_study_that_is_written_to_is_left_alone(tmp_path: Path) -> None:
    db = make(tmp_path / "one.duckdb", {"1M-bf16": [0]})
    folder = exported(db, tmp_path / "export")
    with study_use.writing_to(db, "s", "a run"):
        refused(db, folder, "in use by a run")


def test_a_relative_name_is_a_file_and_no_service(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    db = make(Path("md:one.duckdb"), {"1M-bf16": [0]})
    folder = exported(db, Path("md:out"))
    assert import_parquet(Path("md:two.duckdb"), folder) == ("s", None)
    assert import_parquet(db, folder)[1] == store.Joined([], 0, 1)
    assert texts(Path("md:two.duckdb")) == texts(db) == {("1M-bf16", "p0"): "hi there"}


def test_another_folder_is_told_which_ones_come_back(tmp_path: Path) -> None:
    assert not is_parquet_export(tmp_path)
    with pytest.raises(InputError, match="not one that `export --parquet` wrote"):
        read_report(tmp_path)
