"""Real workers on a demo model: loading, decoding, streaming, stopping, dying."""

from __future__ import annotations

import os
import pickle
import signal
import threading
import time
from collections.abc import Iterator
from io import BytesIO
from types import SimpleNamespace

import psutil
import pytest

from tests.support.processes import fork_servers
from vibecore.catalog.models import find_configs
from vibecore.catalog.weights import load_request, resolve
from vibecore.core.errors import RunError
from vibecore.core.records import Decoding, LoadRequest, TextPiece
from vibecore.runtime import fork_server
from vibecore.runtime.worker import Worker, WorkerDied

PROMPTS = ["Write a Python function that adds two numbers.", "Name a colour."]


def request(config_id: str, weights: str = "hub") -> LoadRequest:
    [config] = find_configs([config_id])
    return load_request(config, resolve(config, weights), "cpu", "eager")


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with Worker() as started:
        started.load(request("1M-bf16"))
        yield started


@pytest.mark.skipif(not fork_server.CAN_FORK, reason="no fork on this system")
def test_a_fork_has_its_imports_from_the_fork_server(worker: Worker) -> None:
    [server] = fork_servers()
    # torch's libraries are mapped in the parent, not loaded by each worker.
    assert any("libtorch" in mapped.path for mapped in server.memory_maps())


def test_a_generation_is_timed_and_counted(worker: Worker) -> None:
    [generation] = worker.generate(PROMPTS[:1], 12)
    assert generation.text
    assert generation.new_tokens <= 12
    assert generation.prompt_tokens > 3
    assert 0 < generation.first_token_seconds <= generation.total_seconds
    assert generation.tokens_per_second == generation.new_tokens / generation.total_seconds
    assert generation.peak_memory_bytes > 10_000_000
    assert generation.finish_reason == ("length" if generation.new_tokens == 12 else "eos")


def test_greedy_decoding_repeats_itself(worker: Worker) -> None:
    first, second = (worker.generate(PROMPTS[:1], 12)[0].token_ids for _ in range(2))
    assert first == second


def test_streamed_text_is_the_text(worker: Worker) -> None:
    pieces: dict[int, str] = {0: "", 1: ""}

    def collect(index: int, piece: TextPiece) -> None:
        pieces[index] += piece.text

    generations = worker.generate(PROMPTS, 24, on_text=collect)
    assert [generation.text for generation in generations] == [pieces[0], pieces[1]]


def test_a_batch_counts_each_sequence_to_its_own_end(worker: Worker) -> None:
    generations = worker.generate(PROMPTS, 120)
    assert [generation.batch_size for generation in generations] == [2, 2]
    assert all(generation.tokens_per_second is None for generation in generations)
    alone = [worker.generate([prompt], 120)[0] for prompt in PROMPTS]
    # bf16 near-ties may part a batched sequence from a lone one (facts.md), not its start.
    for together, single in zip(generations, alone, strict=True):
        assert together.prompt_tokens == single.prompt_tokens
        assert together.token_ids[:3] == single.token_ids[:3]
        if together.finish_reason == "eos":
            assert together.token_ids.count(together.token_ids[-1]) == 1


def test_an_output_can_end_by_itself(worker: Worker) -> None:
    from vibecore.scoring import load_suite

    texts = [prompt.text for prompt in load_suite("vibe30").prompts]
    generations = worker.generate(texts, 200)
    ended = [g for g in generations if g.finish_reason == "eos"]
    assert ended, "the demo model never stopped by itself"
    for generation in ended:
        assert "<|endoftext|>" not in generation.text
        assert len(generation.answer_token_ids) == generation.new_tokens - 1


def test_stop_ends_a_generation_early(worker: Worker) -> None:
    seen = threading.Event()
    counts: list[str] = []

    def on_text(_: int, piece: TextPiece) -> None:
        counts.append(piece.text)
        if not seen.is_set():
            seen.set()
            worker.stop()

    [generation] = worker.generate(["Tell me a story about a long road."], 400, on_text)
    assert generation.finish_reason == "stopped"
    assert generation.new_tokens < 100
    [again] = worker.generate(PROMPTS[:1], 4)
    assert again.finish_reason == "length", "a stop must not outlive its generation"


def test_a_prompt_beyond_the_context_is_explained(worker: Worker) -> None:
    with pytest.raises(RunError, match="context is 512"):
        worker.generate(["word " * 600], 10)
    with pytest.raises(RunError, match="empty"):
        worker.generate([""], 10)
    assert worker.generate(PROMPTS[:1], 2)


def test_dummy_weights_run_to_the_limit_and_make_no_text() -> None:
    with Worker() as worker:
        report = worker.load(request("1M-4bit", "dummy"))
        [config] = find_configs(["1M-4bit"])
        assert report.weight_bytes == config.estimated_weight_bytes
        [generation] = worker.generate(PROMPTS[:1], 20, on_text=lambda *_: None)
    assert generation.text is None
    assert (generation.new_tokens, generation.finish_reason) == (20, "length")


def test_cuda_without_a_gpu_is_explained() -> None:
    with Worker() as worker:
        if worker.choose_device("auto") == "cuda":
            pytest.skip("this machine has a GPU")
        with pytest.raises(RunError, match="--device cpu"):
            worker.choose_device("cuda")


def test_a_broken_model_folder_is_explained(tmp_path) -> None:
    from vibecore.catalog.demo_models import MODELS_DIR

    folder = tmp_path / "broken"
    folder.mkdir()
    for file in (MODELS_DIR / "1M").iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / "model.safetensors").write_bytes(b"garbage" * 100)
    with Worker() as worker, pytest.raises(RunError, match="cannot be loaded"):
        worker.load(LoadRequest("broken-bf16", "bf16", "cpu", folder=str(folder)))


def test_a_killed_worker_is_told_and_nothing_is_left() -> None:
    with Worker() as worker:
        worker.load(request("1M-bf16"))
        pid = worker.process.pid

        def kill(_: int, __: str) -> None:
            os.kill(pid, signal.SIGKILL)

        with pytest.raises(WorkerDied, match=r"killed \(signal 9\).*memory"):
            worker.generate(["Tell me a long story."], 400, kill)
        with pytest.raises(WorkerDied):
            worker.generate(PROMPTS[:1], 4)
    assert not psutil.pid_exists(pid)


def test_closing_ends_the_process() -> None:
    worker = Worker()
    worker.wait_ready()
    worker.close()
    assert not psutil.pid_exists(worker.process.pid)
    worker.close()


def test_sampling_follows_its_seed(worker: Worker) -> None:
    def sample(seed: int) -> tuple[int, ...]:
        decoding = Decoding(temperature=1.5, seed=seed)
        return worker.generate(PROMPTS[:1], 16, decoding=decoding)[0].token_ids

    assert sample(1) == sample(1)
    assert len({sample(seed) for seed in range(4)}) > 1


def test_a_stop_waits_for_the_end_of_a_long_request() -> None:
    begun = threading.Event()

    class Slow(BytesIO):
        def write(self, data) -> int:
            begun.set()
            time.sleep(0.05)
            return super().write(data)

    sent = Slow()
    process = SimpleNamespace(stdin=sent, stdout=BytesIO(pickle.dumps(("done", []))))
    worker = Worker(process=process)  # type: ignore[arg-type]
    # So long that it is written in several parts.
    prompt = "long " * 100_000
    asking = threading.Thread(target=worker.generate, args=([prompt], 5))
    asking.start()
    begun.wait()
    worker.stop()
    asking.join()
    sent.seek(0)
    assert pickle.load(sent)[:2] == ("generate", [prompt])
    assert pickle.load(sent) == ("stop",)
