"""The order of the measurement protocol: a clock is read only after the device has been waited for,
and the memory's peak is reset after loading and before each generation.

Each test records the calls and compares them with the one order that is right, so that deleting or
moving any of them fails.
"""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
import torch

from tests.support.tiny_models import TINY, loaded, random_prompts, tiny_model
from vibecore.catalog.weights import load_request
from vibecore.core.records import GREEDY, Decoding
from vibecore.engine import batch, eager, graph, memory
from vibecore.engine.model import LoadedModel, StopSwitch

NEW_TOKENS = 3
# The package has functions of the same names.
generate: Any = import_module("vibecore.engine.generate")
load: Any = import_module("vibecore.engine.load")


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every reset of the peak, wait for the device, reading of the clock and of the peak, in order;
    `model` for a forward pass."""
    made: list[str] = []

    def recorded(name: str, answer: Any) -> Any:
        def call(*_: object) -> Any:
            made.append(name)
            return answer() if callable(answer) else answer

        return call

    clock = iter(range(1000))
    for module in (eager, graph, generate):
        monkeypatch.setattr(module, "synchronise", recorded("synchronise", None))
        perf_counter = recorded("clock", lambda: float(next(clock)))
        monkeypatch.setattr(module, "time", SimpleNamespace(perf_counter=perf_counter))
    for module in (eager, graph):
        monkeypatch.setattr(module, "reset_peak", recorded("reset", None))
        monkeypatch.setattr(module, "peak_bytes", recorded("peak", 1))
    return made


def model_that_records(calls: list[str], engine: str) -> LoadedModel:
    model = tiny_model(TINY["qwen2"])
    model.register_forward_pre_hook(lambda *_: calls.append("model"))
    return loaded(model, engine)


def test_eager_waits_before_every_reading_of_the_clock(calls: list[str]) -> None:
    one = model_that_records(calls, "eager")
    eager.generate(one, random_prompts("cpu", 5), NEW_TOKENS, StopSwitch())
    assert calls == [
        *("reset", "synchronise", "clock"),
        *("model", "synchronise", "clock"),
        *("model", "model"),
        *("synchronise", "clock", "peak"),
    ]


def test_graph_waits_before_every_reading_of_the_clock(
    calls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = model_that_records(calls, "graph")
    read, step = graph.prefill, graph.growing_step

    def prefill(*arguments: Any) -> torch.Tensor:
        calls.append("prefill")
        return read(*arguments)

    def growing_step(*arguments: Any) -> torch.Tensor:
        calls.append("step")
        return step(*arguments)

    monkeypatch.setattr(graph, "prefill", prefill)
    monkeypatch.setattr(graph, "growing_step", growing_step)
    graph.generate(one, random_prompts("cpu", 5), NEW_TOKENS, StopSwitch())
    # A CPU has worked when a call returns; on a GPU each token is read from it, which waits.
    assert calls == [
        *("reset", "synchronise", "clock"),
        *("prefill", "clock"),
        *("step", "step"),
        *("clock", "peak"),
    ]


def test_timed_steps_begin_at_an_idle_device(
    calls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = replace(model_that_records(calls, "eager"), context=100)
    times = generate.time_steps(one, 5, NEW_TOKENS)
    assert calls[:2] == ["synchronise", "clock"]
    # The clock's readings, one apart: the start, three of eager's own and one for each token.
    assert len(times.step_seconds) == NEW_TOKENS - 1
    assert "reset" in calls[2:]


def test_waiting_and_resetting_reach_the_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    for name in ("synchronize", "reset_peak_memory_stats"):
        monkeypatch.setattr(torch.cuda, name, lambda name=name: made.append(name))
    batch.synchronise(torch.device("cuda"))
    memory.reset_peak(torch.device("cuda"))
    # Queued work would still raise the peak after its reset.
    assert made == ["synchronize", "synchronize", "reset_peak_memory_stats"]
    batch.synchronise(torch.device("cpu"))
    assert len(made) == 3


def test_a_load_ends_with_a_reset_of_the_peak(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    real = load.load_checkpoint

    def load_checkpoint(*arguments: Any) -> Any:
        made.append("load")
        return real(*arguments)

    def take_apart(*arguments: Any) -> Any:
        made.append("take apart")
        return graph.take_apart(*arguments)

    monkeypatch.setattr(load, "load_checkpoint", load_checkpoint)
    monkeypatch.setattr(load, "take_apart", take_apart)
    monkeypatch.setattr(load, "reset_peak", lambda device: made.append("reset"))
    load.load(small_request())
    assert made == ["load", "take apart", "reset"]


def small_request() -> Any:
    from vibecore.catalog.models import find_configs
    from vibecore.catalog.weights import resolve

    [config] = find_configs(["1M-bf16"])
    return load_request(config, resolve(config, "hub"), "cpu", "graph")


def test_a_gpu_is_warmed_up_with_the_whole_first_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[int, int]] = []
    monkeypatch.setattr(
        generate, "generate", lambda one, prompts, tokens: made.append((len(prompts), tokens))
    )
    for device, prompts in (("cuda", 30), ("cpu", generate.CPU_WARM_UP_PROMPTS)):
        generate.warm_up(SimpleNamespace(device=torch.device(device)), ["a prompt"] * 30)
        assert made.pop() == (prompts, generate.WARM_UP_TOKENS)


def test_every_shape_is_recorded_before_it_is_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    recorded: list[tuple[int, int, int, Decoding]] = []
    monkeypatch.setattr(
        graph,
        "prepare",
        lambda decoder, batch, new, how: recorded.append((*batch.tokens.shape, new, how)),
    )
    monkeypatch.setattr(
        generate, "encode", lambda one, prompts, tokens: random_prompts("cpu", *map(len, prompts))
    )
    cuda = torch.device("cuda")
    gpu: Any = Mock(spec=LoadedModel, decoder=object(), device=cuda, request=None)
    generate.prepare(gpu, [["12345"], ["1", "123"]], 20)
    assert recorded == [(1, 5, 20, GREEDY), (2, 3, 20, GREEDY)]
    generate.prepare(gpu, [["12345"]], 20, Decoding(temperature=0.5))
    assert recorded.pop() == (1, 5, 20, Decoding(temperature=0.5))
    generate.prepare(Mock(spec=LoadedModel, decoder=None, device=cuda), [["1"]], 20)
    assert len(recorded) == 2
