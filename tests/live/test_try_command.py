"""The `try` command on fake workers: where answers, reasoning and figures go."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.support.playground_fakes import Script
from vibecore.catalog.demo_models import MODELS_DIR as DEMO_MODELS_DIR
from vibecore.cli import app
from vibecore.core.errors import InputError
from vibecore.core.records import Asking
from vibecore.live.playground import Playground

PLENTY = 2**40


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Script:
    script = Script()
    with_fakes = partial(Playground, start_worker=script.start, free_bytes=lambda device: PLENTY)
    monkeypatch.setattr("vibecore.live.playground.Playground", with_fakes)
    return script


def attempt(*words: str) -> Result:
    return CliRunner().invoke(app, ["try", "Name a colour.", *words, "--device=cpu"])


def test_the_answer_is_on_stdout_and_the_reasoning_apart(script: Script) -> None:
    script.reasoning = 2
    done = attempt("--config=1M-bf16")
    assert (done.exit_code, done.stdout) == (0, "word2 word3 word4 \n")
    before, answer = done.stderr.split("── answer\n")
    assert before.endswith("── reasoning, not scored\nword0 word1 \n")
    assert "1M-bf16: base model, plain text" in answer


def test_how_to_ask_reaches_every_model_of_ones_own(script: Script, tmp_path: Path) -> None:
    done = attempt(
        *(f"--model={DEMO_MODELS_DIR / model}" for model in ("1M", "5M")),
        *("--precision=bf16,4bit", "--name=first", "--name=second", "--chat=on"),
        *("--system=Be brief.", "--format=json"),
    )
    assert done.exit_code == 0, done.stderr
    rows = json.loads(done.stdout)
    assert [row["config"] for row in rows] == [
        "first-bf16",
        "first-4bit",
        "second-bf16",
        "second-4bit",
    ]
    assert set(script.askings) == {Asking("on", "Be brief.", "auto")}
    row = rows[0]
    assert (row["kind"], row["chat_template"], row["system"]) == ("base", True, "Be brief.")
    assert row["rendered_prompt"] == "<|user|>Name a colour.<|end|>"
    assert (row["reasoning"], row["reasoning_tokens"]) == (None, 0)


@pytest.mark.parametrize(
    ("ends", "reasoning", "says"),
    [("thinking", 5, "No answer"), ("non_finite", 0, "not scored")],
)
def test_what_is_no_answer_is_said_in_words(
    script: Script, ends: str, reasoning: int, says: str
) -> None:
    script.ends, script.reasoning = ends, reasoning
    done = attempt("--config=1M-bf16")
    assert done.exit_code == 0
    assert says in done.stderr
    assert "repetition" not in done.stderr, "it has no scores"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--config=1M-bf16", "--chat=loud"], "must be one of auto, on, off, not 'loud'"),
        (["--config=1M-bf16", "--chat=off", "--thinking=on"], "needs the chat template"),
        (["--model=/no/such/model", "--precision=bf16"], "neither a model folder"),
        ([f"--model={DEMO_MODELS_DIR / '1M'}"], "at least one --precision"),
        (["--config=1M-bf16", "--name=mine"], "--name"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_loading(
    script: Script, words: list[str], says: str
) -> None:
    done = attempt(*words)
    assert isinstance(done.exception, InputError)
    assert says in str(done.exception)
    assert script.started == []


def on_a_gpu(*words: str) -> Result:
    return CliRunner().invoke(app, ["try", "Name a colour.", *words, "--device=cuda"])


@pytest.mark.parametrize("format", ["table", "json"])
def test_a_device_that_is_not_there_is_bad_usage_and_said_once(script: Script, format: str) -> None:
    done = on_a_gpu("--config=1M-bf16,5M-bf16", f"--format={format}")
    assert done.exit_code == 2
    assert done.stderr.count("CUDA was asked for") == 1
    assert "5M-bf16 failed for the same reason as 1M-bf16." in done.stderr
    assert "no answer yet" not in done.stderr


def test_a_config_that_fails_is_no_interruption(script: Script) -> None:
    """However soon the command ends after the last config: closing used to look like Ctrl-C."""
    script.broken = {"1M-bf16": "1M-bf16 cannot be loaded."}
    done = attempt("--config=1M-bf16")
    assert done.exit_code == 1
    assert done.stderr.count("cannot be loaded") == 1
    assert "no answer yet" not in done.stderr


def test_an_empty_answer_is_said(script: Script) -> None:
    script.tokens = 0
    done = attempt("--config=1M-bf16")
    assert (done.exit_code, done.stdout) == (0, "")
    assert "0 tokens" in done.stderr
    assert "repetition 0.00, empty" in done.stderr


def test_start_up_is_told_beside_loading(script: Script) -> None:
    script.start_pause = 0.2
    done = attempt("--config=1M-bf16", "--format=json")
    [row] = json.loads(done.stdout)
    assert 0.2 <= row["startup_seconds"] < 5
    assert row["load_seconds"] == 0.5
    assert row["warm_up_seconds"] >= 0
    assert f"start-up {row['startup_seconds']:.2f} s · load 0.50 s · warm-up" in done.stderr


@pytest.mark.parametrize("format", ["table", "json"])
def test_no_piece_of_an_answer_reaches_the_terminal_raw(script: Script, format: str) -> None:
    """A sequence may be cut anywhere: each piece begins in the middle of one."""
    script.word, script.reasoning = "\x9b]52;c;eA==\x07\u202e\x1b", 2
    script.broken["1M-4bit"] = "It says \x1b[2J."
    done = attempt("--config=1M-bf16,1M-4bit", f"--format={format}")
    assert not {"\x1b", "\x9b", "\x07", "\u202e"} & set(done.stdout + done.stderr)
    assert "It says \\x1b[2J." in done.stderr
    if format == "json":
        assert script.word in json.loads(done.stdout)[0]["text"]
    else:
        assert "\\x9b]52;c;eA==\\x07\\u202e\\x1b2 " in done.stdout
