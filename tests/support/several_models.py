"""Studies of several real models, as fake outputs: long names, long texts, every way of asking.

`several`: two instruct models at two precisions, asked alike, weights restored from GGUF files, a
note. `mixed`: a base model, an instruct model asked without its template, a thinking model, a GGUF
file, an already quantised folder, and outputs that broke numerically or ended in thinking.
"""

from __future__ import annotations

import functools
import tempfile
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from vibecore import store
from vibecore.catalog.suites import Prompt
from vibecore.core.records import FinishReason, Generation, Kind, LoadReport, Protocol
from vibecore.scoring import SCORER_VERSION, load_suite, score_output

CANARY = "canary.invalid"
NOTE = (
    f"Weights restored from Q4_K_M GGUF files, SHA-256 {'6a1a2eb6' * 8} and {'1e8fcd25' * 8}, so "
    f"every config begins from 4 bit. ![x](http://{CANARY}/n.png) <b>No</b> markup here."
)
SMOL, CODER = "SmolLM2-135M-Instruct", "Qwen2.5-Coder-0.5B-Instruct"
BROKEN_PROMPT, ENDLESS_PROMPT, LOOP_PROMPT = "code_002", "reasoning_001", "creative_002"
SYSTEM = "You are a helpful assistant, <b>terse</b> and exact, who answers in English only, please."
REASONING = "The user wants a function. ![r](http://canary.invalid/r.png) Let me think.\n" * 6
ANSWERS = yaml.safe_load(
    (Path(__file__).parents[1] / "data" / "answers_vibe30.yaml").read_text("utf-8")
)
LOOP = "Once upon a time there was a sea. " + "and the waves came in again " * 24


@dataclass(frozen=True)
class Made:
    """A config of a made study, and how it was asked."""

    model: str
    precision: str
    kind: Kind
    size: int
    speed: float
    chat: bool = True
    stored_as: str | None = None
    sha256: str = ""
    environment: dict[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return f"{self.model}-{self.precision}"


GGUF = "gguf Q4_K_M"
SEVERAL = (
    Made(SMOL, "bf16", "instruct", 270_000_000, 612.4, stored_as=GGUF, sha256="6a1a2eb6d15622bf"),
    Made(SMOL, "4bit", "instruct", 138_000_000, 590.1, stored_as=GGUF, sha256="6a1a2eb6d15622bf"),
    Made(CODER, "bf16", "instruct", 988_000_000, 339.0, stored_as=GGUF, sha256="1e8fcd25e7d48e2a"),
    Made(CODER, "4bit", "instruct", 458_000_000, 376.9, stored_as=GGUF, sha256="1e8fcd25e7d48e2a"),
)
MIXED = (
    Made("Qwen2.5-0.5B", "bf16", "base", 988_000_000, 300.0, chat=False, sha256="aa" * 32),
    Made(CODER, "bf16", "instruct", 988_000_000, 310.0, chat=False, sha256="bb" * 32),
    Made(
        "Qwen3-0.6B",
        "bf16",
        "thinking",
        1_190_000_000,
        250.0,
        sha256="cc" * 32,
        environment={"system": SYSTEM, "thinking": "on"},
    ),
    Made(f"{CODER}-Q4_K_M", "8bit", "instruct", 630_000_000, 120.0, stored_as=GGUF, sha256="dd"),
    Made("SmolLM2-NF4", "as-is", "instruct", 110_000_000, 580.0, stored_as="bitsandbytes NF4"),
)


def build(path: Path) -> Path:
    """Write both studies into a database, a new one or one that is there."""
    path.write_bytes(_built(path.read_bytes() if path.exists() else None))
    return path


@functools.cache
def _built(before: bytes | None) -> bytes:
    """The database's file, made once a process of what it was before."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "built.duckdb"
        if before is not None:
            path.write_bytes(before)
        store.prepare(path)
        _add(path, "several", SEVERAL, "SmolLM2 beside Qwen2.5-Coder", NOTE)
        _add(path, "mixed", MIXED, "Every kind of model", None)
        return path.read_bytes()


def _add(path: Path, name: str, made: tuple[Made, ...], title: str, note: str | None) -> None:
    prompts = load_suite("vibe30").prompts
    study = store.NewStudy(
        name=name,
        source="measured",
        title=title,
        suite="vibe30",
        prompts=prompts,
        prompt_count=len(prompts),
        protocol=Protocol(weights="local", chat="auto", engine="graph", device="cuda"),
        hardware="NVIDIA H100 80GB HBM3",
        created_at=datetime(2026, 11, 26),
        note=note,
    )
    runs = [
        store.NewRun(
            config=one.id,
            model=one.model,
            precision=one.precision,
            source=f"/models/{one.model.lower()}",
            weights="gguf" if one.stored_as == GGUF else "local",
            kind=one.kind,
            weights_sha256=one.sha256 or None,
            stored_as=one.stored_as,
        )
        for one in made
    ]
    with store.writing(path) as connection:
        ids = store.create_study(connection, study, runs)
        for number, one in enumerate(made):
            _run(connection, ids[one.id], one, number, prompts)


def _run(connection: Any, run_id: int, one: Made, number: int, prompts: tuple[Prompt, ...]) -> None:
    environment = {
        "device": "cuda",
        "engine": "graph",
        "gpu": {"name": "NVIDIA H100 80GB HBM3"},
        "chat_template": one.chat,
        "system": None,
        "thinking": None,
        "stop_tokens": [151643, 151645],
        "decoding": {"do_sample": False, "num_beams": 1},
        **one.environment,
    }
    store.start_run(connection, run_id, LoadReport(1.2, one.size, "bfloat16", environment))
    for index, prompt in enumerate(prompts):
        generation = generation_of(one, prompt, (number * 7 + index) % 5)
        score = None
        if generation.finish_reason != "non_finite":
            score = score_output(prompt, generation.text or "", generation.answer_token_ids)
        row = (prompt.id, store.generation_row(generation), score)
        store.add_generations(connection, run_id, index, [row], SCORER_VERSION)
    store.finish_run(connection, run_id, "complete")


def generation_of(one: Made, prompt: Prompt, luck: int) -> Generation:
    """What a config wrote on a prompt: good, short or looping."""
    text, reasoning = f"The answer to {prompt.id} is short.", None
    finish: FinishReason = "eos"
    if luck < 2:
        text = ANSWERS[prompt.id]["good"]
    elif luck == 4 or prompt.id == LOOP_PROMPT:
        text, finish = LOOP, "length"
    if one.kind == "thinking":
        reasoning = REASONING
        if prompt.id == ENDLESS_PROMPT:
            text, finish = "", "thinking"
    if one.kind == "base" and prompt.id == BROKEN_PROMPT:
        text, finish = "!!!!", "non_finite"
    leading = tuple(range(1, 91)) if reasoning else ()
    ids = (*leading, *(sum(word.encode()) % 4096 + 1 for word in text.split()))
    ids = (*ids, 0) if finish == "eos" else ids
    return Generation(
        text=text,
        token_ids=ids,
        prompt_tokens=len(prompt.text.split()) + 20,
        finish_reason=finish,
        first_token_seconds=0.02,
        total_seconds=0.02 + len(ids) / one.speed,
        peak_memory_bytes=one.size + 150_000_000,
        rendered_prompt=rendered(prompt.text) if one.chat else prompt.text,
        reasoning=reasoning,
        reasoning_tokens=len(leading),
    )


def rendered(text: str) -> str:
    """A prompt as a chat template of Qwen's kind renders it."""
    return f"<|im_start|>user\n{text}<|im_end|>\n<|im_start|>assistant\n"
