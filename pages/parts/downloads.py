"""Tables as files: CSV and Markdown for people, Parquet for programs."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from vibecore.analysis import Rule
from vibecore.analysis.fidelity.summary import FidelitySummary
from vibecore.core import formats
from vibecore.core.rows import OutputRow
from vibecore.studies.queries import Summary
from vibecore.views.fidelity_rows import flat_rows, terminal_rows
from vibecore.views.models_asked import study_sentences
from vibecore.views.tables.hardware import hardware_rows
from vibecore.views.terminal import metrics_table

Row = dict[str, Any]
Contents = dict[str, Callable[[], str | bytes]]

# label -> (file ending, MIME type)
KINDS = {
    "CSV": ("csv", "text/csv"),
    "Markdown": ("md", "text/markdown"),
    "Parquet": ("parquet", "application/vnd.apache.parquet"),
    "report": ("html", "text/html"),
}
# What a reader of outputs needs; token ids and timings are in `vibecore export`.
OUTPUT_COLUMNS = (
    "prompt_id",
    "config",
    "text",
    "reasoning",
    "rendered_prompt",
    "new_tokens",
    "finish_reason",
    "tokens_per_second",
    "repetition_ratio",
    "repetitive",
    "degenerate",
    "empty",
    "constraints_met",
    "constraints_judged",
    "adherent",
)


def to_parquet(rows: Sequence[Row]) -> bytes:
    """Rows with their types, every value as it is: Parquet has no formulas."""
    import pyarrow  # type: ignore[import-untyped]  # it has no stubs
    from pyarrow import parquet

    buffer = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist(list(rows)), buffer)
    return buffer.getvalue()


def metrics(summary: Summary) -> Contents:
    """A summary's rows; in Markdown the table with units, and the reason for the sweet spot."""
    sentences = [summary.sweet_spot.reason, *study_sentences(summary.study, summary.rows)]
    rows, by_kind = [vars(row) for row in summary.rows], hardware_rows(summary.rows)
    return {
        "CSV": lambda: formats.to_csv(rows),
        "Markdown": lambda: (
            formats.to_markdown(metrics_table(summary.rows))
            + (f"\n{formats.to_markdown(by_kind)}" if by_kind else "")
            + "".join(f"\n{formats.markdown_text(sentence)}\n" for sentence in sentences)
        ),
        "Parquet": lambda: to_parquet(rows),
    }


def fidelity(rows: Sequence[FidelitySummary]) -> Contents:
    """Every figure of a study's fidelity; in Markdown those of the terminal's table."""
    flat = flat_rows(rows)
    return {
        "CSV": lambda: formats.to_csv(flat),
        "Markdown": lambda: formats.to_markdown(terminal_rows(rows)),
        "Parquet": lambda: to_parquet(flat),
    }


def report(
    database: str, study: str, thresholds: tuple[float | None, float, float, float | None]
) -> Contents:
    """A study's report as one HTML file, under the rule's thresholds in the order of Rule."""

    def make() -> str:
        from vibecore.views.report import make_report

        return make_report(Path(database), study, ".html", Rule(*thresholds))

    return {"report": make}


def outputs(rows: Sequence[OutputRow]) -> Contents:
    """Outputs with their main scores; rows are those of read_outputs."""
    chosen = [{column: getattr(row, column) for column in OUTPUT_COLUMNS} for row in rows]
    return {
        "CSV": lambda: formats.to_csv(chosen, OUTPUT_COLUMNS),
        "Markdown": lambda: formats.to_markdown(chosen, OUTPUT_COLUMNS),
        "Parquet": lambda: to_parquet(chosen),
    }


def show(contents: Contents, study: str, what: str) -> None:
    """A row of buttons; a file is made only when its button is pressed. A report is named so,
    other files by the study and `what` they hold."""
    with st.container(horizontal=True):
        for label, content in contents.items():
            ending, mime = KINDS[label]
            st.download_button(
                f"Download {label}",
                data=content,
                file_name=f"{study}-{label if label == 'report' else what}.{ending}",
                mime=mime,
                on_click="ignore",
                key=f"download-{ending}",
            )
