"""What one decode step costs the host and the GPU, told apart.

The GPU is first kept busy for a while; meanwhile the host launches a whole step. The host's time
is then its own, and the GPU, which finds all of the step queued, runs it without a gap.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch

from vibecore.engine.batch import Batch, random_batch
from vibecore.engine.graph import why_eager
from vibecore.engine.load import LoadedModel

REPETITIONS = 3
BUSY_CYCLES = 300_000_000


def step_costs(
    loaded: LoadedModel, prompt_tokens: int, new_tokens: int, batch_size: int = 1
) -> tuple[float | None, float | None]:
    """(host, GPU) seconds of one step after a prompt of random tokens; (None, None) on a CPU, and
    for a step that waits for the GPU in its middle, as LLM.int8() with outliers does.

    Engine `eager`'s is the model's forward pass alone: what `generate` does around it, masks and
    stopping criteria, is in a bench's step times and not in these.
    """
    if loaded.device.type != "cuda":
        return None, None
    batch = random_batch(loaded, batch_size, prompt_tokens, new_tokens)
    with torch.inference_mode():
        step = _step(loaded, batch, new_tokens)
        if step is None:
            return None, None
        step()
        pairs = [_cost(step) for _ in range(REPETITIONS)]
    host, gpu = zip(*pairs, strict=True)
    return statistics.median(host), statistics.median(gpu)


def _step(loaded: LoadedModel, batch: Batch, new_tokens: int) -> Callable[[], object] | None:
    rows, length = batch.tokens.shape
    decoder = loaded.decoder
    if decoder is not None and why_eager(decoder, rows) is None:
        from vibecore.engine.capture import captured_step

        # Each replay takes a slot more, the first untimed one too.
        captured = captured_step(decoder, rows, length + max(new_tokens, REPETITIONS + 1))
        captured.slot.fill_(length)
        return captured.replay
    state = getattr(loaded.model.model.layers[0].self_attn.q_proj, "state", None)
    if getattr(state, "threshold", 0.0) > 0:
        return None
    cache = loaded.model(input_ids=batch.tokens, use_cache=True, logits_to_keep=1).past_key_values
    return lambda: loaded.model(input_ids=batch.tokens[:, -1:], past_key_values=cache)


def _cost(step: Callable[[], object]) -> tuple[float, float]:
    begun, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()
    torch.cuda._sleep(BUSY_CYCLES)
    begun.record()
    started = time.perf_counter()
    step()
    host = time.perf_counter() - started
    ended.record()
    torch.cuda.synchronize()
    return host, begun.elapsed_time(ended) / 1000
