"""What a GPU records, on a CPU: who holds its memory, what is left after an error, what stays of
the prompt before."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace

import pytest
import torch

from tests.engine.test_architectures import NEW_TOKENS, tokens_of
from tests.support.tiny_models import TINY, loaded, random_prompts, tiny_model
from vibecore.catalog import prefill as lengths
from vibecore.core.errors import RunError
from vibecore.engine import capture
from vibecore.engine.decoder import Decoder, build_decoder
from vibecore.engine.graph import generate, peak_with_graphs
from vibecore.engine.memory import peak_bytes
from vibecore.engine.model import Batch, Collector, StopSwitch
from vibecore.engine.recorded import Recorded

CPU = torch.device("cpu")


def decode(decoder: Decoder, batch: Batch) -> list[tuple[int, ...]]:
    collector = Collector(len(batch.lengths), (), NEW_TOKENS, StopSwitch(), None)
    with torch.inference_mode():
        capture.decode_recorded(decoder, batch, collector)
    return [tuple(tokens) for tokens in collector.tokens]


@pytest.fixture
def decoder() -> Decoder:
    return build_decoder(tiny_model(TINY["llama"]))


def test_a_cpu_beside_a_gpu_records_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    calls: list[None] = []
    run = Recorded(lambda: calls.append(None), CPU, None)
    run.prepare()
    for _ in range(3):
        run()
    assert run.ready
    assert len(calls) == 4


def test_work_that_failed_has_set_up_nothing() -> None:
    def fail() -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    run = Recorded(fail, CPU, None)
    with pytest.raises(torch.OutOfMemoryError):
        run()
    assert not run.ready


def test_a_recording_that_is_dropped_gives_its_memory_back_at_once(decoder: Decoder) -> None:
    decode(decoder, random_prompts("cpu", 9))
    [recording] = decoder.recordings.values()
    with torch.inference_mode():
        recording.prepare(1, 9)
    keys = weakref.ref(recording.cache.keys[0])
    del recording
    gc.disable()
    try:
        decoder.recordings.clear()
        assert keys() is None
    finally:
        gc.enable()


def test_prompts_that_are_shared_find_room_for_their_padding(
    decoder: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Alone a prompt of 17 tokens is padded to 32, and four at once would be to 24.
    for module in (lengths, capture):
        monkeypatch.setattr(module, "CHUNKS", (8, 16, 32))
    monkeypatch.setattr(lengths, "MOST_TOKENS", 32)
    monkeypatch.setattr(capture, "CACHE_STEP", 1)
    [row] = random_prompts("cpu", 17).tokens
    tokens = torch.stack([row] * 4)
    batch = Batch(tokens, torch.ones_like(tokens), (17,) * 4)
    wanted = tokens_of("eager", loaded(decoder.model, "eager"), random_prompts("cpu", 17))
    assert decode(decoder, batch) == wanted * 4


@pytest.mark.parametrize("name", ["llama", "gemma3, a window shorter than the prompt"])
def test_what_the_prompt_before_left_is_not_seen(name: str) -> None:
    decoder = build_decoder(tiny_model(TINY[name]))
    batch = random_prompts("cpu", 3, 17)
    wanted = decode(decoder, batch)
    [recording] = decoder.recordings.values()
    for tensor in (*recording.cache.keys, *recording.cache.values, recording.logits):
        # As an overflow leaves it.
        with torch.inference_mode():
            tensor.fill_(float("nan"))
    assert decode(decoder, batch) == wanted


def test_memory_that_runs_out_takes_all_recordings_with_it(
    decoder: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = random_prompts("cpu", 3, 17)
    model = replace(loaded(decoder.model, "graph"), decoder=decoder)

    def fails(*_: object) -> None:
        # What torch says where ending a recording fails for the error that came before.
        try:
            raise torch.OutOfMemoryError("CUDA out of memory")
        finally:
            raise RuntimeError("operation failed due to a previous error during capture")

    monkeypatch.setattr("vibecore.engine.graph.decode", capture.decode_recorded)
    generate(model, batch, NEW_TOKENS, StopSwitch())
    assert len(decoder.recordings) == 1
    with monkeypatch.context() as patch:
        patch.setattr(Recorded, "__call__", fails)
        with pytest.raises(RunError, match="ran out of memory"):
            generate(model, batch, NEW_TOKENS, StopSwitch())
    assert not decoder.recordings
    generate(model, batch, NEW_TOKENS, StopSwitch())


def test_an_answer_is_not_lost_for_want_of_memory_to_record_what_read_its_prompt(
    decoder: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = random_prompts("cpu", 9)
    model = replace(loaded(decoder.model, "graph"), decoder=decoder)
    [wanted] = generate(model, batch, NEW_TOKENS, StopSwitch())

    def fails(_: Recorded) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("vibecore.engine.graph.decode", capture.decode_recorded)
    monkeypatch.setattr(Recorded, "record", fails)
    [made] = generate(model, batch, NEW_TOKENS, StopSwitch())
    assert made.token_ids == wanted.token_ids
    assert not decoder.recordings


def test_idle_recordings_make_room_for_a_new_one(
    decoder: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    capture.recording_for(decoder, 1, 50, 100)
    capture.recording_for(decoder, 2, 50, 100)
    new_cache = capture.new_cache

    def full(decoder: Decoder, rows: int, length: int) -> object:
        if decoder.recordings or rows == 5:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return new_cache(decoder, rows, length)

    monkeypatch.setattr(capture, "new_cache", full)
    capture.recording_for(decoder, 4, 50, 100)
    assert list(decoder.recordings) == [(4, 512)]
    with pytest.raises(torch.OutOfMemoryError):
        capture.recording_for(decoder, 5, 50, 100)


def test_what_graphs_compute_in_counts(decoder: Decoder) -> None:
    decode(decoder, random_prompts("cpu", 9))
    decode(decoder, random_prompts("cpu", 9, 9))
    one, two = decoder.recordings.values()
    own = one.held_bytes
    cache = one.cache
    tensors = (*cache.keys, *cache.values, one.prompt, one.logits, one.draws.uniform)
    assert own == sum(tensor.nbytes for tensor in tensors)
    before = peak_bytes(CPU)
    next(iter(one.passes.values())).held_bytes = 2**40
    one.step(1).run.held_bytes = 2**41
    two.step(2).run.held_bytes = 2**42
    assert one.held_bytes == own + 3 * 2**40
    assert peak_with_graphs(decoder) - 7 * 2**40 == pytest.approx(before, rel=0.1)
    # The last is in use where it is of the size that is measured.
    assert capture.idle_bytes(decoder, 2) == one.held_bytes
    assert capture.idle_bytes(decoder, 1) == one.held_bytes + two.held_bytes
