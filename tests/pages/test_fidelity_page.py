"""The Fidelity page and what other pages show of it, driven by AppTest."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support import dashboard_database as made
from tests.support import several_models
from tests.support.fidelity_rows import add_fidelity
from tests.support.pages import component, visit
from vibecore.core.paths import DATABASE_VARIABLE
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
