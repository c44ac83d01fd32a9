"""Two studies compared: what is comparable is judged, what is not is listed with its reason."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from vibecore import store
from vibecore.analysis.claims.evidence import EvidenceRow
from vibecore.analysis.comparison import StudyComparison
from vibecore.core.errors import InputError
from vibecore.core.records import Generation, LoadReport, Protocol
from vibecore.scoring import SCORER_VERSION, load_suite, score_output
from vibecore.studies.claims import compare_studies
from vibecore.studies.published import add_published

CONFIGS = ("0.5B-bf16", "0.5B-4bit")
LOOP = "and the rest was the same " * 30


def add_study(
    db: Path,
    name: str,
    *,
    seconds: float = 1.0,
    loops: int = 0,
    prompts: slice = slice(None),
    weight_bytes: int = 1000,
    protocol: Protocol | None = None,
    scorer_version: int = SCORER_VERSION,
    identities: dict[str, str] | None = None,
    source: str = "made",
    asked: dict[str, dict[str, object]] | None = None,
) -> None:
    """A study of two configs that write the same, but loop on the first `loops` prompts.
    `identities` are of their weights, and `asked` how their prompts were, by config."""
    suite = load_suite("vibe30").prompts[prompts]
    protocol = protocol or Protocol()
    study = store.NewStudy(
        name, "measured", name, "vibe30", suite, len(suite), protocol, hardware=f"machine {name}"
    )
    runs = [
        store.NewRun(
            config,
            *config.split("-"),
            source=source,
            weights=protocol.weights,
            weights_sha256=(identities or {}).get(config),
        )
        for config in CONFIGS
    ]
    with store.writing(db) as connection:
        run_ids = store.create_study(connection, study, runs)
        for config, run_id in run_ids.items():
            environment = {"device": "cpu", **(asked or {}).get(config, {})}
            store.start_run(
                connection, run_id, LoadReport(0.1, weight_bytes, "bfloat16", environment)
            )
            for index, prompt in enumerate(suite):
                text = LOOP if index < loops else f"A short answer to {prompt.id}."
                generation = Generation(
                    text=text,
                    token_ids=tuple(range(40 + index + (7 if index < loops else 0))),
                    prompt_tokens=9,
                    finish_reason="length",
                    first_token_seconds=0.1,
                    total_seconds=seconds
                    * random.Random(f"{name} {seconds} {index}").uniform(1, 1.07),
                    peak_memory_bytes=10,
                    batch_size=protocol.batch_size,
                )
                row = (prompt.id, store.generation_row(generation), score_output(prompt, text))
                store.add_generations(connection, run_id, index, [row], scorer_version)
            store.finish_run(connection, run_id, "complete")


def measured(found: StudyComparison, measure: str, config: str = CONFIGS[0]) -> EvidenceRow:
    return next(row for row in found.rows if (row.measure, row.compared) == (measure, config))


def test_the_same_study_twice_is_the_same(db: Path) -> None:
    add_study(db, "one")
    add_study(db, "two")
    found = compare_studies(db, "one", "two")
    assert measured(found, "speed").verdict == "equivalent"
    assert measured(found, "memory").verdict == "same"
    assert measured(found, "repetitive").verdict in ("equivalent", "not resolved")
    assert measured(found, "identical outputs").figures == "30/30"
    assert found.left_out == ()
    assert found.differences == ("hardware: machine one then machine two",)


def test_another_attention_on_the_gpu_is_listed_and_an_older_run_took_torchs_choice(
    db: Path,
) -> None:
    def on_gpu(**more: object) -> dict[str, dict[str, object]]:
        return {config: {"device": "cuda", **more} for config in CONFIGS}

    backends = ["flash", "efficient", "math"]
    add_study(db, "older", asked=on_gpu())
    add_study(db, "newer", asked=on_gpu(attention_backends=backends))
    add_study(db, "again", asked=on_gpu(attention_backends=backends))
    add_study(db, "cpu")

    def said(first: str, second: str) -> list[str]:
        found = compare_studies(db, first, second).differences
        return [sentence for sentence in found if "attention" in sentence]

    assert said("older", "newer") == [
        "attention on the GPU: torch's choice, cuDNN's included then flash, efficient, math"
    ]
    assert said("newer", "again") == []
    assert said("older", "cpu") == [], "its hardware says it"


def test_what_changed_is_judged_config_by_config(db: Path) -> None:
    add_study(db, "one")
    add_study(db, "two", seconds=2.0, loops=15, weight_bytes=1500)
    found = compare_studies(db, "one", "two")
    assert {row.compared for row in found.rows} == set(CONFIGS)
    speed = measured(found, "speed")
    assert speed.verdict == "worse"
    assert "one run each" in speed.method
    repetition = measured(found, "repetitive")
    assert (repetition.verdict, repetition.figures) == ("worse", "15/30 v 0/30")
    assert repetition.method == "exact McNemar"
    assert measured(found, "memory").verdict == "more"
    assert measured(found, "identical outputs").figures == "15/30"
    back = compare_studies(db, "two", "one")
    assert measured(back, "repetitive").verdict == "better"


def test_another_database(db: Path, tmp_path: Path) -> None:
    add_study(db, "one")
    other = tmp_path / "other.duckdb"
    store.prepare(other)
    add_study(other, "one", seconds=2.0)
    found = compare_studies(db, "one", "one", other)
    assert measured(found, "speed").verdict == "worse"


def test_only_shared_prompts_count(db: Path) -> None:
    add_study(db, "all", loops=15)
    add_study(db, "half", prompts=slice(10, 25))
    found = compare_studies(db, "all", "half")
    assert measured(found, "repetitive").figures == "0/15 v 5/15"
    assert measured(found, "speed").n == 15
    assert any("15 the same word for word" in sentence for sentence in found.differences)


@pytest.mark.parametrize(
    ("protocol", "quality", "speed"),
    [
        (Protocol(max_new_tokens=100), False, False),
        (Protocol(batch_size=30), True, False),
        (Protocol(engine="graph"), True, True),
        (Protocol(weights="dummy"), False, True),
    ],
)
def test_what_does_not_compare_is_left_out_and_said(
    db: Path, protocol: Protocol, quality: bool, speed: bool
) -> None:
    add_study(db, "one")
    add_study(db, "two", protocol=protocol)
    found = compare_studies(db, "one", "two")
    measures = {row.measure for row in found.rows}
    assert ("repetitive" in measures) == quality
    assert any(s.startswith("Quality is not compared") for s in found.left_out) != quality
    assert ("speed" in measures) == speed
    assert any(s.startswith("Speed is not compared") for s in found.left_out) != speed
    assert len(found.differences) > 1, "what differs is listed"


def test_two_models_of_one_name_are_not_one(db: Path) -> None:
    """Fine-tunes in folders of one name: the same config id, other weights."""
    same, other = CONFIGS
    add_study(db, "one", identities={same: "a" * 64, other: "b" * 64}, source="/first/0.5B")
    add_study(db, "two", identities={same: "a" * 64, other: "c" * 64}, source="/second/0.5B")
    found = compare_studies(db, "one", "two")
    assert {row.compared for row in found.rows} == {same}, "wherever equal weights are"
    [sentence] = found.left_out
    for part in (other, "not the same model", "/first/0.5B", "b" * 12, "/second/0.5B", "c" * 12):
        assert part in sentence
    add_study(db, "three", identities=dict.fromkeys(CONFIGS, "d" * 64))
    none = compare_studies(db, "one", "three")
    assert none.rows == ()
    assert len(none.left_out) == 2


def test_where_an_identity_is_missing_the_source_decides(db: Path) -> None:
    add_study(db, "old", source="Qwen/Qwen2.5-0.5B")
    add_study(db, "new", source="Qwen/Qwen2.5-0.5B", identities=dict.fromkeys(CONFIGS, "a" * 64))
    add_study(db, "own", source="/folder/0.5B", identities=dict.fromkeys(CONFIGS, "a" * 64))
    assert compare_studies(db, "old", "new").left_out == ()
    assert compare_studies(db, "new", "own").left_out == ()
    assert compare_studies(db, "old", "own").rows == ()


def test_prompts_asked_in_another_way_give_no_verdict_on_quality(db: Path) -> None:
    one, other = CONFIGS
    chat = {"chat_template": True, "system": None, "thinking": None}
    add_study(db, "plain")
    add_study(db, "chat", asked={one: chat, other: {"chat_template": False}})
    found = compare_studies(db, "plain", "chat")
    quality = {row.compared for row in found.rows if row.measure in ("repetitive", "adherent")}
    assert quality == {other}, "what was asked alike is compared"
    assert {row.compared for row in found.rows if row.measure == "speed"} == set(CONFIGS)
    [sentence] = found.left_out
    assert f"Quality of {one} is not compared" in sentence
    assert "plain text then chat template" in sentence
    brief = {**chat, "system": "Be brief.", "thinking": "off"}
    add_study(db, "brief", asked=dict.fromkeys(CONFIGS, brief))
    [sentence] = compare_studies(db, "plain", "brief").left_out
    assert sentence.startswith("Quality is not compared: prompts were asked in another way")
    assert "plain text then chat template, own system text, thinking off" in sentence
    longer = {**brief, "system": "Be long."}
    add_study(db, "long", asked=dict.fromkeys(CONFIGS, longer))
    [sentence] = compare_studies(db, "brief", "long").left_out
    assert "“Be brief.” then “Be long.”" in sentence


def test_other_scorers_are_not_compared(db: Path) -> None:
    add_study(db, "old", scorer_version=SCORER_VERSION - 1)
    add_study(db, "new")
    assert any("rescore" in sentence for sentence in compare_studies(db, "old", "new").left_out)


def test_counts_alone_are_not_compared_with_outputs(db: Path) -> None:
    add_published(db)
    add_study(db, "mine")
    found = compare_studies(db, "published", "mine")
    assert "repetitive" not in {row.measure for row in found.rows}
    assert any("counts alone" in sentence for sentence in found.left_out)
    assert all(row.verdict is None for row in found.rows if row.measure == "speed")


def test_what_cannot_be_compared_at_all(db: Path) -> None:
    add_study(db, "one")
    with pytest.raises(InputError, match="compared with itself"):
        compare_studies(db, "one", "one")
    with pytest.raises(InputError, match="no study 'none'"):
        compare_studies(db, "one", "none")
