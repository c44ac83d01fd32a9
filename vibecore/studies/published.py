"""The published study as it was reported: aggregates and two outputs, nothing filled in.

Source: `vibecore/studies/published_data/`. What the report does not give stays null:
memory, timings, finish reasons, and every output but two.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from vibecore import store
from vibecore.catalog.models import MODELS, Config
from vibecore.catalog.precisions import PRECISIONS
from vibecore.catalog.suites import Prompt
from vibecore.scoring import SCORER_VERSION, Score, load_suite, score_output
from vibecore.scoring.judge import EXECUTING, READS_CODE

DATA = Path(__file__).resolve().parent / "published_data"
STUDY = "published"
SUITE = "vibe30"


def add_published(db: Path) -> None:
    """Write the study `published` into a prepared database."""
    report = json.loads((DATA / "study.json").read_text(encoding="utf-8"))
    samples = read_samples()
    prompts = {prompt.id: _only_read(prompt) for prompt in load_suite(SUITE).prompts}
    known = {sample["prompt_id"] for sample in samples}
    rows = [dict(zip(report["columns"], values, strict=True)) for values in report["rows"]]
    study = store.NewStudy(
        name=STUDY,
        source="published",
        title=report["study"],
        suite="published, 30 prompts of which one is known",
        prompts=tuple(prompt for prompt in prompts.values() if prompt.id in known),
        prompt_count=report["prompts"],
        protocol=None,
        hardware=report["hardware"]["gpu"],
        note=study_note(report),
    )
    configs = [Config(MODELS[row["model"]], PRECISIONS[row["precision"]]) for row in rows]
    runs = [
        store.NewRun(
            config=config.id,
            model=config.model.name,
            precision=config.precision.name,
            source=report["models"][config.model.name],
            weights="hub",
            estimated_weight_bytes=config.estimated_weight_bytes,
            status="complete",
        )
        for config in configs
    ]
    with store.writing(db) as connection:
        run_ids = store.create_study(connection, study, runs)
        for config, row in zip(configs, rows, strict=True):
            figures = {
                "prompts": report["prompts"],
                "tokens_per_second": row["tokens_per_second"],
                "repetitive": row["repetitive_outputs"],
                "empty": row["empty_outputs"],
                "adherent_prompts": row["adherent_prompts"],
            }
            store.add_aggregate(connection, run_ids[config.id], figures)
        for sample in samples:
            prompt = prompts[sample["prompt_id"]]
            generation = {
                "text": sample["text"],
                "new_tokens": sample["published"]["new_tokens"],
            }
            score = score_sample(prompt, sample["text"])
            store.add_generations(
                connection,
                run_ids[sample["config"]],
                0,
                [(prompt.id, generation, score)],
                SCORER_VERSION,
            )


def score_sample(prompt: Prompt, text: str) -> Score:
    """The scores of a published output.

    Where the report says that publication changed its text (`note`), no check of its code is
    judged: they would judge the print, not what the model wrote. Such a verdict is `skipped`, and
    says why.
    """
    score = score_output(prompt, text)
    notes = {sample["text"]: sample["published"].get("note") for sample in read_samples()}
    note = notes.get(text)
    if note is None:
        return score
    why = f"not meaningful for this output: {note}"
    return replace(
        score,
        constraints=tuple(
            replace(verdict, status="skipped", status_loose=None, explanation=why)
            if verdict.check in READS_CODE
            else verdict
            for verdict in score.constraints
        ),
    )


def _only_read(prompt: Prompt) -> Prompt:
    """The prompt without the constraints that run code: the published study ran none."""
    read = tuple(item for item in prompt.constraints if item.check not in EXECUTING)
    return replace(prompt, constraints=read)


def study_note(report: dict[str, Any]) -> str:
    """What a reader of the study has to know: how it was made, and what it does not give."""
    return (
        f"{report['backend']}. {report['decoding'].capitalize()}. Adherent prompts are counted "
        "back from the published percentages, each a whole number of thirtieths. The report "
        "gives no memory figures and, but for two samples, no outputs."
    )


def read_samples() -> list[dict[str, Any]]:
    """The two published outputs with the figures the report gives for them."""
    lines = (DATA / "samples.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line.strip()]
