"""Fidelity in a report, as HTML and Markdown, and among a study's exported files."""

from __future__ import annotations

import csv
import io
import json
from html import unescape
from pathlib import Path

import pytest

from tests.support import dashboard_database as made
from tests.support.fidelity_rows import add_fidelity
from vibecore import store
from vibecore.views.export import export_tables
from vibecore.views.fidelity import SOURCES, WHAT
from vibecore.views.report import make_report


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = made.build(tmp_path_factory.mktemp("report") / "report.duckdb")
    store.copy_studies(path, path.with_name("without.duckdb"))
    add_fidelity(path, "varied", skipped=[made.FAILED, made.UNFINISHED])
    return path


@pytest.fixture(scope="module")
def without(db: Path) -> Path:
    return db.with_name("without.duckdb")


@pytest.mark.parametrize("ending", [".html", ".md"])
def test_a_report_says_how_far_configs_are_and_what_that_is_not(db: Path, ending: str) -> None:
    text = unescape(make_report(db, "varied", ending)).replace("\\", "")
    assert WHAT in text and SOURCES in text
    assert "Measured on a processor, CPU" in text
    assert "above the noise floor" in text
    assert "1M-bf16 (itself, by graph)" in text
    assert "outputs, " in text and "text, 1,536 tokens" in text
    assert "Flips: verdicts that are not the parent's" in text


def test_its_charts_are_drawn_along_both_references(db: Path) -> None:
    report = make_report(db, "varied", ".html")
    assert 'href="#fidelity"' in report
    part = report.partition('<h2 id="fidelity">')[2].partition('<h2 id="claims">')[0]
    assert part.count("furthest from its 16-bit parent") == 2
    # Along outputs three charts, along a running text, which has no categories, two.
    assert part.count("<figure") == 5


@pytest.mark.parametrize(("ending", "part"), [(".html", 'id="fidelity"'), (".md", "## Fidelity")])
def test_a_report_without_it_has_no_part_on_it(
    db: Path, without: Path, ending: str, part: str
) -> None:
    assert part in make_report(db, "varied", ending)
    assert part not in make_report(without, "varied", ending)


def test_an_export_has_its_figures_and_every_flip(db: Path, without: Path) -> None:
    files = export_tables(db, "varied")
    rows = list(csv.DictReader(io.StringIO(files["fidelity.csv"])))
    alone = {(r["config"], r["reference"]) for r in rows if r["way"] == "alone"}
    assert alone == {(c, r) for c in ("1M-8bit", "1M-4bit") for r in ("outputs", "text")}
    [row] = [r for r in rows if (r["config"], r["reference"]) == ("1M-4bit", "outputs")]
    assert float(row["mean_kld_low"]) < float(row["mean_kld"]) < float(row["mean_kld_high"])
    found = json.loads(files["fidelity.json"])
    assert {part["category"] for part in found[-1]["by_category"]} <= {
        *("code", "creative", "reasoning", "instruction")
    }
    flips = list(csv.DictReader(io.StringIO(files["flips.csv"])))
    assert {flip["level"] for flip in flips} == {"prompts", "constraints"}
    assert all(flip["config"] != flip["against"] for flip in flips)
    other = export_tables(without, "varied")
    assert "fidelity.csv" not in other and "fidelity.json" not in other
    assert other["flips.csv"] == files["flips.csv"], "flips come of the outputs alone"
    assert set(export_tables(db, "published")) == set(other) - {"flips.csv"}
