"""`bench`: what it refuses, what it computes, what it imports, and one real run of it."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
from typer.testing import CliRunner

from tests.support.bench_report import make_report, write_report
from tests.support.playground_fakes import wait_until
from vibecore.catalog.demo_models import MODELS_DIR
from vibecore.cli import app
from vibecore.core.errors import InputError, RunError
from vibecore.core.paths import PROJECT_ROOT
from vibecore.core.records import LoadReport, LoadRequest
from vibecore.runtime import device_queue
from vibecore.studies.bench import measure as bench_measure
from vibecore.studies.bench.choose import Options, choose
from vibecore.studies.bench.figures import percentile, reading, speed
from vibecore.studies.bench.report import headline, model_rows, speed_rows, to_markdown
from vibecore.studies.bench.report_file import read_report

DEMO = str(MODELS_DIR / "1M")
NO_COSTS = {"host_seconds": None, "gpu_seconds": None}
FACTS = {
    "on_gpu": False,
    "context": 512,
    "bytes_per_step": 1000,
    "ceiling_bytes_per_second": 1e6,
    "cache_bytes": 10,
    "threads": 1,
}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "--family"),
        ({"models": ("model.gguf",)}, "at least one --precision"),
        ({"families": ("demo",), "precisions": ("bf16",)}, "--precision goes with --model"),
        ({"families": ("demo",), "names": ("one",)}, "--name goes with --model"),
        ({"models": (DEMO,), "precisions": ("4bit",), "weights": DEMO}, "Leave --weights out"),
        ({"configs": ("9B-bf16",)}, "no config '9B-bf16'"),
        ({"families": ("demo",), "engines": ("warp",)}, "eager, graph"),
        ({"families": ("demo",), "device": "tpu"}, "--device"),
        ({"families": ("demo",), "prompt_tokens": 0}, "--prompt-tokens must be from 1"),
        ({"families": ("demo",), "new_tokens": 0}, "--new-tokens must be from 2"),
        ({"families": ("demo",), "new_tokens": 1_000_000}, "--new-tokens"),
        ({"families": ("demo",), "new_tokens": 500}, "context of 1M is 512"),
        ({"families": ("demo",), "batch_sizes": (0,)}, "--batch-size"),
        ({"families": ("demo",), "repetitions": 0}, "--repetitions"),
        ({"families": ("demo",), "seconds": 0.0}, "--seconds must be more than 0"),
        ({"families": ("demo",), "seconds": float("nan")}, "--seconds must be more than 0"),
    ],
)
def test_nonsense_is_refused_before_anything_starts(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        choose(Options(**options))


def test_percentiles_are_by_nearest_rank() -> None:
    assert percentile(range(1, 101), 0.99) == 99
    assert percentile([3.0], 0.99) == 3.0
    assert percentile([1, 2, 3, 4], 0.5) == 2


def test_the_figures_of_a_batch_size() -> None:
    def repetition(step: float) -> dict[str, Any]:
        return {
            "prefill_seconds": 0.5,
            "step_seconds": [step] * 4,
            "peak_allocated_bytes": None,
            "peak_reserved_bytes": None,
            "joules": 20.0,
        }

    repetitions = [repetition(0.1), repetition(0.2), repetition(0.1)]
    found = speed(repetitions, 2, FACTS, NO_COSTS)
    assert found["decode_tokens_per_second"] == pytest.approx(
        {"median": 20.0, "least": 10.0, "most": 20.0}
    )
    assert found["step_p50_seconds"] == 0.1
    assert found["step_p99_seconds"] == 0.2
    # A step reads the weights once, whatever the batch.
    assert found["achieved_bytes_per_second"] == pytest.approx(1000 / 0.1)
    assert found["ceiling_share"] == pytest.approx(0.01)
    # Two sequences of five tokens, the first of each included.
    assert found["joules_per_token"] == pytest.approx(2.0)
    assert found["new_tokens"] == 5
    assert found["by_repetition"][1]["total_seconds"] == pytest.approx(1.3)
    # Ten tokens of both sequences in 0.9, 1.3 and 0.9 seconds, prompt included.
    answers = {"median": 10 / 0.9, "least": 10 / 1.3, "most": 10 / 0.9}
    assert found["answer_tokens_per_second"] == pytest.approx(answers)


@pytest.mark.parametrize(
    ("host", "gpu", "share", "cache", "expected"),
    [
        (2.0, 1.0, 0.9, 10, "overhead-bound"),
        (1.0, 1.0, 0.1, 10**9, "overhead-bound"),
        (0.1, 1.0, 0.5, 10, "memory-bound"),
        (0.1, 1.0, 0.49, 10, "kernel-bound"),
        (0.1, 1.0, 0.9, 10**9, "cache-resident"),
        (None, None, 0.6, None, "memory-bound"),
        (None, None, 0.4, None, "below the ceiling"),
    ],
)
def test_the_reading_follows_its_rule(
    host: float | None, gpu: float | None, share: float, cache: int | None, expected: str
) -> None:
    assert reading(host, gpu, share, 1000, cache) == expected


class BenchWorker:
    """In the place of a worker process: remembers calls, and answers made-up times."""

    calls: ClassVar[list[tuple[str, ...]]] = []
    broken = ""

    def __enter__(self) -> BenchWorker:
        return self

    def __exit__(self, *_: object) -> None:
        self.calls.append(("closed", getattr(self, "name", "unused")))

    def wait_ready(self) -> None:
        return None

    def choose_device(self, device: str) -> str:
        return "cpu"

    def load(self, request: LoadRequest) -> LoadReport:
        self.name = f"{request.config_id} {request.engine}"
        if request.config_id == self.broken:
            raise RunError("it is broken")
        return LoadReport(0.5, 1000, "bfloat16", {"device": "cpu"})

    def call(self, function: str, *arguments: int) -> Any:
        if function == "profiling.bench_calls.facts":
            return FACTS
        if function == "profiling.bench_calls.costs":
            return NO_COSTS
        if function == "profiling.profile.profile_step":
            return [{"layer": "layer 0", "kernel": "mm", "host_us": 1.0, "device_us": None}]
        _, new_tokens, batch_size = arguments
        if function == "profiling.bench_calls.prepare":
            self.calls.append((f"{self.name} prepared", str(new_tokens), str(batch_size)))
            return None
        self.calls.append((self.name, str(new_tokens), str(batch_size)))
        return {
            "prefill_seconds": 0.1,
            "step_seconds": [0.01] * (new_tokens - 1),
            "peak_allocated_bytes": None,
            "peak_reserved_bytes": None,
        }


@pytest.fixture
def bench_worker(monkeypatch: pytest.MonkeyPatch) -> type[BenchWorker]:
    """In the place of every worker process; all fit in memory together."""
    monkeypatch.setattr(bench_measure, "Worker", BenchWorker)
    monkeypatch.setattr(bench_measure, "_fit_together", lambda bench, device: True)
    monkeypatch.setattr(BenchWorker, "calls", [])
    monkeypatch.setattr(BenchWorker, "broken", "")
    return BenchWorker


CHOSEN = Options(
    configs=("1M-bf16", "5M-bf16"), new_tokens=20, repetitions=2, batch_sizes=(1, 4), profile=True
)


def test_repetitions_go_round_all_configs_where_they_fit(
    bench_worker: type[BenchWorker],
) -> None:
    report = bench_measure.run_bench(choose(CHOSEN), lambda line: None)
    timed = [call[0] for call in bench_worker.calls if call[1:] == ("20", "4")]
    assert timed == ["1M-bf16 eager", "5M-bf16 eager"] * 2
    assert report["interleaved"] is True
    first = report["results"][0]
    assert [s["batch_size"] for s in first["speeds"]] == [1, 4]
    assert [len(s["by_repetition"]) for s in first["speeds"]] == [2, 2]
    assert first["prompt_processing"]["name"] == "pp511"
    assert first["prompt_processing"]["tokens_per_second"]["median"] == pytest.approx(5110)
    assert first["token_generation"]["name"] == "tg128"
    assert first["profile"][0]["kernel"] == "mm"
    assert json.loads(json.dumps(report)) == report


def test_llama_benchs_measures_can_be_left_out(
    bench_worker: type[BenchWorker],
) -> None:
    report = bench_measure.run_bench(choose(replace(CHOSEN, llama=False)), lambda line: None)
    assert not [call for call in bench_worker.calls if call[1:] == ("128", "1")]
    for result in report["results"]:
        assert result["prompt_processing"] is result["token_generation"] is None
        assert [s["repetitions"] for s in result["speeds"]] == [2, 2]
    assert not [column for row in model_rows(report) for column in row if column.startswith("tg")]


@pytest.mark.parametrize("on_gpu", [False, True])
def test_a_gpu_is_warmed_up_at_full_length(
    bench_worker: type[BenchWorker], monkeypatch: pytest.MonkeyPatch, on_gpu: bool
) -> None:
    """There the first step at each length can be slow, by any engine."""
    monkeypatch.setitem(FACTS, "on_gpu", on_gpu)
    bench_measure.run_bench(choose(CHOSEN), lambda line: None)
    first = bench_worker.calls.index(("5M-bf16 eager", "20" if on_gpu else "4", "1"))
    if not on_gpu:
        assert bench_worker.calls[:first] == [
            ("1M-bf16 eager", tokens, size)
            for tokens, size in (("4", "1"), ("4", "4"), ("1", "1"), ("4", "1"))
        ]
        return
    # Prepared and then used, shape by shape, and the prompt of one token too.
    before = bench_worker.calls[:first]
    assert before[-1] == ("5M-bf16 eager prepared", "20", "1")
    assert before[:-1] == [
        (name, tokens, size)
        for tokens, size in (("20", "1"), ("20", "4"), ("1", "1"), ("128", "1"))
        for name in ("1M-bf16 eager prepared", "1M-bf16 eager")
    ]


def test_configs_that_do_not_fit_together_come_one_by_one_and_it_is_said(
    bench_worker: type[BenchWorker], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench_measure, "_fit_together", lambda bench, device: False)
    said: list[str] = []
    report = bench_measure.run_bench(choose(CHOSEN), said.append)
    timed = [call[0] for call in bench_worker.calls if call[1:] == ("20", "4")]
    assert timed == ["1M-bf16 eager"] * 2 + ["5M-bf16 eager"] * 2
    assert report["interleaved"] is False
    assert "one after the other" in said[0]
    assert "one config after the other" in to_markdown(report)
    before = bench_worker.calls.index(("5M-bf16 eager", "4", "1"))
    assert ("closed", "1M-bf16 eager") in bench_worker.calls[:before]


def test_a_config_that_fails_is_reported_and_the_others_go_on(
    bench_worker: type[BenchWorker],
) -> None:
    bench_worker.broken = "1M-bf16"
    report = bench_measure.run_bench(choose(CHOSEN), lambda line: None)
    assert [result["error"] for result in report["results"]] == ["it is broken", None]
    rows = speed_rows(report)
    assert rows[0]["bottleneck"] == "failed: it is broken"
    assert len(model_rows(report)) == 1


@pytest.mark.parametrize("together", [True, False])
def test_time_that_is_up_leaves_every_config_its_first_repetition(
    bench_worker: type[BenchWorker], monkeypatch: pytest.MonkeyPatch, together: bool
) -> None:
    monkeypatch.setattr(bench_measure, "_fit_together", lambda bench, device: together)
    said: list[str] = []
    hurried = choose(replace(CHOSEN, repetitions=1000, seconds=1e-6))
    report = bench_measure.run_bench(hurried, said.append)
    assert [[s["repetitions"] for s in r["speeds"]] for r in report["results"]] == [[1, 1], [1, 1]]
    assert any("after 1 of 1000" in line for line in said)
    assert all(result["profile"] for result in report["results"])


def test_the_report_so_far_is_kept_after_each_repetition(
    bench_worker: type[BenchWorker], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench_measure, "_fit_together", lambda bench, device: False)
    kept: list[list[tuple[str, int]]] = []

    def keep(report: dict[str, Any]) -> None:
        made = [(r["config"], r["speeds"][0]["repetitions"]) for r in report["results"]]
        kept.append(made)

    bench_measure.run_bench(choose(replace(CHOSEN, profile=False)), lambda line: None, keep)
    assert kept == [
        [("1M-bf16", 1)],
        [("1M-bf16", 2)],
        [("1M-bf16", 2), ("5M-bf16", 1)],
        [("1M-bf16", 2), ("5M-bf16", 2)],
    ]


def test_what_fits_together_is_estimated_first(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = choose(Options(configs=("1.5B-bf16", "0.5B-bf16"), engines=("eager", "graph")))

    def fits(free: float) -> bool:
        room = {"cuda": int(free * 2**30), "cpu": 2**40}
        monkeypatch.setattr(bench_measure, "free_bytes", room.__getitem__)
        return bench_measure._fit_together(chosen, "cuda")

    # Weights of 7.6 GiB in all, and four CUDA contexts.
    assert not fits(8)
    assert fits(12)


def test_the_headline_says_what_was_made_not_what_was_asked_for() -> None:
    report = make_report()
    assert headline(report).startswith("Test GPU 80GB, 2026-11-23: 200 tokens")
    assert "5 repetitions, interleaved, weights dummy" in headline(report)
    report["settings"]["repetitions"] = 9
    report["results"][0]["speeds"][0]["repetitions"] = 3
    report["results"][0]["weights"] = "demo"
    assert "3 to 5 repetitions, interleaved, weights mixed" in headline(report)


def test_tables_drop_what_no_row_knows() -> None:
    rows = speed_rows(make_report())
    assert len(rows) == 24
    assert rows[0]["config"] == "0.5B-bf16"
    assert rows[0]["bottleneck"] == "overhead-bound"
    assert "J/token" in rows[0]
    told = [rows[0][name] for name in ("TTFT ms", "TPOT p50 ms", "decode tok/s", "answer tok/s")]
    assert told == ["30.00", "20.80", "48.1", "48.0"]
    assert "peak allocated" in model_rows(make_report())[0]


def test_an_older_report_has_whole_answers_too() -> None:
    old = make_report()
    for result in old["results"]:
        for each in result["speeds"]:
            del each["answer_tokens_per_second"]
    assert speed_rows(old) == speed_rows(make_report())
    shipped = sorted((PROJECT_ROOT / "vibecore/studies/bench/reports").glob("*.json"))
    assert len(shipped) == 6
    for path in shipped:
        rows = [row for row in speed_rows(read_report(path)) if "failed" not in row["bottleneck"]]
        for row in rows:
            answers, decoding = float(row["answer tok/s"]), float(row["decode tok/s"])
            assert 0.2 * decoding < answers < 1.01 * decoding, (path.name, row)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("not json", "not JSON"),
        ("[]", "not a bench report"),
        ('{"format": "other"}', "not a bench report"),
        ('{"format": "vibecheck-bench", "version": 9}', "version 9"),
        ('{"format": "vibecheck-bench", "version": 1, "results": []}', "`created_at` is missing"),
    ],
)
def test_a_file_that_is_no_report_is_refused(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "bench.json"
    path.write_text(content)
    with pytest.raises(InputError, match=said):
        read_report(path)
    assert read_report(write_report(path))["device"] == "cuda"


def test_a_wrong_folder_is_found_before_measuring(tmp_path: Path) -> None:
    for out, said in ((tmp_path / "none" / "b.json", "does not exist"), (tmp_path, "is a folder")):
        result = CliRunner().invoke(app, ["bench", "--config", "1M-bf16", "--out", str(out)])
        assert isinstance(result.exception, InputError)
        assert said in str(result.exception)


@pytest.mark.parametrize(
    "failing", ["profiling.profile.profile_step", "profiling.bench_calls.measure"]
)
def test_what_was_measured_before_a_failure_stays(
    bench_worker: type[BenchWorker], monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    answer = BenchWorker.call

    def call(self: BenchWorker, function: str, *arguments: int) -> Any:
        whole = ("1M-bf16 eager", "128", "1")
        if function == failing and self.calls.count(whole) and self.name == whole[0]:
            raise RunError("it broke late")
        return answer(self, function, *arguments)

    monkeypatch.setattr(BenchWorker, "call", call)
    report = bench_measure.run_bench(choose(CHOSEN), lambda line: None)
    first, second = report["results"]
    assert (first["error"], first["trouble"]) == (None, "it broke late")
    assert first["speeds"][0]["repetitions"] >= 1 and first["token_generation"]
    assert first["profile"] is None and second["profile"]
    assert second["trouble"] is None and second["speeds"][0]["repetitions"] == 2


def test_a_bench_waits_for_its_turn_on_the_device(bench_worker: type[BenchWorker]) -> None:
    said: list[str] = []
    measured = threading.Event()

    def bench() -> None:
        bench_measure.run_bench(choose(CHOSEN), said.append)
        measured.set()

    with device_queue.acquire("cpu", "study night"):
        thread = threading.Thread(target=bench)
        thread.start()
        wait_until(lambda: "Waiting for study night to finish." in said)
        assert not bench_worker.calls
    thread.join()
    assert measured.is_set() and bench_worker.calls


def test_bench_runs_for_real_without_duckdb_and_streamlit(tmp_path: Path) -> None:
    """The whole command in a process where neither can be imported."""
    out = tmp_path / "bench.json"
    code = (
        "import sys; sys.modules['duckdb'] = sys.modules['streamlit'] = None; "
        "from vibecore.cli import main; main()"
    )
    command = [
        *(sys.executable, "-c", code, "bench", "--config", "1M-bf16", "--engine", "graph"),
        *("--new-tokens", "8", "--prompt-tokens", "8", "--repetitions", "1", "--device", "cpu"),
        *("--profile", "--out", str(out), "--format", "md"),
    ]
    done = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "| 1M-bf16 | graph | 1 |" in done.stdout
    result = read_report(out)["results"][0]
    assert result["speeds"][0]["new_tokens"] == 8
    assert len(result["speeds"][0]["by_repetition"]) == 1
    # The head is tied to the embedding, so that a step reads every weight.
    assert result["bytes_per_step"] == result["weight_bytes"]
    assert result["ceiling_bytes_per_second"] > 1e9
    assert result["environment"]["packages"]["torch"]
    layers = {row["layer"] for row in result["profile"]}
    assert {"layer 0", "layer 3", "outside the layers"} <= layers
    assert {"query_key_value", "gate_up", "lm_head"} <= {row["module"] for row in result["profile"]}
    assert all(row["host_us"] >= 0 and row["device_us"] is None for row in result["profile"])
