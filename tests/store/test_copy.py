"""Studies copied from one database into another: every row, under new ids, or nothing."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import pytest

from vibecore import store
from vibecore.core.errors import InputError
from vibecore.core.paths import DEFAULT_DB
from vibecore.store.copy import RUN_TABLES


def rows(path: Path, study: str, table: str) -> list[tuple[object, ...]]:
    """A table's rows of a study without ids, in an order that does not depend on them."""
    join = "" if table == "run" else "JOIN run USING (run_id)"
    ids, names = "run_id", "run.config"
    if table == "run":
        ids += ", study_id"
    if table == "fidelity":
        # The parent by its name too.
        join += " JOIN run AS parent ON parent.run_id = against_run_id"
        ids, names = f"{ids}, against_run_id", f"{names}, parent.config"
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.execute(
            f"""SELECT {table}.* EXCLUDE ({ids}), {names} FROM {table} {join}
                WHERE run.study_id = (SELECT study_id FROM study WHERE name = ?) ORDER BY ALL""",
            [study],
        ).fetchall()


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("copied") / "it's.duckdb"
    shutil.copy(DEFAULT_DB, path)
    store.prepare(path)
    return path


def test_a_copied_study_has_every_row_of_its_own(shipped: Path, tmp_path: Path) -> None:
    target = tmp_path / "new.duckdb"
    # In another order, so that the ids differ.
    assert store.copy_studies(shipped, target, ("demo",)) == ["demo"]
    assert store.copy_studies(shipped, target, ("published",)) == ["published"]
    for study in ("demo", "published"):
        for table in ("run", *RUN_TABLES):
            assert rows(target, study, table) == rows(shipped, study, table), (study, table)
        with store.reading(target) as copied, store.reading(shipped) as original:
            new, old = (store.read_study(one, study) for one in (copied, original))
            assert store.read_prompts(copied, study) == store.read_prompts(original, study)
        assert {**vars(new), "study_id": 0} == {**vars(old), "study_id": 0}
    assert rows(target, "demo", "verdict") and rows(target, "demo", "fidelity")


def test_without_names_all_studies_are_copied(shipped: Path, tmp_path: Path) -> None:
    target = tmp_path / "new.duckdb"
    copied = store.copy_studies(shipped, target)
    with store.reading(shipped) as original, store.reading(target) as connection:
        there = [study.name for study in store.list_studies(original)]
        assert copied == [study.name for study in store.list_studies(connection)] == there


def test_what_cannot_be_copied_leaves_the_target_as_it_was(shipped: Path, tmp_path: Path) -> None:
    target = tmp_path / "new.duckdb"
    store.copy_studies(shipped, target, ("demo",))
    with pytest.raises(InputError, match=r"already has a study 'demo'\. Nothing was copied"):
        store.copy_studies(shipped, target, ("published", "demo"))
    with pytest.raises(InputError, match="There is no study 'nowhere'"):
        store.copy_studies(shipped, target, ("published", "nowhere"))
    with pytest.raises(InputError, match="into itself"):
        store.copy_studies(target, target)
    with store.reading(target) as connection:
        assert [study.name for study in store.list_studies(connection)] == ["demo"]


def test_a_database_is_known_by_its_content(shipped: Path, tmp_path: Path) -> None:
    other = tmp_path / "report.duckdb"
    other.write_text('{"not": "a database"}', encoding="utf-8")
    assert store.is_database(shipped)
    assert not store.is_database(other)
    assert not store.is_database(tmp_path / "nowhere")


def test_a_compact_copy_may_have_any_name(shipped: Path, tmp_path: Path) -> None:
    compact = tmp_path / "source-of 2026.duckdb"
    store.copy_compact(shipped, compact)
    with store.reading(shipped) as original, store.reading(compact) as copied:
        assert store.list_studies(copied) == store.list_studies(original)
