"""A database for the dashboard's tests: a study of each kind that a page can meet.

`published` as shipped; `varied`, measured, with a failed and an unfinished config, loops,
truncation, adherent answers and hostile texts; `speed-only` with dummy weights and no texts.
"""

from __future__ import annotations

import functools
import tempfile
from datetime import datetime
from pathlib import Path

import yaml

from vibecore import store
from vibecore.catalog.suites import Prompt
from vibecore.core.records import Generation, LoadReport, Protocol
from vibecore.scoring import SCORER_VERSION, load_suite, score_output
from vibecore.studies.published import add_published

# No such host: a request to it is a request that a text caused.
CANARY = "canary.invalid"
HOSTILE = (
    f"<script>document.title='owned'</script> ![image](http://{CANARY}/a.png) "
    f"[link](http://{CANARY}/b) <img src=http://{CANARY}/c.png onerror=alert(1)>"
)
FORMULA = "=cmd|' /C calc'!A0"
HOSTILE_TITLE = f"Varied ![t](http://{CANARY}/t.png) <img src=http://{CANARY}/u.png>"
HOSTILE_ERROR = f"out of memory ![e](http://{CANARY}/e.png) <script>1</script>"
LOOP = "It was a day like this. " + "and the rest was the same " * 20
PROMPTS = (
    "code_001",
    "code_002",
    "creative_001",
    "creative_002",
    "reasoning_001",
    "reasoning_002",
    "instruction_001",
    "instruction_002",
)
HOSTILE_PROMPT, FORMULA_PROMPT, LOOP_PROMPT = "creative_001", "creative_002", "reasoning_001"
CONFIGS = ("1M-bf16", "1M-8bit", "1M-4bit", "5M-bf16", "5M-8bit", "5M-4bit")
FAILED, UNFINISHED = "5M-8bit", "5M-4bit"
SPEEDS = {"bf16": 300.0, "8bit": 120.0, "4bit": 270.0}
BYTES = {"bf16": 2_000_000, "8bit": 1_100_000, "4bit": 700_000}
ANSWERS = yaml.safe_load(
    (Path(__file__).parents[1] / "data" / "answers_vibe30.yaml").read_text("utf-8")
)


def build(path: Path) -> Path:
    """Write the three studies into a new database."""
    path.write_bytes(_built())
    return path


@functools.cache
def _built() -> bytes:
    """The database's file, made once a process: scoring its outputs takes longest."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "built.duckdb"
        store.prepare(path)
        add_published(path)
        _add_varied(path)
        _add_speed_only(path)
        return path.read_bytes()


def answer(prompt: str, config: str) -> str:
    """The text that a config of `varied` answers."""
    if prompt == HOSTILE_PROMPT:
        return HOSTILE
    if prompt == FORMULA_PROMPT:
        return FORMULA
    if prompt == LOOP_PROMPT or config == "1M-8bit":
        return LOOP
    if config == "5M-bf16":
        return ANSWERS[prompt]["good"]
    return "" if prompt == "reasoning_002" else f"The answer of {config} to {prompt} is short."


def _add_varied(path: Path) -> None:
    prompts = tuple(p for p in load_suite("vibe30").prompts if p.id in PROMPTS)
    study = store.NewStudy(
        name="varied",
        source="measured",
        title=HOSTILE_TITLE,
        suite="vibe30",
        prompts=prompts,
        prompt_count=len(prompts),
        protocol=Protocol(weights="demo"),
        hardware="a processor",
        created_at=datetime(2026, 11, 23),
    )
    run_ids = _create(path, study, "demo")
    for config, run_id in run_ids.items():
        if config == FAILED:
            with store.writing(path) as connection:
                store.finish_run(connection, run_id, "failed", HOSTILE_ERROR)
            continue
        mine = prompts[:3] if config == UNFINISHED else prompts
        _run(path, run_id, config, mine, texts=True)
        if config != UNFINISHED:
            with store.writing(path) as connection:
                store.finish_run(connection, run_id, "complete")


def _add_speed_only(path: Path) -> None:
    prompts = tuple(p for p in load_suite("vibe30").prompts if p.id in PROMPTS[:2])
    study = store.NewStudy(
        name="speed-only",
        source="measured",
        title="Speed alone",
        suite="vibe30",
        prompts=prompts,
        prompt_count=len(prompts),
        protocol=Protocol(weights="dummy"),
    )
    run_ids = _create(path, study, "dummy")
    for config, run_id in run_ids.items():
        _run(path, run_id, config, prompts, texts=False)
        with store.writing(path) as connection:
            store.finish_run(connection, run_id, "complete")


def _create(path: Path, study: store.NewStudy, weights: str) -> dict[str, int]:
    runs = [
        store.NewRun(
            config=config,
            model=config.split("-")[0],
            precision=config.split("-")[1],
            source=f"demo/{config.split('-')[0]}",
            weights=weights,
        )
        for config in CONFIGS
    ]
    with store.writing(path) as connection:
        return store.create_study(connection, study, runs)


def _run(path: Path, run_id: int, config: str, prompts: tuple[Prompt, ...], *, texts: bool) -> None:
    model, precision = config.split("-")
    size = BYTES[precision] * (5 if model == "5M" else 1)
    speed = SPEEDS[precision] / (2 if model == "5M" else 1)
    with store.writing(path) as connection:
        store.start_run(connection, run_id, LoadReport(0.4, size, "bfloat16", {"device": "cpu"}))
        for index, prompt in enumerate(prompts):
            text = answer(prompt.id, config) if texts else None
            words = (text or "a word or two").split()
            ids = tuple(sum(word.encode()) % 4096 + 1 for word in words) or (1,)
            finish = "length" if text == LOOP else "eos"
            ids = ids if finish == "length" else (*ids, 0)
            generation = Generation(
                text=text,
                token_ids=ids,
                prompt_tokens=20,
                finish_reason=finish,
                first_token_seconds=0.01,
                total_seconds=len(ids) / speed,
                peak_memory_bytes=10**8,
            )
            score = (
                None if text is None else score_output(prompt, text, generation.answer_token_ids)
            )
            row = (prompt.id, store.generation_row(generation), score)
            store.add_generations(connection, run_id, index, [row], SCORER_VERSION)
