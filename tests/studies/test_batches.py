"""Batches alike in length, of a size that fits, and the same when a study is resumed."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from vibecore import store
from vibecore.catalog.models import find_configs
from vibecore.catalog.suites import Prompt
from vibecore.cli import app
from vibecore.core.errors import InputError
from vibecore.core.machine import GIB
from vibecore.scoring import load_suite
from vibecore.studies.batches import auto_batch_size, make_batches, most_prompt_tokens
from vibecore.studies.events import Event
from vibecore.studies.plan import Options, new_plan, resumed_plan
from vibecore.studies.run import run_study

PROMPTS = load_suite("vibe30").prompts


def test_no_prompt_has_more_tokens_than_bytes() -> None:
    assert most_prompt_tokens([Prompt("p", "code", "é" * 10, ())]) == 21


def test_a_batch_has_at_most_all_prompts() -> None:
    six = find_configs(["0.5B-4bit", "1.5B-bf16"])
    assert auto_batch_size(six, PROMPTS, "cuda", 200, 80 * GIB) == 30
    assert 1 < auto_batch_size(six, PROMPTS, "cuda", 2000, 5 * GIB) < 30


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
        assert [run.generations for run in store.read_configs(connection, "s")] == [30, 30]


def longest() -> str:
    return make_batches(PROMPTS, 8)[0][0].id


@pytest.mark.parametrize("asked", ["many", "0", "-3", "1.5", "5000"])
def test_a_batch_size_that_is_none_is_refused(tmp_path: Path, asked: str) -> None:
    arguments = ["run", "--family", "demo", "--batch-size", asked, "--db", str(tmp_path / "a")]
    result = CliRunner().invoke(app, arguments)
    assert isinstance(result.exception, InputError)
    assert "--batch-size must be" in str(result.exception)
