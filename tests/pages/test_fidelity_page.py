"""The Fidelity page and what other pages show of it, driven by AppTest."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from html import unescape
from pathlib import Path

import pytest

from tests.support import dashboard_database as made
from tests.support import several_models
from tests.support.fidelity_rows import add_fidelity
from tests.support.pages import component, has_component, html, table, visit
from vibecore import store
from vibecore.core.paths import DATABASE_VARIABLE
from vibecore.views import fidelity as words
from vibecore.views.token_marks import LED_BY, OTHERWISE

COMPARED = ("1M-8bit", "1M-4bit")
SEVERAL_4BIT = f"{several_models.CODER}-4bit"


@pytest.fixture(scope="module")
def measured(studies: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The studies, `varied` and `several` with their fidelity: of a failed config and of an
    unfinished one nothing was measured."""
    path = tmp_path_factory.mktemp("fidelity") / "fidelity.duckdb"
    shutil.copy(studies, path)
    several_models.build(path)
    add_fidelity(path, "varied", skipped=[made.FAILED, made.UNFINISHED])
    add_fidelity(path, "several", text=False)
    return path


@pytest.fixture(autouse=True)
def shown(measured: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DATABASE_VARIABLE, str(measured))


def test_outputs_marks_where_a_config_would_have_chosen_otherwise() -> None:
    configs = ["1M-bf16", *COMPARED, "5M-bf16"]
    app = visit("outputs", study="varied", configs=configs, mark=OTHERWISE, prompt="code_001")
    shown = component(app, "cards")
    assert shown["legend"].startswith("In the place of a config's answer stands its 16-bit")
    cards = {card["config"]: card for card in shown["cards"]}
    assert cards["1M-bf16"]["heading"] == LED_BY
    assert "heading" not in cards["5M-bf16"], "no config of its model was compared here"
    for config in COMPARED:
        card = cards[config]
        assert card["heading"].startswith("1M-bf16's output: another choice at ")
        assert card["text"].startswith("The answer of 1M-bf16 to code_001")
        assert card["folds"][-1]["text"] == made.answer("code_001", config)
        marks = [piece for piece in card["pieces"] if piece["marks"]]
        assert card["heading"].endswith(f"at {len(marks)} of 13 tokens")


def test_outputs_offers_marks_where_there_are_some() -> None:
    app = visit("outputs", study="varied", configs=["5M-4bit"], mark=OTHERWISE)
    assert OTHERWISE in app.selectbox(key="mark").options
    assert component(app, "cards")["legend"].startswith("None of these configs was compared")
    other = visit("outputs", study="mixed")
    assert OTHERWISE not in other.selectbox(key="mark").options


def headings(app) -> list[str]:
    """The page's second headings."""
    return re.findall(r"<h2[^>]*>(.*?)</h2>", html(app))


def test_the_page_says_what_it_is_and_what_it_is_not() -> None:
    said = html(visit("fidelity", study="varied"))
    assert "how much the model changed, not how good it is" in said
    assert "does not rank quality" in said
    assert "arXiv 2606.19558" in said and "arXiv 2407.09141" in said


def test_every_config_has_its_figures_beside_the_noise_floor() -> None:
    app = visit("fidelity", study="varied")
    rows = table(app, "figures")
    assert list(rows) == ["1M-8bit", "1M-4bit"]
    columns = [column["label"] for column in component(app, "figures")["columns"]]
    cells = dict(zip(columns, rows["1M-4bit"], strict=True))
    assert cells["verdict"]["text"] == "above the noise floor"
    assert cells["verdict"]["note"].startswith("p ")
    assert cells["noise floor"]["also"] == "by engine graph"
    assert cells["mean KLD"]["sort"] > 100 * cells["noise floor"]["sort"] > 0
    assert re.fullmatch(r"[\d.]+–[\d.]+", cells["mean KLD"]["note"])
    assert cells["tokens"]["note"] == "8 prompts"
    assert headings(app)[0].startswith("1M-4bit: furthest from its 16-bit parent, mean KLD 0.0")
    floors = {key: cells[2]["text"] for key, cells in table(app, "floors").items()}
    assert floors["1M-bf16 batch"] == "0" and float(floors["1M-bf16 graph"]) > 0
    assert "Measured on a processor, CPU" in html(app)
    assert table(app, "pairs")["1M-4bit 1M-8bit"][2]["text"].startswith("× ")
    assert len(table(app, "spread")) == 2


def test_what_has_no_figures_is_named() -> None:
    said = html(visit("fidelity", study="varied"))
    assert "5M-8bit and 5M-4bit against 5M-bf16: not measured along the parent&#x27;s outputs" in (
        said
    )


def test_a_running_text_is_the_other_reference_and_in_the_address() -> None:
    app = visit("fidelity", study="varied")
    assert "along" not in app.query_params
    app.radio(key="along").set_value("text").run()
    assert app.query_params["along"] == "text"
    assert table(app, "figures")["1M-4bit"][-1]["note"] == "6 chunks"
    assert "over chunks" in html(app)
    assert not any("furthest on" in heading for heading in headings(app)), "no categories"
    # Where one reference alone was measured there is nothing to choose.
    assert not visit("fidelity", study="several").radio


def test_a_row_and_a_flip_open_both_outputs() -> None:
    app = visit("fidelity", study="varied")
    row = next(row for row in component(app, "figures")["rows"] if row["id"] == "1M-4bit")
    assert row["link"]["parameters"] == {
        "study": "varied",
        "configs": ["1M-bf16", "1M-4bit"],
        "mark": OTHERWISE,
    }


def test_the_flips_of_each_config_open_both_outputs() -> None:
    app = visit("fidelity", study="several")
    smol, coder = f"{several_models.SMOL}-4bit", SEVERAL_4BIT
    other = coder if app.selectbox(key="flips").value == smol else smol
    app.selectbox(key="flips").set_value(other).run()
    assert app.query_params["flips"] == other
    flips = component(app, "flip-rows")["rows"]
    assert flips
    for flip in flips:
        link = flip["link"]["parameters"]
        assert link["configs"] == [other.replace("4bit", "bf16"), other]
        assert link["prompt"] == flip["cells"][0]["text"]
        assert link["mark"] == OTHERWISE
        assert {cell["text"] for cell in flip["cells"][-2:]} == {"× fails", "✓ passes"}


def test_flips_are_counted_at_both_levels() -> None:
    app = visit("fidelity", study="varied")
    counts = component(app, "flip-counts")
    labels = [column["label"] for column in counts["columns"]]
    assert labels[1:5] == [
        *("lost prompts", "gained prompts", "lost constraints", "gained constraints")
    ]
    rows = table(app, "flip-counts")
    # A config that failed has no outputs; an unfinished one has three.
    assert list(rows) == ["1M-8bit", "1M-4bit", "5M-4bit"]
    assert rows["5M-4bit"][-1]["note"] == "of 3"
    shown = app.selectbox(key="flips").value
    [found] = [row for row in counts["rows"] if row["id"] == shown]
    flips = sum(int(cell["text"]) for cell in found["cells"][1:5])
    assert len(component(app, "flip-rows")["rows"]) == flips > 0


def test_long_names_are_short_in_charts_and_tables() -> None:
    app = visit("fidelity", study="several")
    cell = table(app, "figures")[SEVERAL_4BIT][0]
    assert len(cell["text"]) < 25 and cell["full"] == SEVERAL_4BIT
    assert SEVERAL_4BIT not in headings(app)[0]
    assert all(len(one["label"]) < 30 for one in component(app, "flip-rows")["columns"])


@pytest.mark.parametrize(
    ("study", "why"),
    [("published", words.NO_OUTPUTS), ("speed-only", words.DUMMY)],
)
def test_a_study_that_can_never_have_it_says_why_and_offers_no_command(
    study: str, why: str
) -> None:
    app = visit("fidelity", study=study)
    assert why in unescape(html(app))
    assert not app.code
    assert not has_component(app, "figures") and not has_component(app, "flip-counts")


def test_a_study_without_it_says_how_to_measure_it(studies: Path, use) -> None:
    use(studies)
    app = visit("fidelity", study="varied")
    assert words.NOT_MEASURED in html(app)
    [code] = app.code
    assert code.value == f"python -m vibecore fidelity --study varied --db {studies}"
    assert "Launch page" in html(app)
    # Flips need nothing but the outputs.
    assert table(app, "flip-counts")
    link = component(app, "flip-rows")["rows"][0]["link"]["parameters"]
    assert "mark" not in link


def test_a_study_without_a_16_bit_config_says_why_not(
    measured: Path, tmp_path: Path, use: Callable[[Path], None]
) -> None:
    path = Path(shutil.copy(measured, tmp_path / "without.duckdb"))
    with store.writing(path) as connection:
        connection.execute(
            "UPDATE run SET precision = '8bit-t0' WHERE precision = 'bf16' AND study_id = "
            "(SELECT study_id FROM study WHERE name = 'varied')"
        )
    use(path)
    app = visit("fidelity", study="varied")
    assert words.NO_PARENT in html(app)
    assert (
        app.code[0]
        .value.splitlines()[0]
        .startswith("python -m vibecore run --extend --config 1M-bf16 --study varied")
    )
    assert not has_component(app, "figures")


def test_every_other_page_shows_a_study_with_fidelity() -> None:
    for page in ("metrics", "charts", "outputs", "compare", "findings", "speed", "about"):
        assert not visit(page, study="varied").error, page
    assert "Fidelity" in {cells[0]["text"] for cells in table(visit("about"), "pages").values()}


def test_metrics_shows_the_interval_and_caps_kld() -> None:
    app = visit("metrics", study="varied")
    heads = [column["label"] for column in component(app, "metrics")["columns"]]
    cells = {name: cells[heads.index("mean KLD")] for name, cells in table(app, "metrics").items()}
    assert re.fullmatch(r"[\d.]+–[\d.]+", cells["1M-4bit"]["note"])
    assert "noise floor" in cells["1M-4bit"]["also"]
    klds = sorted(cell["sort"] for cell in cells.values() if cell["sort"])
    app.number_input(key="kld").set_value(round(klds[0] / 2, 6)).run()
    assert not app.exception
    assert "nats of 16 bit" in unescape(html(app)), "the headline says so"
    assert app.query_params["kld"] == f"{round(klds[0] / 2, 6):g}"
    linked = visit("metrics", study="varied", kld="0.5")
    assert linked.number_input(key="kld").value == 0.5


def test_there_is_no_cap_on_what_was_not_measured() -> None:
    app = visit("metrics", study="published")
    assert "kld" not in [one.key for one in app.number_input]
    assert "KLD cap" not in html(app)
