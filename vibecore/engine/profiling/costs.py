"""What one decode step costs the host and the GPU, measured apart.

A replay is one launch: the GPU is kept busy meanwhile, so that it finds the replay queued and runs
it without a gap, and the host's time is its own. A step that is launched kernel by kernel can have
more of them than fit into the GPU's queue, and a host that waits for room there does no work: it
launches its step at an idle GPU, whose time is the sum of its kernels' own, by torch's profiler.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch
from torch.profiler import ProfilerActivity, profile

from vibecore.engine.batch import random_batch
from vibecore.engine.capture import Recording, recording_for
from vibecore.engine.decoder import outlier_threshold
from vibecore.engine.graph import why_eager
from vibecore.engine.model import Batch, Loaded, LoadedModel
from vibecore.engine.profiling.trace import gpu_kernels, stderr_closed
from vibecore.engine.quantisers import without_gradients

REPETITIONS = 3
BUSY_CYCLES = 300_000_000

Step = Callable[[], object]


def step_costs(
    loaded: Loaded, prompt_tokens: int, new_tokens: int, batch_size: int = 1
) -> tuple[float | None, float | None]:
    """(host, GPU) seconds of one step after a prompt of random tokens; (None, None) on a CPU, and
    for a step that waits for the GPU in its middle, as LLM.int8() with outliers does, and for
    llama.cpp's, which torch neither launches nor sees. The GPU's alone is None where the profiler
    sees no kernel.

    Engine `eager`'s is the model's forward pass alone: what `generate` does around it, masks and
    stopping criteria, is in a bench's step times and not in these.
    """
    if loaded.device.type != "cuda" or not isinstance(loaded, LoadedModel):
        return None, None
    batch = random_batch(loaded, batch_size, prompt_tokens, new_tokens)
    with without_gradients(loaded.model):
        if loaded.decoder is not None and why_eager(loaded.decoder) is None:
            # Each replay takes a slot more, the first untimed one too.
            steps = max(new_tokens, REPETITIONS + 1)
            recording = recording_for(loaded.decoder, batch_size, prompt_tokens, steps)
            recording.prepare(batch_size, prompt_tokens)
            return _costs_of_replay(recording, batch_size, prompt_tokens)
        if outlier_threshold(loaded.model) > 0:
            return None, None
        return _costs_of_launches(_forward(loaded, batch))


def _costs_of_replay(recording: Recording, rows: int, slot: int) -> tuple[float, float]:
    recording.slot.fill_(slot)
    replay = recording.step(rows).run
    replay()
    host, gpu = zip(*(_replay_beside_work(replay) for _ in range(REPETITIONS)), strict=True)
    return statistics.median(host), statistics.median(gpu)


def _replay_beside_work(replay: Step) -> tuple[float, float]:
    begun, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()
    torch.cuda._sleep(BUSY_CYCLES)
    begun.record()
    started = time.perf_counter()
    replay()
    host = time.perf_counter() - started
    ended.record()
    torch.cuda.synchronize()
    return host, begun.elapsed_time(ended) / 1000


def _forward(loaded: LoadedModel, batch: Batch) -> Step:
    cache = loaded.model(input_ids=batch.tokens, use_cache=True, logits_to_keep=1).past_key_values
    return lambda: loaded.model(input_ids=batch.tokens[:, -1:], past_key_values=cache)


def _costs_of_launches(step: Step) -> tuple[float, float | None]:
    step()
    host = statistics.median(_launch_seconds(step) for _ in range(REPETITIONS))
    activities = [ProfilerActivity.CPU, ProfilerActivity.CUDA]
    with stderr_closed(), profile(activities=activities) as profiler:
        step()
        torch.cuda.synchronize()
    kernels = gpu_kernels(profiler)
    # A profiler that may not look at the GPU sees none, and their time is not zero.
    return host, sum(kernel.duration for kernel in kernels) / 1e6 if kernels else None


def _launch_seconds(step: Step) -> float:
    torch.cuda.synchronize()
    started = time.perf_counter()
    step()
    return time.perf_counter() - started
