"""The Findings and Compare pages, and their commands, for every kind of study."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest
from typer.testing import CliRunner

from pages.parts import cached
from tests.analysis.test_comparison import add_study
from tests.support.pages import component, has_component, html, visit
from vibecore import store
from vibecore.analysis.claims import CLAIMS, VERDICTS
from vibecore.cli import app
from vibecore.cli.judging import AUDIT_VERDICTS, bounded
from vibecore.core.errors import InputError
from vibecore.core.paths import DATABASE_VARIABLE, PROJECT_ROOT
from vibecore.studies.claims import read_findings
from vibecore.studies.published import DATA
from vibecore.studies.queries import read_runs
from vibecore.views.charts.findings import KINDS, evidence_figure
from vibecore.views.findings import is_the_reports, whose


def view(page: str, study: str, **query: str) -> AppTest:
    """A page at an address of its own, as a link opens it."""
    shown = visit(page, study=study)
    for name, value in {"study": study, **query}.items():
        shown.query_params[name] = value
    shown.run()
    assert not shown.exception
    return shown


STUDIES = ("published", "varied", "speed-only")


@pytest.fixture(scope="module")
def studies(studies: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("findings")
    database = Path(shutil.copy(studies, folder / "findings.duckdb"))
    add_study(database, "first")
    add_study(database, "second", seconds=2.0, loops=15)
    return database


@pytest.fixture(autouse=True)
def use(studies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DATABASE_VARIABLE, str(studies))


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.parametrize("study", STUDIES)
def test_what_a_study_can_test_stands_beside_the_published_verdict(study: str) -> None:
    shown = visit("findings", study=study)
    assert not shown.error
    table = component(shown, "findings")
    labels = [column["label"] for column in table["columns"]]
    assert labels == list(dict.fromkeys(["claim", study, "published"]))
    ids = [row["id"] for row in table["rows"]]
    assert len(ids) == len(shown.selectbox(key="claim").options)
    if study == "published":
        assert ids == list(CLAIMS)
        assert not has_component(shown, "folded")
    else:
        untestable = "– cannot be tested here"
        assert untestable not in {row["cells"][1]["text"] for row in table["rows"]}
        folded = [row["id"] for row in component(shown, "folded")["rows"]]
        assert sorted([*ids, *folded]) == sorted(CLAIMS)
        assert all(row["cells"][1]["text"] for row in component(shown, "folded")["rows"])
    published = {row["id"]: row["cells"][-1]["text"] for row in table["rows"]}
    assert published["memory-fourfold"] == "✗ contradicted"


def test_the_first_line_says_whose_claims_these_are(studies: Path) -> None:
    def first(study: str) -> str:
        return html(visit("findings", study=study)).partition("</h1>")[2].partition("</p>")[0]

    for study in STUDIES:
        assert "14 claims of the published report about its own six configs" in first(study)
    assert "checked on the figures that it gives" in first("published")
    assert "Nobody made them about 1M and 5M" in first("varied")


def test_random_weights_of_the_reports_architectures_are_not_its_models(studies: Path) -> None:
    runs = read_runs(studies, "published")
    assert is_the_reports(runs)
    measured = [replace(run, published_prompts=None) for run in runs]
    assert "outputs of the same models" in whose(measured)
    dummy = [replace(run, weights="dummy") for run in measured]
    assert not is_the_reports(dummy)
    assert "random weights" in whose(dummy)


def test_the_claim_about_the_sweet_spot_does_not_deny_the_headline() -> None:
    shown = view("findings", "published", claim="4bit-sweet-spot")
    assert "asks another question" in html(shown)
    assert "its answer here is 1.5B-4bit, and this claim does not change it" in html(shown)


def test_a_claim_is_opened_by_its_address() -> None:
    shown = view("findings", "published", claim="memory-fourfold")
    assert "published: contradicted" in html(shown)
    assert "2.6 times" in html(shown)
    rows = component(shown, "rows-published")["rows"]
    assert len(rows) == 2
    unknown = view("findings", "published", claim="nonsense")
    assert unknown.selectbox(key="claim").value == next(iter(CLAIMS))


def test_a_name_with_two_underscores_ends_no_page(
    studies: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Streamlit refuses them in a component's key."""
    db = Path(shutil.copy(studies, tmp_path / "underscores.duckdb"))
    with store.writing(db) as connection:
        connection.execute("UPDATE study SET name = 'a__b___c' WHERE name = 'varied'")
        connection.execute("UPDATE run SET config = 'a__' || config, model = 'a__' || model")
    monkeypatch.setenv(DATABASE_VARIABLE, str(db))
    for page in ("metrics", "outputs", "findings"):
        visit(page, study="a__b___c")


def test_what_pages_import_is_imported_by_one_thread_at_a_time() -> None:
    """The first visitors of a server deadlocked in each other's imports."""
    program = (
        "import sys; from pages.parts import page_table\n"
        "for title in page_table.PAGES.values(): page_table.import_first(title)\n"
        "assert {'vibecore.analysis.claims', 'pages.parts.drawing'} <= set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=PROJECT_ROOT)
    script = (PROJECT_ROOT / "dashboard.py").read_text(encoding="utf-8")
    assert script.index("import_first(") < script.index("page.run()")


def test_a_claim_is_chosen_on_the_page() -> None:
    shown = visit("findings", study="varied")
    shown.selectbox(key="claim").set_value("bf16-tight").run()
    assert not shown.exception
    assert "is tight in 8 GiB" in html(shown)
    assert shown.query_params["claim"] == "bf16-tight"


def test_two_studies_are_compared() -> None:
    shown = view("compare", "second", **{"with": "first"})
    rows = {row["id"]: row["cells"] for row in component(shown, "changes")["rows"]}
    assert rows["0.5B-bf16"][1]["text"] == "worse"
    assert "15/30 v 0/30" in rows["0.5B-bf16"][3]["note"]
    assert "n = 30" in rows["0.5B-bf16"][3]["note"]
    assert "machine first then machine second" in html(shown)


@pytest.mark.parametrize(
    ("study", "other"),
    # The newest that shares a config; of the same suite and configs; of the same configs alone.
    [("published", "second"), ("second", "first"), ("speed-only", "varied")],
)
def test_compare_opens_on_the_study_that_compares_best(study: str, other: str) -> None:
    assert visit("compare", study=study).selectbox(key="with").value == other


def test_studies_without_a_common_config_are_explained() -> None:
    shown = view("compare", "published", **{"with": "varied"})
    assert "No config is in both studies" in html(shown)
    assert not shown.error


def test_a_damaged_file_is_an_error_and_no_other_study_is_advised(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def damaged(*_: object) -> None:
        raise InputError("results.duckdb is damaged.")

    monkeypatch.setattr(cached, "comparison", damaged)
    shown = view("compare", "published", **{"with": "varied"})
    assert [error.value for error in shown.error] == [r"results\.duckdb is damaged\."]
    assert "another study" not in html(shown)


def test_what_is_not_compared_is_said_on_the_page() -> None:
    shown = view("compare", "speed-only", **{"with": "varied"})
    assert "Quality is not compared" in html(shown)


def test_findings_on_the_command_line(studies: Path) -> None:
    found = json.loads(
        run("findings", "--study", "published", "--db", str(studies), "--format", "json")
    )
    assert [one["id"] for one in found] == list(CLAIMS)
    assert found[0]["evidence"][0]["n"] == 30
    arguments = ["findings", "--study", "varied", "--db", str(studies)]
    said = CliRunner().invoke(app, arguments).stderr
    assert "Nobody made them about 1M and 5M" in said
    rows = run("findings", "--study", "varied", "--db", str(studies), "--format", "csv")
    assert len(list(csv.DictReader(io.StringIO(rows)))) == len(CLAIMS)
    assert "scale-wins" in run("findings", "--study", "varied", "--db", str(studies))


def test_audit_on_the_command_line() -> None:
    notes = json.loads(run("audit", str(DATA / "study.json"), "--format", "json"))
    assert list(notes[0]) == ["rule", "verdict", "sentence", "evidence"]
    # Programs read the words of the JSON as they were; a person reads plainer ones.
    assert [note["verdict"] for note in notes[:2]] == [
        "carried by the figures",
        "not testable from this file",
    ]
    table = run("audit", str(DATA / "study.json"), "--format", "md")
    assert "| adherence-level | not testable from this file |" in table
    assert set(AUDIT_VERDICTS) == set(VERDICTS)


def test_report_and_compare_on_the_command_line(studies: Path, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    assert run(
        "report", "--study", "published", "--db", str(studies), "--out", str(out)
    ).strip() == (str(out))
    assert out.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    run("report", "--study", "varied", "--db", str(studies), "--out", str(out))
    page = out.read_text(encoding="utf-8")
    assert "Nobody made them about 1M and 5M" in page
    assert "Claims that this study cannot test, and why" in page
    assert ": cannot be tested here</h3>" not in page
    pair = ("--study", "first", "--study", "second", "--db", str(studies))
    found = json.loads(run("compare", *pair, "--format", "json"))
    assert {row["measure"] for row in found["rows"]} >= {"speed", "memory", "repetitive"}
    assert "1.5B" not in run("compare", *pair)
    alone = CliRunner().invoke(app, ["compare", "--study", "first", "--db", str(studies)])
    assert alone.exit_code != 0


@pytest.mark.parametrize("study", [*STUDIES, "second"])
def test_every_claims_evidence_is_drawn_or_not_there(studies: Path, study: str) -> None:
    for found in read_findings(studies, study):
        assert found.chart in KINDS
        figure = evidence_figure(found.evidence, found.chart)
        drawn = [row for row in found.evidence if row.kind == found.chart]
        if figure.chart is None:
            assert all(row.estimate is None and row.low is None for row in drawn)
        else:
            assert figure.title and figure.description
            figure.chart.to_dict()


def test_json_has_no_infinity() -> None:
    record = {"high": float("inf"), "rows": ({"low": -float("inf"), "n": 3},)}
    assert bounded(record) == {"high": None, "rows": [{"low": None, "n": 3}]}
