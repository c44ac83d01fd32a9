"""The pages, driven by AppTest: what they show for each kind of study, and no traceback ever."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet
from streamlit.testing.v1 import AppTest

from pages.parts import downloads, page_table
from tests.support import dashboard_database as made
from tests.support.pages import component, html, revisit, table, visit, warnings
from vibecore import store
from vibecore.core.paths import DATABASE_VARIABLE, DEFAULT_DB, database_path
from vibecore.live.launch import manage
from vibecore.studies.queries import read_outputs, read_summary

# Those that show a study; a new page is among them by its line in the table.
PAGES = [page for page in page_table.PAGES if page not in page_table.ACTING]
STUDIES = ("published", "varied", "speed-only")
Use = Callable[[Path], None]


@pytest.fixture(autouse=True)
def shown(studies: Path, use: Use) -> None:
    """The dashboard shows the studies, unless a test uses another database."""
    use(studies)


def cells(app: AppTest, config: str) -> dict[str, dict[str, Any]]:
    table = component(app, "metrics")
    row = next(row for row in table["rows"] if row["id"] == config)
    return dict(zip((c["label"] for c in table["columns"]), row["cells"], strict=True))


@pytest.mark.parametrize("study", STUDIES)
@pytest.mark.parametrize("page", PAGES)
def test_every_page_shows_every_study(page: str, study: str) -> None:
    app = visit(page, study=study)
    assert not app.error
    assert app.selectbox(key="study").value == study
    assert "<h1" in html(app)


def test_metrics_are_the_published_ones() -> None:
    app = visit()
    shown = cells(app, "0.5B-bf16")
    assert shown["speed"]["text"] == "23.6"
    assert shown["vs bf16"]["text"] == "baseline"
    assert shown["repetitive"]["text"] == "13/30 · 43 %"
    assert shown["repetitive"]["note"] == "27–61 %"
    assert shown["constraints"]["text"] == "–"
    assert shown["memory"]["text"] == "0.92 GiB"
    assert shown["memory"]["note"].startswith("estimated, needs 1.")
    assert cells(app, "1.5B-4bit")["vs bf16"]["text"] == "−9 %"


def test_the_sweet_spot_is_marked_in_colour_and_words() -> None:
    app = visit()
    marked = [row for row in component(app, "metrics")["rows"] if row["marked"]]
    assert [row["id"] for row in marked] == ["1.5B-4bit"]
    assert marked[0]["cells"][0]["badge"] == "sweet spot"
    assert "Sweet spot: 1.5B-4bit" in html(app)
    reasons = {config: cells[1]["text"] for config, cells in table(app, "excluded").items()}
    assert len(reasons) == 5
    assert reasons["1.5B-8bit"] == "9.0 tok/s is under 85 % of the 18.8 of 1.5B-bf16"


@pytest.mark.parametrize(
    ("query", "choice", "clause"),
    [
        ({"cap": "2"}, "1.5B-4bit", "Memory cap (now 2 GiB)"),
        ({"floor": "95"}, "1.5B-bf16", "no other reaches 95\u00a0% of its speed"),
        ({"cap": "0.3"}, None, "Nothing good fits in 0.3\u00a0GiB"),
        ({"cap": "nonsense", "floor": "900", "alpha": "2"}, "1.5B-4bit", "level α (now 0.05)"),
    ],
)
def test_the_address_sets_the_rule(query: dict[str, str], choice: str | None, clause: str) -> None:
    app = visit(**query)
    marked = [row["id"] for row in component(app, "metrics")["rows"] if row["marked"]]
    assert marked == ([choice] if choice else [])
    assert clause in html(app)


def test_the_controls_set_the_rule_and_the_address() -> None:
    app = visit()
    app.number_input(key="cap").set_value(1.0).run()
    assert "No sweet spot</strong>" in html(app)
    assert app.query_params == {"study": "published", "cap": "1"}
    app.selectbox(key="alpha").set_value(0.01).run()
    assert app.query_params["alpha"] == "0.01"


def test_a_study_with_everything_is_told_as_it_is() -> None:
    app = visit(study="varied")
    assert cells(app, made.FAILED)["config"]["note"] == "failed"
    assert cells(app, made.UNFINISHED)["config"]["note"] == "in progress, 3 prompts so far"
    reasons = {config: cells[1]["text"] for config, cells in table(app, "excluded").items()}
    assert reasons[made.FAILED] == f"failed: {made.HOSTILE_ERROR}"


def test_dummy_weights_have_speed_and_no_quality() -> None:
    shown = cells(visit(study="speed-only"), "1M-bf16")
    assert shown["speed"]["text"] == "300.0"
    assert shown["repetitive"]["text"] == "–"
    assert "random weights" in shown["config"]["note"]
    cards = component(visit("outputs", study="speed-only"), "cards")["cards"]
    assert "only speed and memory" in cards[0]["instead"]


def test_outputs_of_a_deep_link() -> None:
    app = visit("outputs", study="varied", prompt="code_002", configs=["1M-4bit", "5M-bf16"])
    shown = component(app, "cards")
    assert shown["prompt"]["id"] == "code_002"
    assert [card["config"] for card in shown["cards"]] == ["1M-4bit", "5M-bf16"]
    good = shown["cards"][1]
    assert good["met"] == "3 of 3 constraints met"
    # Its code is not run: that one is skipped, and the others decide.
    assert {verdict["status"] for verdict in good["verdicts"]} == {"pass", "skipped"}
    assert all(verdict["explanation"] for verdict in good["verdicts"])
    assert "ended by itself" in good["facts"]


def test_what_an_address_asks_for_in_vain_is_told() -> None:
    app = visit(study="varied", floor="fast", alpha="0.05", cap="-1")
    assert warnings(app) == "Not usable in this address, and left out: cap=-1; floor=fast."
    assert not app.run().warning
    assert not visit(study="varied", floor="70").warning
    app = visit(study="varied", floor=["70", "80"])
    assert warnings(app).endswith("left out: floor=80.")


def test_one_config_of_several_that_is_not_there_is_told() -> None:
    app = visit("outputs", study="varied", configs=["1M-bf16", "9B-bf16"])
    assert warnings(app).endswith("left out: configs=9B-bf16.")
    assert app.multiselect(key="configs").value == ["1M-bf16"]


def test_a_loop_is_marked_where_it_begins() -> None:
    app = visit("outputs", study="varied", prompt=made.LOOP_PROMPT, configs=["1M-8bit"])
    card = component(app, "cards")["cards"][0]
    assert card["notice"].startswith("broken: repetitive, loops after")
    assert "".join(piece["text"] for piece in card["pieces"]) == made.LOOP
    assert [piece["here"] for piece in card["pieces"] if piece["here"]]
    assert any("repeated" in piece["marks"] for piece in card["pieces"])


def test_filters_buttons_and_their_ends() -> None:
    app = visit("outputs", study="varied", configs=["1M-bf16"], category="code")
    listed = [row["id"] for row in component(app, "cards")["list"]["rows"]]
    assert listed == ["code_001", "code_002"]
    assert app.button(key="previous").disabled
    assert not app.button(key="next").disabled
    app = revisit(app, study="varied", configs=["1M-bf16"], category="code", prompt="code_002")
    assert not app.button(key="previous").disabled
    assert app.button(key="next").disabled


@pytest.mark.parametrize(
    ("query", "listed"),
    [
        ({"show": "broken", "configs": ["1M-bf16"]}, ["reasoning_001", "reasoning_002"]),
        ({"show": "broken", "configs": ["5M-bf16"]}, ["reasoning_001"]),
        ({"search": "ONERROR", "configs": ["1M-bf16"]}, ["creative_001"]),
        ({"failing": "has_docstring", "configs": ["5M-bf16"]}, []),
        ({"failing": "has_docstring", "configs": ["1M-bf16"]}, ["code_001"]),
        (
            {"show": "differ", "category": "code", "configs": ["1M-bf16", "5M-bf16"]},
            ["code_001", "code_002"],
        ),
        ({"show": "differ", "configs": ["1M-bf16", "1M-4bit"]}, []),
        (
            {"show": "differ in broken", "configs": ["1M-bf16", "5M-bf16"]},
            ["reasoning_002"],
        ),
        (
            {"show": "differ in text", "configs": ["1M-8bit", "1M-4bit"], "category": "reasoning"},
            ["reasoning_002"],
        ),
        (
            {"show": "differ in adherence", "configs": ["1M-bf16", "1M-8bit"], "category": "code"},
            [],
        ),
    ],
)
def test_each_filter(query: dict[str, Any], listed: list[str]) -> None:
    app = visit("outputs", study="varied", **query)
    assert [row["id"] for row in component(app, "cards")["list"]["rows"]] == listed
    if not listed:
        assert "No prompt matches" in html(app)


def test_a_difference_names_the_first_token() -> None:
    app = visit(
        "outputs",
        study="varied",
        prompt="code_002",
        configs=["1M-bf16", "1M-4bit"],
        mark="difference",
        baseline="1M-bf16",
    )
    same, other = component(app, "cards")["cards"]
    assert not any(piece["marks"] for piece in same["pieces"])
    # "The answer of 1M-4bit …": three words, a token each, are shared.
    assert [p["here"] for p in other["pieces"] if p["here"]] == ["diverges after 3 tokens"]
    assert [p["text"] for p in other["pieces"] if p["marks"]] == ["1M-4bit"]


def test_the_published_study_has_one_prompt_and_labels_its_samples() -> None:
    shown = component(visit("outputs"), "cards")
    assert [card["label"] for card in shown["cards"]] == ["published sample"] * 2
    missing = component(visit("outputs", configs=["0.5B-8bit"]), "cards")["cards"]
    assert missing[0]["instead"] == "No output of this config was published."


def test_nothing_untrusted_is_html_or_markdown() -> None:
    """Texts reach the browser only as component data, or escaped."""
    for page in PAGES:
        app = visit(page, study="varied")
        assert not [element.value for element in app.markdown]
        for raw in ("<script>", "<img"):
            assert raw not in html(app)


def test_changing_the_study_keeps_the_page_whole() -> None:
    app = visit("outputs", study="varied", configs=["5M-bf16"], prompt="code_002")
    app.selectbox(key="study").set_value("published").run()
    assert not app.exception
    assert component(app, "cards")["prompt"]["id"] == "code_001"
    assert app.query_params["study"] == "published"


def test_an_unknown_study_is_said_and_not_obeyed() -> None:
    app = visit(study="![x](http://a.invalid)")
    assert app.selectbox(key="study").value == "published"
    assert "There is no study" in app.warning[0].value
    assert "![x]" not in app.warning[0].value


def test_downloads_of_metrics(studies: Path) -> None:
    files = {
        label: make() for label, make in downloads.metrics(read_summary(studies, "varied")).items()
    }
    assert files["CSV"].startswith("config,")
    assert "\n1M-bf16," in files["CSV"]
    assert "| config |" in files["Markdown"]
    assert "![e]" not in files["Markdown"]
    assert parquet.read_table(io.BytesIO(files["Parquet"])).num_rows == 6
    labels = [button.label for button in visit().main.get("download_button")]
    assert labels == [f"Download {kind}" for kind in downloads.KINDS]


def test_downloads_of_outputs_run_nothing_in_a_spreadsheet(studies: Path) -> None:
    rows = read_outputs(studies, "varied", made.FORMULA_PROMPT)
    files = {label: make() for label, make in downloads.outputs(rows).items()}
    read = list(csv.DictReader(io.StringIO(files["CSV"])))
    assert {row["text"] for row in read} == {"'" + made.FORMULA}
    texts = parquet.read_table(io.BytesIO(files["Parquet"])).column("text").to_pylist()
    assert set(texts) == {made.FORMULA}
    hostile = downloads.outputs(read_outputs(studies, "varied", made.HOSTILE_PROMPT))
    assert "<script>" not in hostile["Markdown"]()
    assert "![image]" not in hostile["Markdown"]()


@pytest.mark.parametrize("page", PAGES)
def test_no_database_says_what_to_do(tmp_path: Path, use: Use, page: str) -> None:
    use(tmp_path / "absent.duckdb")
    app = visit(page)
    assert not app.error
    assert "No study yet" in html(app)
    assert app.code[0].value == (
        f"python -m vibecore run --family demo --db {tmp_path / 'absent.duckdb'}"
    )


def test_an_empty_database_says_what_to_do(tmp_path: Path, use: Use) -> None:
    path = tmp_path / "empty.duckdb"
    store.prepare(path)
    use(path)
    assert "No study yet" in html(visit())


def test_a_file_that_is_no_database_is_an_error_in_words(tmp_path: Path, use: Use) -> None:
    path = tmp_path / "broken.duckdb"
    path.write_text("not a database " * 1000)
    use(path)
    app = visit()
    assert len(app.error) == 1
    assert "Traceback" not in app.error[0].value
    assert "VIBECHECK" in app.error[0].value


def test_a_finished_run_appears_without_a_restart(tmp_path: Path, use: Use) -> None:
    path = tmp_path / "growing.duckdb"
    store.prepare(path)
    use(path)
    app = visit()
    assert "No study yet" in html(app)
    made.add_published(path)
    app.run()
    assert "Sweet spot: 1.5B-4bit" in html(app)


def test_database_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(DATABASE_VARIABLE, raising=False)
    assert database_path() == DEFAULT_DB
    monkeypatch.setenv(DATABASE_VARIABLE, "elsewhere.duckdb")
    assert database_path() == Path("elsewhere.duckdb")


def test_a_study_that_is_gone_is_said(tmp_path: Path, use: Use) -> None:
    path = made.build(tmp_path / "gone.duckdb")
    use(path)
    app = visit("outputs", study="varied")
    app.query_params.clear()
    manage.rename(path, "varied", "elsewhere")
    app.run()
    assert not app.exception
    assert "There is no study 'varied'" in app.warning[0].value
