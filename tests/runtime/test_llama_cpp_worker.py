"""A real worker with a GGUF file as it is: streaming, a stop, a refusal, a kill; nothing left."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

pytest.importorskip("gguf")
pytest.importorskip("xllamacpp")

from gguf import GGMLQuantizationType, LlamaFileType

from tests.support.gguf_files import write_gguf
from vibecore.catalog.models import own_configs
from vibecore.catalog.weights import load_request, resolve
from vibecore.core.errors import RunError
from vibecore.core.records import TextPiece
from vibecore.runtime.worker import Worker, WorkerDied
from vibecore.studies.fidelity.measure import FidelityEvent
from vibecore.studies.fidelity.pair import measure_pair, pair_plan

TEST_DATA = Path(__file__).parents[1] / "data"


def load(worker: Worker, path: Path) -> None:
    [config] = own_configs(str(path), ["as-is"])
    report = worker.load(load_request(config, resolve(config, "hub"), "cpu", "graph"))
    assert report.environment["engine"] == "llama.cpp"


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_gguf(tmp_path_factory.mktemp("gguf") / "tiny.gguf", "qwen2")


@pytest.fixture(scope="module")
def worker(path: Path) -> Iterator[Worker]:
    with Worker() as started:
        load(started, path)
        yield started


def test_it_streams_stops_and_goes_on(worker: Worker) -> None:
    pieces: list[str] = []

    def collect(_: int, piece: TextPiece) -> None:
        pieces.append(piece.text)

    worker.warm_up(["the hat"])
    worker.prepare([["the hat"], ["a"]], 100)
    [whole] = worker.generate(["the hat"], 20, collect)
    assert whole.text == "".join(pieces)

    def stop(_: int, piece: TextPiece) -> None:
        worker.stop()

    [stopped] = worker.generate(["he"], 200, stop)
    assert stopped.finish_reason in ("stopped", "eos") and stopped.new_tokens < 200
    with pytest.raises(RunError, match="context is 256"):
        worker.generate(["the hat"], 300)
    [again] = worker.generate(["the hat"], 20)
    assert again.token_ids == whole.token_ids


def test_a_killed_worker_is_told_and_leaves_nothing(path: Path) -> None:
    with Worker() as worker:
        load(worker, path)
        pid = worker.process.pid
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(WorkerDied, match="killed"):
            worker.generate(["the hat"], 20)
    assert not psutil.pid_exists(pid)


def test_two_files_are_compared_beside_a_noise_floor_in_steps(path: Path, tmp_path: Path) -> None:
    coarse = write_gguf(
        tmp_path / "coarse.gguf",
        "qwen2",
        type=GGMLQuantizationType.Q4_0,
        file_type=LlamaFileType.MOSTLY_Q4_0,
    )
    plan = pair_plan(
        str(coarse),
        str(path),
        precision="as-is",
        against_precision="as-is",
        suite=str(TEST_DATA / "two_prompts.yaml"),
        max_new_tokens=12,
        chat="off",
        with_text=False,
    )
    events: list[FidelityEvent] = []
    *floors, held = measure_pair(plan, events.append)
    assert [floor.way for floor in floors] == ["batch", "steps"] and held.way == "alone"
    assert all(floor.against == floor.config == "tiny-as-is" for floor in floors)
    assert all(len(floor.kld) == len(held.kld) > 1 for floor in floors)
    assert 100 * max(floor.kld.max() for floor in floors) < held.kld.mean()
    assert not [event for event in events if event.kind == "left_out"]
