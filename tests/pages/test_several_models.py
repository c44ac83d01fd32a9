"""Studies of several real models on the pages: kinds, warnings, notes, prompts as asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import several_models as made
from tests.support.pages import component, html, table, visit, warnings
from vibecore import store
from vibecore.core.paths import DATABASE_VARIABLE
from vibecore.core.records import Protocol
from vibecore.studies.published import add_published


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = made.build(tmp_path_factory.mktemp("models") / "models.duckdb")
    add_published(path)
    return path


@pytest.fixture(autouse=True)
def shown(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DATABASE_VARIABLE, str(models))


@pytest.mark.parametrize("page", ["metrics", "charts", "outputs", "findings", "about", "compare"])
def test_every_page_shows_them_with_the_note_beside(page: str) -> None:
    for study in ("several", "mixed"):
        app = visit(page, study=study)
        assert not app.error
    said = html(visit(page, study="several"))
    assert "Weights restored from Q4_K_M GGUF files" in said
    assert "<b>No</b>" not in said
    assert "gguf Q4_K_M → bf16, 4bit" in said
    assert "chat template" in said


def test_the_warning_is_on_every_page_of_results() -> None:
    for page in ("metrics", "charts", "outputs", "findings", "about"):
        assert "asked without its chat template" in warnings(visit(page, study="mixed")), page
        assert not visit(page, study="several").warning


def test_base_models_are_said_to_be_so_where_they_are() -> None:
    for page in ("metrics", "findings", "about"):
        assert "Qwen2.5-0.5B is a base model" in html(visit(page, study="mixed"))
        assert "is a base model" not in html(visit(page, study="several"))


def test_a_column_says_what_each_model_is() -> None:
    app = visit(study="mixed")
    labels = [column["label"] for column in component(app, "metrics")["columns"]]
    assert labels[:2] == ["config", "model"]
    assert {"no answer", "broken"} <= set(labels)
    cells = table(app, "metrics")["Qwen2.5-Coder-0.5B-Instruct-Q4_K_M-8bit"]
    assert cells[1]["text"] == "instruct"
    assert cells[1]["note"] == "chat template, gguf Q4_K_M → 8bit, SHA-256 dd"


def test_behind_each_output_is_what_was_asked() -> None:
    app = visit(
        "outputs",
        study="mixed",
        prompt=made.ENDLESS_PROMPT,
        configs=["Qwen2.5-0.5B-bf16", "Qwen3-0.6B-bf16"],
    )
    base, thinking = component(app, "cards")["cards"]
    assert [fold["name"] for fold in base["folds"]] == ["prompt"]
    assert "<|im_start|>user" in thinking["folds"][0]["text"]
    assert thinking["folds"][1]["text"] == made.REASONING
    assert "still reasoning" in thinking["instead"]


def test_outputs_lists_what_has_no_answer() -> None:
    app = visit("outputs", study="mixed", show="no answer")
    listed = [row["id"] for row in component(app, "cards")["list"]["rows"]]
    assert listed == [made.BROKEN_PROMPT]
    app = visit("outputs", study="mixed", show="no answer", configs=["Qwen3-0.6B-bf16"])
    listed = [row["id"] for row in component(app, "cards")["list"]["rows"]]
    assert listed == [made.ENDLESS_PROMPT]
    assert warnings(visit("outputs", study="several", show="no answer")).endswith(
        "left out: show=no answer."
    )


def test_about_has_identity_and_decoding() -> None:
    app = visit("about", study="mixed")
    cells = [[cell["text"] for cell in row["cells"]] for row in component(app, "runs")["rows"]]
    assert cells[0][:3] == ["Qwen2.5-0.5B-bf16", "/models/qwen2.5-0.5b", "base, plain text"]
    assert cells[3][3] == "gguf Q4_K_M → 8bit"
    notes = [cell.get("note") for cell in component(app, "runs")["rows"][3]["cells"]]
    assert "SHA-256 dd" in notes
    recorded = {
        row["cells"][0]["text"]: row["cells"][1]["text"]
        for row in component(app, "environment")["rows"]
    }
    assert recorded["decoding arguments"] == "do_sample False, num_beams 1"
    assert recorded["stop tokens"] == "151643, 151645"


def test_the_real_study_opens_first_and_stands_beside_the_published_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "real.duckdb"
    store.prepare(path)
    add_published(path)
    run = store.NewRun("1M-bf16", "1M", "bf16", "demo/1M", "demo")
    with store.writing(path) as connection:
        for name in ("another", "qwen2.5-coder"):
            study = store.NewStudy(name, "measured", name, "suite", (), 0, Protocol())
            store.create_study(connection, study, [run])
    monkeypatch.setenv(DATABASE_VARIABLE, str(path))
    app = visit("findings")
    assert app.selectbox(key="study").value == "qwen2.5-coder"
    assert app.selectbox(key="study").options == ["published", "qwen2.5-coder", "another"]
    labels = [
        c["label"] for c in component(visit("findings", study="published"), "findings")["columns"]
    ]
    assert labels == ["claim", "published", "qwen2.5-coder"]
