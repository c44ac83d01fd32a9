"""The comparison with other programs: its figures, what it reads of them, and what it says of
those that are missing, fail or hang. Programs that are not installed here are stood in for."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from benchmarks.peers.__main__ import read_options, run
from benchmarks.peers.figures import Answer, Measured, length_rows, speed_rows
from benchmarks.peers.llama import batched_answer, find_file, single_answer
from benchmarks.peers.session import PeerFailed

# As llama-bench prints them (-o json), the fields that are not read left out.
SINGLE = json.dumps(
    [
        {"n_prompt": 64, "n_gen": 0, "avg_ts": 16_000.0},
        {"n_prompt": 0, "n_gen": 100, "avg_ts": 500.0},
        {"n_prompt": 0, "n_gen": 200, "avg_ts": 400.0},
    ]
)
# As llama-batched-bench prints them (--output-format jsonl), among its log.
BATCHED = """
llama_batched_bench: n_kv_max = 7920
{"n_kv_max": 7920, "pp": 64, "tg": 100, "pl": 30, "t_pp": 0.25, "t_tg": 0.5, "t": 0.75}
{"n_kv_max": 7920, "pp": 64, "tg": 200, "pl": 30, "t_pp": 0.3, "t_tg": 1.2, "t": 1.5}
"""
VLLM = """
__version__ = "9.9"
class SamplingParams:
    def __init__(self, max_tokens, **how):
        assert how["ignore_eos"] and how["temperature"] == 0
        self.max_tokens = max_tokens
class LLM:
    def __init__(self, model, load_format, **how):
        {loading}
    def generate(self, prompts, asked, use_tqdm):
        from types import SimpleNamespace as Some
        print("a library that prints")
        return [Some(outputs=[Some(token_ids=[0] * asked.max_tokens)]) for _ in prompts]
"""


def test_figures_are_medians_of_the_rounds() -> None:
    answers = [
        Answer(0.010, {100: 0.109, 200: 0.209}),
        Answer(0.020, {100: 0.219, 200: 0.419}),
        Answer(0.900, {100: 9.0, 200: 9.0}),
    ]
    one = Measured("0.5B-bf16", "graph", 30, answers)
    assert one.first_token_seconds == 0.020
    assert one.token_seconds == pytest.approx(0.399 / 199)
    assert one.tokens_per_second(100) == pytest.approx(30 * 100 / 0.219)
    record = one.record()
    assert record["tokens_per_second"]["200"] == pytest.approx(30 * 200 / 0.419)
    assert len(record["rounds"]) == 3


def test_ratios_are_to_the_same_config_and_batch() -> None:
    def of(peer: str, batch: int, seconds: float) -> Measured:
        return Measured("0.5B-bf16", peer, batch, [Answer(seconds / 10, {100: seconds})])

    measured = [
        of("generate", 1, 4.0),
        of("generate", 30, 4.0),
        of("graph", 1, 0.1),
        of("graph", 30, 0.5),
        of("llama.cpp", 1, 0.2),
        Measured("0.5B-bf16", "vllm", 1),
    ]
    rows = speed_rows(measured, 64)
    assert [(row["batch"], row["peer"]) for row in rows] == [
        ("1", "generate"),
        ("1", "graph"),
        ("1", "llama.cpp"),
        ("30", "generate"),
        ("30", "graph"),
    ]
    graph, batched = rows[1], rows[4]
    assert graph["tok/s 64+100"] == "1,000" and graph["TTFT ms"] == "10.00"
    assert (graph["× generate, 100"], graph["× llama.cpp, 100"]) == ("40.00", "2.00")
    assert (batched["× generate, 100"], batched["× llama.cpp, 100"]) == ("8.00", "–")
    assert "× llama.cpp, 100" not in speed_rows(measured[:4], 64)[0]


def test_lengths_show_the_median_and_the_worst() -> None:
    one = Measured("0.5B-bf16", "graph", 1, [], {50: 0.004, 51: 0.09, 52: 0.005})
    [row] = length_rows([one, Measured("0.5B-bf16", "static", 1)])
    assert row["lengths"] == "50–52"
    assert (row["median TTFT ms"], row["worst TTFT ms"]) == ("5.00", "90.00")


def test_answers_of_llama_cpp_are_put_together() -> None:
    single = single_answer(SINGLE, 64, [100, 200])
    assert single.first_token_seconds == pytest.approx(0.004)
    # As of every peer, the first of an answer's tokens comes of its prompt, without a step.
    assert single.seconds == {100: pytest.approx(0.202), 200: pytest.approx(0.5015)}
    assert single.token_seconds == pytest.approx(1 / 400)
    batched = batched_answer(BATCHED, [100, 200])
    assert batched == Answer(0.3, {100: pytest.approx(0.745), 200: pytest.approx(1.494)})


@pytest.mark.parametrize("output", ["", "[]", "error: no backend", '[{"n_prompt": 64}]'])
def test_an_unreadable_llama_bench_fails_in_words(output: str) -> None:
    with pytest.raises(PeerFailed, match="llama-bench printed no rate"):
        single_answer(output, 64, [100])
    with pytest.raises(PeerFailed, match="llama-batched-bench printed no times"):
        batched_answer(output, [100])


@pytest.mark.parametrize("line", ["{", "{}", '{"tg": 100, "t_pp": 0.3}'])
def test_a_log_line_in_braces_is_no_test(line: str) -> None:
    with pytest.raises(PeerFailed, match="printed no times"):
        batched_answer(line, [100])
    assert batched_answer(f"{line}\n{BATCHED}", [100]).first_token_seconds == 0.25


def test_gguf_files_are_found_beside_the_weights(tmp_path: Path) -> None:
    for name in ("m-BF16.gguf", "m-q8_0.gguf", "m-Q4_K_M.gguf", "m-Q4_0.gguf", "m-Q4_K_S.gguf"):
        (tmp_path / name).touch()
    found = [find_file(tmp_path, name) for name in ("bf16", "fp16", "8bit", "8bit-t0", "4bit")]
    names = [one and one.name for one in found]
    assert names == ["m-BF16.gguf", None, "m-q8_0.gguf", "m-q8_0.gguf", "m-Q4_K_M.gguf"]
    assert find_file(None, "bf16") is None


def test_a_whole_run_with_programs_stood_in_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "vllm.py").write_text(VLLM.replace("{loading}", "self.how = how"))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    for name, output in (("llama-bench", SINGLE), ("llama-batched-bench", BATCHED)):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\ncat <<'END'\n{output}\nEND\n")
        program.chmod(0o755)
    gguf = tmp_path / "q4.gguf"
    gguf.touch()
    out = tmp_path / "peers.json"
    chosen = ["--config", "0.5B-4bit", "--weights", "dummy", "--batch-size", "1"]
    chosen += ["--batch-size", "30", "--new-tokens", "100", "200", "--rounds", "2"]
    others = ["--llama-bench", str(tmp_path / "llama-bench"), "--vllm", sys.executable]
    peers = ["--peer", "static", "--peer", "llama.cpp", "--peer", "vllm"]
    gguf_option = ["--gguf", f"0.5B-4bit={gguf}", "--json", str(out)]
    options = read_options([*chosen, *others, *peers, *gguf_option])
    options.scratch = tmp_path
    report = run(options)
    said = "\n".join(report.said)
    assert "static: not with 4bit, whose quantiser is not is_compileable" in said
    assert "0.5B-4bit vllm: vLLM 9.9" in said
    assert json.loads((tmp_path / "0.5B" / "config.json").read_text())["model_type"] == "qwen2"
    rows = speed_rows(report.measured, 64)
    assert [(row["batch"], row["peer"], row["rounds"]) for row in rows] == [
        ("1", "llama.cpp", "2"),
        ("1", "vllm", "2"),
        ("30", "llama.cpp", "2"),
        ("30", "vllm", "2"),
    ]
    assert rows[0]["tok/s 64+200"] == "399" and rows[2]["tok/s 64+200"] == "4,016"
    assert json.loads(out.read_text())["results"][0]["peer"] == "llama.cpp"


@pytest.mark.parametrize(
    ("loading", "reason"),
    [
        ('raise ValueError("no such quantisation")', "ValueError: no such quantisation"),
        ("import os; os._exit(3)", "ended with 3"),
        ("import time; time.sleep(60)", "'load' was not done in time, and was ended"),
    ],
)
def test_a_peer_that_fails_is_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loading: str, reason: str
) -> None:
    (tmp_path / "vllm.py").write_text(VLLM.replace("{loading}", loading))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    seconds = "3" if "sleep" in loading else "60"
    chosen = ["--config", "1M-bf16", "--peer", "vllm", "--vllm", sys.executable]
    options = read_options([*chosen, "--start-seconds", seconds])
    options.scratch = tmp_path
    report = run(options)
    assert [line for line in report.said if reason in line], report.said
    assert not any(one.answers for one in report.measured)


def test_what_is_not_installed_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    options = read_options(["--config", "1M-bf16", "--peer", "llama.cpp", "--peer", "vllm"])
    options.scratch = tmp_path
    report = run(options)
    assert [line.partition(":")[0] for line in report.said] == ["llama.cpp", "vllm"]
    assert all("not measured" in line for line in report.said)


def test_transformers_and_our_engine_answer_in_turn(tmp_path: Path) -> None:
    peers = ["--peer", "generate", "--peer", "static", "--peer", "graph"]
    sizes = ["--batch-size", "1", "--batch-size", "3", "--new-tokens", "2", "5", "--rounds", "1"]
    options = read_options(["--config", "1M-bf16", *peers, *sizes])
    options.scratch = tmp_path
    report = run(options)
    assert report.said == [
        "1M-bf16 static: static cache, not compiled: transformers compiles on GPUs only"
    ]
    for one in report.measured:
        [answer] = one.answers
        assert 0 < answer.first_token_seconds < answer.seconds[2] < answer.seconds[5]
        assert bool(one.first_tokens) == (one.batch_size == 1 and one.peer != "static")
    assert len(report.measured[0].first_tokens) == 30
    assert "× generate, 5" in report.tables()
