"""`inspect` as a user meets it: a table or JSON alone, an exit code, never a traceback."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.test_cli import vibecore


def test_the_table_says_what_a_model_is_and_that_it_runs() -> None:
    done = vibecore("inspect", "1M")
    assert done.returncode == 0, done.stderr
    for part in (
        "demo/1M (ships with Vibe check)",
        "qwen2 (Qwen2ForCausalLM)",
        "base: no chat template",
        "1,051,264",
        "0 <|endoftext|> (generation_config.json, config.json, tokenizer)",
        "What is the capital of France?",
        "no product for its layers: by eager",
    ):
        assert part in done.stdout
    assert done.stderr == "It can be run: python -m vibecore run --config 1M-bf16\n"


def test_json_stands_alone_and_exit_2_says_that_it_cannot_run(tmp_path: Path) -> None:
    done = vibecore("inspect", str(tmp_path), "--format", "json")
    assert done.returncode == 2
    assert done.stderr == ""
    found = json.loads(done.stdout)
    assert found["can_run"] is False
    assert found["problems"] == [
        f"{tmp_path} is not a model folder: it has no config.json. A model folder holds "
        "config.json, tokenizer.json and *.safetensors."
    ]
    assert found["precisions"] == [] and found["stop_tokens"] == []


def test_bad_usage_is_a_sentence(tmp_path: Path) -> None:
    for arguments, message in (
        ((str(tmp_path), "--format", "csv"), "Error: --format must be one of table, json"),
        (("no-such-thing",), "Error: 'no-such-thing' is neither a model folder"),
        ((str(tmp_path), "--revision", "main"), "Error: --revision is for models of the hub"),
    ):
        done = vibecore("inspect", *arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(message)
