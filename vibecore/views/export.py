"""Write a study to a folder: everything a reader needs to check or reuse its figures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vibecore.core import formats
from vibecore.core.errors import InputError
from vibecore.studies.queries import read_outputs, read_prompts, read_runs, read_summary
from vibecore.views.models_asked import study_sentences
from vibecore.views.terminal import metrics_table


def export_study(db: Path, study: str, folder: Path) -> list[Path]:
    """Write summary (CSV, JSON, Markdown), outputs and prompts (JSONL), runs and study (JSON).

    Returns the files. Raises InputError for an unknown study or a folder that cannot be made.
    """
    summary = read_summary(db, study)
    outputs = read_outputs(db, study)
    sentences = [summary.sweet_spot.reason, *study_sentences(summary.study, summary.rows)]
    files = {
        "summary.csv": formats.to_csv([vars(row) for row in summary.rows]),
        "summary.json": formats.to_json(summary.rows) + "\n",
        "summary.md": formats.to_markdown(metrics_table(summary.rows))
        + "".join(f"\n{formats.markdown_text(sentence)}\n" for sentence in sentences),
        "outputs.jsonl": _lines(outputs),
        "prompts.jsonl": _lines(read_prompts(db, study)),
        "runs.json": formats.to_json(read_runs(db, study)) + "\n",
        "study.json": formats.to_json(summary.study) + "\n",
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder / name).write_text(content, encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"{folder} cannot be written: {error.strerror or error}. Choose another --out."
        ) from None
    return [folder / name for name in files]


def _lines(rows: Sequence[object]) -> str:
    return "".join(formats.to_json(row, indent=None) + "\n" for row in rows)
