"""A study that was made on several kinds of hardware: its speeds by kind, wherever it is shown."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.commands import called
from tests.support.pages import has_component, table, visit
from vibecore import read_summary, store
from vibecore.views.export import export_tables
from vibecore.views.tables.hardware import CAPTION, hardware_kinds, hardware_rows

KINDS = ("NVIDIA A", "NVIDIA B")


@pytest.fixture(scope="module")
def mixed(studies: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The varied study with its first config made on A, its second on both, the others on B."""
    path = Path(shutil.copy(studies, tmp_path_factory.mktemp("mixed") / "mixed.duckdb"))
    with store.writing(path) as connection:
        ids = connection.execute(
            """SELECT run_id FROM run JOIN study USING (study_id)
               WHERE name = 'varied' AND status = 'complete' ORDER BY position"""
        ).fetchall()
        store.unseal(connection, ids[0][0])
        for number, kind in enumerate(KINDS):
            connection.execute("INSERT INTO place VALUES (?, 'node', ?, '1')", [number + 1, kind])
        connection.execute(
            """UPDATE generation SET place_id = 2 WHERE run_id IN
               (SELECT run_id FROM run JOIN study USING (study_id) WHERE name = 'varied')"""
        )
        connection.execute("UPDATE generation SET place_id = 1 WHERE run_id = ?", list(ids[0]))
        connection.execute(
            """UPDATE generation SET place_id = 1 WHERE run_id = ? AND prompt_id IN
               (SELECT prompt_id FROM generation WHERE run_id = ? ORDER BY prompt_id LIMIT 2)""",
            [*ids[1], *ids[1]],
        )
    return path


def test_each_config_has_its_speed_by_kind(mixed: Path) -> None:
    summary = read_summary(mixed, "varied")
    assert hardware_kinds(summary.rows) == list(KINDS)
    rows = {row["config"]: row for row in hardware_rows(summary.rows)}
    first, second, *_ = (row for row in summary.rows if row.devices)
    on_a, on_b = (f"{kind}, tok/s" for kind in KINDS)
    assert rows[first.config][on_b] == "–"
    assert rows[first.config][on_a].startswith(f"{first.device_speeds[0].tokens_per_second:.1f} · ")
    assert rows[second.config][on_a].endswith("2 outputs")
    assert second.tokens_per_second is None


def test_metrics_shows_the_table_only_where_kinds_differ(
    mixed: Path, use: Callable[[Path], None]
) -> None:
    use(mixed)
    app = visit("metrics", study="varied")
    summary = read_summary(mixed, "varied")
    assert {cell["text"] for cells in table(app, "hardware").values() for cell in cells} >= {
        row[f"{KINDS[0]}, tok/s"].split(" · ")[0] for row in hardware_rows(summary.rows)
    }
    assert not has_component(visit("metrics", study="published"), "hardware")


def test_a_terminal_and_an_export_list_them_too(mixed: Path, tmp_path: Path) -> None:
    shown = called("summary", "--study=varied", f"--db={mixed}")
    assert shown.returncode == 0
    assert CAPTION in shown.stdout
    exported = export_tables(mixed, "varied")["summary.md"]
    assert all(f"{kind}, tok/s" in exported for kind in KINDS)
    for name in ("report.md", "report.html"):
        report = tmp_path / name
        made = called("report", "--study=varied", f"--db={mixed}", f"--out={report}")
        assert made.returncode == 0, made.stderr
        assert CAPTION in report.read_text(encoding="utf-8")
    assert CAPTION not in called("summary", "--study=published", f"--db={mixed}").stdout
