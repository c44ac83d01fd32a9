"""Rebuild the shipped database: `python -m vibecore.cli.rebuild [--db results.duckdb]`.

Study `published` comes from the report's figures, study `demo` from a full measured run of the
six demo configs on this machine, fidelity included; each report in studies/bench/reports/ becomes
a study of its file's name. Studies of real checkpoints (KEPT), which take a GPU and large
downloads, are copied from the file that is replaced. It is replaced only when all of it has
succeeded.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from vibecore import store
from vibecore.core.errors import VibeError
from vibecore.core.paths import DEFAULT_DB, PROJECT_ROOT
from vibecore.studies.bench.import_report import import_reports
from vibecore.studies.fidelity import fidelity_plan
from vibecore.studies.plan import Options, new_plan
from vibecore.studies.published import add_published
from vibecore.views.fidelity_progress import follow_fidelity
from vibecore.views.progress import follow

# What `bench --out` wrote, here or on other machines.
BENCH_REPORTS = PROJECT_ROOT / "vibecore" / "studies" / "bench" / "reports"
DEMO_STUDY = "demo"
DEMO = Options(family="demo", study=DEMO_STUDY)
# Measured on an H100 machine, on its GPU and on its CPU.
KEPT = (
    "qwen2.5-coder",
    "qwen2.5-coder-cpu",
    "qwen2.5-coder-precisions",
    "qwen2.5-coder-formats",
)


def rebuild(db: Path) -> None:
    """Write all studies into a new file, then put it in place of `db`."""
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder) / "results.duckdb"
        store.prepare(fresh)
        add_published(fresh)
        if db.exists():
            with store.reading(db) as connection:
                kept = tuple(name for name in KEPT if store.study_exists(connection, name))
            store.copy_studies(db, fresh, kept)
        for report in sorted(BENCH_REPORTS.glob("*.json")):
            import_reports(fresh, [report], report.stem)
        statuses = follow(new_plan(DEMO, fresh), resume=False)
        statuses |= follow_fidelity(fidelity_plan(fresh, DEMO_STUDY))
        failed = [config for config, status in statuses.items() if status != "complete"]
        if failed:
            raise VibeError(f"Nothing was replaced: {', '.join(failed)} did not complete.")
        compact = Path(folder) / "compact.duckdb"
        store.copy_compact(fresh, compact)
        shutil.move(compact, db)


def main(db: Annotated[Path, typer.Option(help="The file to replace.")] = DEFAULT_DB) -> None:
    """Rebuild the shipped database."""
    rebuild(db)


if __name__ == "__main__":
    typer.run(main)
