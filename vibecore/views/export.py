"""A study as files: everything a reader needs to check or reuse its figures."""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from vibecore import store
from vibecore.core import formats
from vibecore.core.errors import InputError
from vibecore.core.paths import write_whole
from vibecore.studies.fidelity_results import FidelityResults, read_fidelity_results
from vibecore.studies.queries import find_loss, read_outputs, read_prompts, read_runs, read_summary
from vibecore.views.fidelity_rows import flat_rows
from vibecore.views.models_asked import study_sentences
from vibecore.views.tables.hardware import hardware_rows
from vibecore.views.terminal import metrics_table

# The whole study, which `import` copies into another database.
DATABASE = "study.duckdb"


def export_study(db: Path, study: str, folder: Path) -> list[Path]:
    """Write the files of `export_tables`, and the study alone as a database.

    Returns the files. Raises InputError for an unknown study or a folder that cannot be made.
    """
    files: dict[str, bytes] = {
        name: text.encode("utf-8") for name, text in export_tables(db, study).items()
    }
    files[DATABASE] = export_database(db, study)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            write_whole(folder / name, content)
    except OSError as error:
        raise InputError(
            f"{folder} cannot be written: {error.strerror or error}. Choose another --out."
        ) from None
    return [folder / name for name in files]


def export_zip(db: Path, study: str) -> bytes:
    """The files of `export_tables` as one ZIP file. Raises InputError for an unknown study."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in export_tables(db, study).items():
            archive.writestr(name, text)
    return buffer.getvalue()


def export_database(db: Path, study: str) -> bytes:
    """A database with this study alone. Raises InputError for an unknown study."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / DATABASE
        store.copy_studies(db, copy, (study,))
        return copy.read_bytes()


def export_tables(db: Path, study: str) -> dict[str, str]:
    """Summary (CSV, JSON, Markdown), outputs and prompts (JSONL), runs and study (JSON), by file
    name, and the study's fidelity. Raises InputError for an unknown study."""
    summary, fidelity = read_summary(db, study), read_fidelity_results(db, study)
    outputs = read_outputs(db, study)
    loss, by_kind = find_loss(db, study), hardware_rows(summary.rows)
    sentences = [
        *([loss] if loss else []),
        summary.sweet_spot.reason,
        *study_sentences(summary.study, summary.rows),
    ]
    return {
        "summary.csv": formats.to_csv([vars(row) for row in summary.rows]),
        "summary.json": formats.to_json(summary.rows) + "\n",
        "summary.md": formats.to_markdown(metrics_table(summary.rows))
        + (f"\n{formats.to_markdown(by_kind)}" if by_kind else "")
        + "".join(f"\n{formats.markdown_text(sentence)}\n" for sentence in sentences),
        "outputs.jsonl": _lines(outputs),
        "prompts.jsonl": _lines(read_prompts(db, study)),
        "runs.json": formats.to_json(read_runs(db, study)) + "\n",
        "study.json": formats.to_json(summary.study) + "\n",
        **_fidelity_tables(fidelity),
    }


def _fidelity_tables(results: FidelityResults) -> dict[str, str]:
    """Fidelity (CSV, JSON) where it was measured, and every flip against a parent (CSV) where there
    is any, by file name."""
    tables = {}
    if results.summaries:
        tables["fidelity.csv"] = formats.to_csv(flat_rows(results.summaries))
        tables["fidelity.json"] = formats.to_json(results.summaries) + "\n"
    flips = [
        {"config": one.config, "against": one.against, **vars(flip)}
        for one in results.flips
        for flip in one.flips
    ]
    if flips:
        tables["flips.csv"] = formats.to_csv(flips)
    return tables


def _lines(rows: Sequence[object]) -> str:
    return "".join(formats.to_json(row, indent=None) + "\n" for row in rows)
