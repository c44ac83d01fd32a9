"""What is said of a study's models and of how they were asked: once where configs agree, row by row
where they differ, in words that fit the kind of model."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support import several_models as made
from tests.support.metric_rows import metric_row
from tests.support.rows import row_of
from vibecore.analysis.asked import ModelAsked, model_asked
from vibecore.core.rows import RunRow
from vibecore.studies.published import add_published
from vibecore.studies.queries import list_studies, read_outputs, read_runs, read_summary
from vibecore.views.cards import output_card
from vibecore.views.export import export_study
from vibecore.views.models_asked import (
    agreed_facts,
    asking_notes,
    asking_warnings,
    model_column,
)
from vibecore.views.report import make_report
from vibecore.views.study_facts import study_facts
from vibecore.views.study_order import beside, in_order, opens_with
from vibecore.views.tables.metrics import metric_table
from vibecore.views.terminal import metrics_table


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = made.build(tmp_path_factory.mktemp("asked") / "asked.duckdb")
    add_published(path)
    return path


def asked(model: str = "A", **known: object) -> ModelAsked:
    return ModelAsked(config=f"{model}-bf16", model=model, precision="bf16", **known)


def run_row(**known: object) -> RunRow:
    fields = {"config": "A-bf16", "model": "A", "precision": "bf16", "weights": "local"}
    return row_of(RunRow, **{**fields, "environment": {}, "benched": False, **known})


@pytest.mark.parametrize(
    ("known", "words"),
    [
        ({"environment": {"chat_template": True}}, "chat template"),
        ({"environment": {"chat_template": False, "thinking": None}}, "plain text"),
        # Before it was recorded, nothing else was possible.
        ({"environment": {"device": "cpu"}}, "plain text"),
        (
            {"environment": {"chat_template": True, "system": "Be brief.", "thinking": "off"}},
            "chat template, own system text, thinking off",
        ),
        (
            {"environment": {"chat_template": True, "system": ""}},
            "chat template, empty system text",
        ),
        ({"environment": {}}, None),
        ({"environment": {"device": "cpu"}, "benched": True}, None),
        ({"environment": {"chat_template": False}, "weights": "dummy"}, None),
    ],
)
def test_how_a_run_asked_in_words(known: dict, words: str | None) -> None:
    assert model_asked(run_row(**known)).asked == words


def test_the_architecture_is_what_the_run_recorded() -> None:
    described = {"model_type": "qwen2", "parameters": 494_032_768}
    found = model_asked(run_row(environment={"architecture": described}))
    assert (found.architecture, found.parameters) == ("qwen2", 494_032_768)
    assert model_asked(run_row(environment={"architecture": None})).parameters is None


def test_weights_are_named_with_what_they_ran_as() -> None:
    gguf = asked(stored_as="gguf Q4_K_M")
    assert gguf.stored == "gguf Q4_K_M → bf16"
    assert replace(gguf, precision="as-is", stored_as="bitsandbytes NF4").stored == (
        "as-is: bitsandbytes NF4"
    )
    assert asked().stored is None
    assert asked(weights_sha256="0123456789abcdef").identity == "SHA-256 0123456789ab"


def test_the_sentence_on_base_models_is_for_base_models_alone() -> None:
    base = asked("B", kind="base", asked="plain text", chat_template=False)
    instruct = asked("I", kind="instruct", asked="chat template", chat_template=True)
    [note] = asking_notes([base, instruct])
    assert note.startswith("B is a base model, asked in plain text. ")
    assert "I " not in note
    assert asking_notes([instruct]) == []
    assert asking_warnings([base, instruct]) == []
    both = asking_notes([base, replace(base, config="C-bf16", model="C")])
    assert both[0].startswith("B and C are base models, asked in plain text. ")


def test_an_instruct_model_without_its_template_is_a_warning_with_the_measured_effect() -> None:
    instruct = asked("I", kind="instruct", asked="plain text", chat_template=False)
    thinking = asked("T", kind="thinking", asked="plain text", chat_template=False)
    first, second = asking_warnings([instruct, thinking, asked("B", kind="base")])
    assert first.startswith("I is an instruct model, asked without its chat template")
    assert "16 of 30" in first
    assert "1 of 30 with it" in first
    assert second.startswith("T is a thinking model")
    assert asking_warnings([asked("I", kind="instruct")]) == []


def test_demo_and_random_weights_are_said_to_be_so() -> None:
    assert "judge nothing about Qwen" in asking_notes([asked(weights="demo", kind="base")])[0]
    assert len(asking_notes([asked(weights="demo", kind="base")])) == 1
    assert "random numbers" in asking_notes([asked(weights="dummy")])[0]


def test_formats_of_other_checkpoints_are_said_to_be_so() -> None:
    shape = {"architecture": "qwen2", "parameters": 494_032_768}
    folder = asked("0.5B", weights_sha256="a" * 64, **shape)
    half = replace(folder, config="0.5B-4bit", precision="4bit")
    file = asked("0.5b-q4_k_m", weights_sha256="b" * 64, stored_as="gguf Q4_K_M", **shape)
    file = replace(file, config="0.5b-q4_k_m-as-is", precision="as-is")
    assert asking_notes([folder, half, file]) == [
        "0.5B and 0.5b-q4_k_m have the same architecture and number of parameters, and other "
        "weights: what differs between them may be the checkpoint and not the format."
    ]
    # Dequantised, it is still a format of its own.
    assert len(asking_notes([folder, replace(file, precision="bf16")])) == 1
    for other in (
        replace(file, weights_sha256="a" * 64),
        replace(file, weights_sha256=None),
        replace(file, parameters=1_543_714_304),
        replace(file, architecture="llama"),
        replace(file, model="0.5B"),
        replace(file, parameters=None),
    ):
        assert asking_notes([folder, half, other]) == []
    # Two models at the same precisions are compared as models.
    coder = replace(folder, config="Coder-bf16", model="Coder", weights_sha256="c" * 64)
    assert asking_notes([folder, half, coder]) == []
    [note] = asking_notes([folder, half, coder, file])
    assert note.startswith("0.5B, Coder and 0.5b-q4_k_m have the same")


def test_what_configs_agree_on_is_said_once(studies: Path) -> None:
    summary = read_summary(studies, "several")
    assert model_column(summary.rows) is None
    assert agreed_facts(summary.rows) == {
        "kind": "instruct",
        "asked": "chat template",
        "weights": "gguf Q4_K_M → bf16, 4bit",
    }
    assert study_facts(summary.study, summary.rows)["weights"] == "gguf Q4_K_M → bf16, 4bit"
    labels = [column["label"] for column in metric_table(summary, lambda config: {})["columns"]]
    assert labels[:2] == ["config", "speed"]
    assert "no answer" not in labels
    assert "numerically broken" not in labels
    assert asking_notes(summary.rows) == []
    assert asking_warnings(summary.rows) == []


def test_where_they_differ_each_row_says_it(studies: Path) -> None:
    summary = read_summary(studies, "mixed")
    rows = {row["config"].split(" ")[0]: row for row in metrics_table(summary.rows)}
    assert rows["Qwen2.5-0.5B-bf16"]["model"] == ("base, plain text, 16 bit, SHA-256 aaaaaaaaaaaa")
    assert rows["Qwen3-0.6B-bf16"]["model"].startswith(
        "thinking, chat template, own system text, thinking on"
    )
    gguf = rows["Qwen2.5-Coder-0.5B-Instruct-Q4_K_M-8bit"]
    assert "gguf Q4_K_M → 8bit" in gguf["model"]
    assert "as-is: bitsandbytes NF4" in rows["SmolLM2-NF4-as-is"]["model"]
    facts = agreed_facts(summary.rows)
    assert facts["kind"] == "base, instruct, thinking"
    assert facts["asked"] == "differs by config"
    assert facts["system text"] == made.SYSTEM
    [warning] = asking_warnings(summary.rows)
    assert "Qwen2.5-Coder-0.5B-Instruct is an instruct model" in warning


def test_a_run_that_has_not_begun_is_no_difference() -> None:
    begun = asked(kind="instruct", asked="chat template", chat_template=True)
    assert model_column([begun, asked("B", kind="instruct")]) is None


def test_broken_and_endless_outputs_are_counted_in_columns_of_their_own(studies: Path) -> None:
    rows = {row.config: row for row in read_summary(studies, "mixed").rows}
    base, thinking = rows["Qwen2.5-0.5B-bf16"], rows["Qwen3-0.6B-bf16"]
    assert (base.non_finite, base.repetition_judged, base.prompts) == (1, 29, 30)
    assert (thinking.no_answer, thinking.empty, thinking.non_finite) == (1, 1, 0)
    table = metrics_table(list(rows.values()))
    assert table[0]["numerically broken"] == "1/30 · 3 %"
    assert table[0]["no answer"] == "0/30 · 0 %"
    [output] = read_outputs(studies, "mixed", made.BROKEN_PROMPT, base.config)
    assert (output.text, output.words, output.constraints) == ("!!!!", None, [])
    [output] = read_outputs(studies, "mixed", made.ENDLESS_PROMPT, thinking.config)
    assert (output.empty, output.adherent, output.reasoning) == (True, False, made.REASONING)


def test_cards_fold_the_prompt_and_the_reasoning_and_say_why_there_is_no_answer(
    studies: Path,
) -> None:
    [endless] = read_outputs(studies, "mixed", made.ENDLESS_PROMPT, "Qwen3-0.6B-bf16")
    card = output_card(endless, "bf16")
    assert [fold["name"] for fold in card["folds"]] == ["prompt", "reasoning"]
    assert card["folds"][0]["text"].startswith("<|im_start|>user\n")
    assert card["folds"][1]["label"] == "Reasoning, not scored, 90 tokens"
    assert "still reasoning" in card["instead"]
    assert card["notice"] == "broken: empty; no answer"
    [broken] = read_outputs(studies, "mixed", made.BROKEN_PROMPT, "Qwen2.5-0.5B-bf16")
    card = output_card(broken, "bf16")
    assert card["text"] == "!!!!"
    assert card["notice"] == "broken: logits not finite, so not scored"
    assert (card["scores"], card["met"]) == ([], None)


def test_differences_are_of_the_answers_alone(studies: Path) -> None:
    """The tokens of one model's reasoning are no part of where its answer diverges."""
    [row] = read_outputs(studies, "mixed", "code_001", "Qwen3-0.6B-bf16")
    without = replace(row, config="other", token_ids=row.token_ids[90:], reasoning_tokens=0)
    card = output_card(row, "bf16", marking="difference", baseline=without, same_tokenizer=True)
    assert not any(piece["marks"] or piece["here"] for piece in card["pieces"])


@pytest.mark.parametrize("ending", [".html", ".md"])
def test_the_report_says_it_all(studies: Path, ending: str) -> None:
    several, mixed = (make_report(studies, name, ending) for name in ("several", "mixed"))
    plain = several.replace("\\", "")
    assert "Weights restored from Q4" in plain
    assert "gguf Q4_K_M → bf16, 4bit" in plain.replace("&rarr;", "→")
    assert "SHA-256 6a1a2eb6d156" in plain
    assert "base model" not in several.partition("How it was measured")[0]
    assert "asked without its chat template" in mixed
    assert "is a base model" in mixed
    assert "<b>" not in several
    if ending == ".html":
        assert "Prompt as the model was asked" in mixed
        assert "Reasoning, not scored" in mixed
        assert "&lt;|im_start|&gt;user" in mixed


def test_exports_carry_it(studies: Path, tmp_path: Path) -> None:
    export_study(studies, "mixed", tmp_path)
    rows = json.loads((tmp_path / "summary.json").read_text("utf-8"))
    thinking = rows[2]
    assert (thinking["kind"], thinking["thinking"], thinking["system"]) == (
        *("thinking", "on"),
        made.SYSTEM,
    )
    assert thinking["asked"] == "chat template, own system text, thinking on"
    assert (rows[3]["stored_as"], rows[3]["weights_sha256"]) == ("gguf Q4_K_M", "dd")
    header = (tmp_path / "summary.csv").read_text("utf-8").splitlines()[0]
    assert {"kind", "asked", "stored_as", "weights_sha256", "source"} <= set(header.split(","))
    outputs = [json.loads(x) for x in (tmp_path / "outputs.jsonl").read_text().splitlines()]
    assert {"rendered_prompt", "reasoning", "reasoning_tokens"} <= outputs[0].keys()
    assert json.loads((tmp_path / "runs.json").read_text("utf-8"))[0]["kind"] == "base"
    assert "asked without its chat template" in (tmp_path / "summary.md").read_text("utf-8")
    export_study(studies, "several", tmp_path / "noted")
    study = json.loads((tmp_path / "noted" / "study.json").read_text("utf-8"))
    assert study["note"] == made.NOTE


def test_a_config_that_breaks_on_half_of_its_prompts_is_not_chosen() -> None:
    from vibecore.analysis import find_sweet_spot

    broken = metric_row("A", non_finite=15, broken=15, memory_bytes=1)
    choice = find_sweet_spot([broken, metric_row("B")])
    assert choice.config == "B"
    assert choice.excluded["A"].startswith("15 of 30 outputs are broken (15 numerically broken)")


def test_the_real_study_is_named_beside_the_published_one(studies: Path) -> None:
    names = [row.name for row in list_studies(studies)]
    assert in_order(names) == ["published", "several", "mixed"]
    assert opens_with(names) == "published"
    names.append("qwen2.5-coder")
    assert in_order(names) == ["published", "qwen2.5-coder", "several", "mixed"]
    assert opens_with(names) == "qwen2.5-coder"
    assert beside("several", names) == "published"
    assert beside("published", names) == "qwen2.5-coder"
    assert beside("published", ["published"]) is None
    assert opens_with(["b", "a"]) == "b"


def test_runs_say_what_their_weights_are(studies: Path) -> None:
    first = read_runs(studies, "several")[0]
    assert (first.kind, first.stored_as, first.weights_sha256) == (
        *("instruct", "gguf Q4_K_M"),
        "6a1a2eb6d15622bf",
    )
