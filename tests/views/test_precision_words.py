"""Precisions in words: the glossary's table, and what stands behind a config's name."""

from __future__ import annotations

import json
from dataclasses import replace

from tests.support.metric_rows import metric_row
from vibecore.analysis.metrics import METRICS, known_metrics
from vibecore.catalog.precisions import PRECISIONS
from vibecore.core.paths import DEFAULT_DB
from vibecore.studies.queries import read_summary
from vibecore.views.export import export_tables
from vibecore.views.precision_words import (
    HEADS,
    described,
    described_as_list,
    described_config,
    precision_rows,
)
from vibecore.views.tables.metrics import metric_table

MEASURED = {"bits_per_weight": 4.5, "model_bits_per_weight": 6.2381}


def test_the_glossary_has_every_precision_with_its_bits() -> None:
    rows = {row.name: row for row in precision_rows()}
    assert [name for row in rows for name in row.split(", ")] == list(PRECISIONS)
    assert "gptq-int2, gptq-int3, gptq-int4, gptq-int8" in rows
    assert rows["bf16"].bits == "16.00, 16.00"
    assert rows["4bit"].bits.startswith("4.50, ")
    assert rows["as-is"].bits == "as stored"
    assert rows["int4-quanto"].install == "pip install -r requirements-quanto.txt"
    # One column a field; the title and its link stand in one.
    assert len(HEADS) == len(vars(rows["bf16"])) - 1


def test_a_precision_in_a_sentence() -> None:
    assert described(PRECISIONS["8bit"]) == (
        "LLM.int8(), outlier threshold 6.0. Left alone: embeddings, head, norms and biases, in 16 "
        "bit. Calibration: none: scales are computed from the weights alone. Runs on: CPU; NVIDIA "
        "GPU from compute capability 7.5."
    )
    assert described(PRECISIONS["int8-torchao"]).endswith("; needs torchao.")
    lines = described_as_list(["bf16", "4bit"]).splitlines()
    assert [line.split(":")[0] for line in lines] == ["- **bf16**", "- **4bit**"]
    assert all(f"]({PRECISIONS['4bit'].link})" in line for line in lines[1:])


def test_a_config_says_its_bits_where_they_were_measured() -> None:
    row = metric_row("0.5B-4bit", precision="4bit")
    assert described_config(row) == described(PRECISIONS["4bit"])
    measured = replace(row, **MEASURED, stored_as="gguf Q4_K_M")
    assert described_config(measured) == (
        f"{described(PRECISIONS['4bit'])} Its files: gguf Q4_K_M. As loaded: 4.50 bits per weight, "
        "6.24 over the model."
    )
    assert described_config(replace(row, precision="int3-of-somebody")) is None


def test_bits_have_a_column_a_note_and_a_name_to_hover_over() -> None:
    summary = read_summary(DEFAULT_DB, "demo")
    rows = [replace(row, **MEASURED) for row in summary.rows]
    assert "bits_per_weight" in {metric.name for metric in known_metrics(rows)}
    table = metric_table(replace(summary, rows=rows), lambda config: {})
    place = [column["label"] for column in table["columns"]].index("bits")
    cells = table["rows"][0]["cells"]
    assert (cells[place]["text"], cells[place]["note"]) == ("4.50", "model 6.24")
    assert "4.50 bits per weight" in cells[0]["full"]


def test_a_study_without_measured_bits_has_no_column_and_is_exported_without_them() -> None:
    metric = next(one for one in METRICS if one.name == "bits_per_weight")
    rows = read_summary(DEFAULT_DB, "published").rows
    assert not any(metric.is_known(row) for row in rows)
    first = json.loads(export_tables(DEFAULT_DB, "published")["summary.json"])[0]
    assert first["bits_per_weight"] is None and first["model_bits_per_weight"] is None
