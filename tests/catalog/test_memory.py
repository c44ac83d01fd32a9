"""Batches alike in length, and a size that fits, found by arithmetic before anything is loaded."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from typer.testing import CliRunner

from vibecore import store
from vibecore.catalog.configs import GIB, QWEN_15B, Config, Model, find_configs
from vibecore.catalog.memory import (
    RESERVE_BYTES,
    auto_batch_size,
    cache_bytes_per_token,
    make_batches,
    most_prompt_tokens,
    sequence_bytes,
)
from vibecore.catalog.suites import Prompt
from vibecore.cli import app
from vibecore.core.errors import InputError
from vibecore.scoring import load_suite
from vibecore.studies.plan import Options, new_plan, resumed_plan
from vibecore.studies.run import Event, run_study

PROMPTS = load_suite("vibe30").prompts


def test_the_cache_of_a_token_is_what_qwen_really_takes() -> None:
    # 2 (keys and values) × 28 layers × 2 heads × 128 × 2 bytes.
    assert cache_bytes_per_token(QWEN_15B) == 28_672
    assert sequence_bytes(QWEN_15B, 100, 200) > 300 * 28_672 + 10 * 151_936


def test_no_prompt_has_more_tokens_than_bytes() -> None:
    assert most_prompt_tokens([Prompt("p", "code", "é" * 10, ())]) == 21


@pytest.mark.parametrize("free_gib", [2, 4, 6, 8])
def test_an_auto_batch_fits_with_its_reserve_and_one_more_would_not(free_gib: int) -> None:
    config = find_configs(["1.5B-4bit"])[0]
    many = [dataclasses.replace(PROMPTS[0], id=f"p{n}") for n in range(100_000)]
    size = auto_batch_size([config], many, 200, free_gib * GIB)
    needed = sequence_bytes(QWEN_15B, most_prompt_tokens(many), 200)
    room = 0.9 * free_gib * GIB - RESERVE_BYTES - config.estimated_weight_bytes
    assert size * needed <= room < (size + 1) * needed


def test_the_largest_config_of_a_study_decides_and_the_prompts_are_the_most() -> None:
    six = find_configs(["0.5B-4bit", "1.5B-bf16"])
    assert auto_batch_size(six, PROMPTS, 200, 80 * GIB) == 30
    tight = auto_batch_size(six, PROMPTS, 2000, 5 * GIB)
    assert 1 < tight < auto_batch_size(six[:1], PROMPTS, 2000, 5 * GIB)
    assert auto_batch_size(six, PROMPTS, 200, GIB) == 1


def test_an_unknown_shape_needs_a_number() -> None:
    config = Config(Model("x", "a/x", "hub", None), find_configs(["1M-bf16"])[0].precision)
    with pytest.raises(InputError, match="Give a number"):
        auto_batch_size([config], PROMPTS, 200, GIB)


def test_batches_hold_every_prompt_once_longest_first_and_always_the_same() -> None:
    batches = make_batches(PROMPTS, 7)
    assert [len(batch) for batch in batches] == [7, 7, 7, 7, 2]
    flat = [prompt for batch in batches for prompt in batch]
    assert sorted(prompt.id for prompt in flat) == sorted(prompt.id for prompt in PROMPTS)
    lengths = [len(prompt.text.encode()) for prompt in flat]
    assert lengths == sorted(lengths, reverse=True)
    assert make_batches(PROMPTS, 7) == batches
    assert make_batches(PROMPTS, 1) == tuple((prompt,) for prompt in PROMPTS)


def plan_of(db: Path, **options: object):
    return new_plan(
        Options(configs=("1M-bf16", "1M-4bit"), study="s", **options),  # type: ignore[arg-type]
        db,
    )


def test_auto_is_stored_and_said_as_the_number_it_came_to(
    db: Path, fake_worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vibecore.studies.jobs.free_bytes", lambda device: 2 * GIB)
    events: list[Event] = []
    run_study(plan_of(db, batch_size="auto"), events.append)
    assert [event.batch_size for event in events if event.kind == "sized"] == [30]
    with store.reading(db) as connection:
        assert store.read_study(connection, "s").protocol.batch_size == 30
    assert [len(prompts) for _, prompts in fake_worker.calls] == [30, 30]
    # A resumed study keeps the number, whatever is free now.
    for asked in ("auto", None, 30):
        assert resumed_plan(Options(study="s", batch_size=asked), db).protocol.batch_size == 30
    with pytest.raises(InputError, match="--batch-size"):
        resumed_plan(Options(study="s", batch_size=4), db)


def test_a_resumed_study_has_the_same_batches(db: Path, fake_worker) -> None:
    fake_worker.interrupt_after = 2
    with pytest.raises(KeyboardInterrupt):
        run_study(plan_of(db, batch_size=8), lambda event: None)
    fake_worker.interrupt_after = None
    first = fake_worker.calls[:]
    run_study(resumed_plan(Options(study="s"), db), lambda event: None, resume=True)
    whole = [prompts for config, prompts in fake_worker.calls if config == "1M-bf16"]
    assert whole[:2] == [prompts for _, prompts in first]
    texts = [[prompt.text for prompt in batch] for batch in make_batches(PROMPTS, 8)]
    assert whole == texts


def test_a_batch_of_which_a_part_is_stored_is_finished(db: Path, fake_worker) -> None:
    """An unfinished study of an earlier version had its batches in the suite's order."""
    fake_worker.interrupt_after = 1
    with pytest.raises(KeyboardInterrupt):
        run_study(plan_of(db, batch_size=8), lambda event: None)
    with store.writing(db) as connection:
        connection.execute("DELETE FROM generation WHERE prompt_id = ?", [longest()])
        connection.execute("DELETE FROM score WHERE prompt_id = ?", [longest()])
        connection.execute("DELETE FROM verdict WHERE prompt_id = ?", [longest()])
    fake_worker.interrupt_after = None
    run_study(resumed_plan(Options(study="s"), db), lambda event: None, resume=True)
    assert fake_worker.calls[1] == ("1M-bf16", [make_batches(PROMPTS, 8)[0][0].text])
    with store.reading(db) as connection:
        assert [run["generations"] for run in store.read_configs(connection, "s")] == [30, 30]


def longest() -> str:
    return make_batches(PROMPTS, 8)[0][0].id


@pytest.mark.parametrize("asked", ["many", "0", "-3", "1.5", "5000"])
def test_a_batch_size_that_is_none_is_refused(tmp_path: Path, asked: str) -> None:
    arguments = ["run", "--family", "demo", "--batch-size", asked, "--db", str(tmp_path / "a")]
    result = CliRunner().invoke(app, arguments)
    assert isinstance(result.exception, InputError)
    assert "--batch-size must be" in str(result.exception)
