"""What a config needs on its device for its study's own workload: the memory model's answer."""

from __future__ import annotations

from vibecore.catalog.memory import needed_bytes, runtime_bytes, workload
from vibecore.catalog.models import MODELS, Config
from vibecore.catalog.precisions import PRECISIONS
from vibecore.core.rows import RunRow

BY_MODEL = "weights, KV cache, activations and runtime, from the architecture"
BY_PEAK = "measured peak and runtime"
BY_WEIGHTS = "weights and runtime"


def need_of(run: RunRow) -> tuple[int | None, str | None]:
    """(bytes, what they are made of), on the device of the run, a GPU where none is known.

    From the architecture for a model of the catalogue; else from what was measured. (None, None)
    where neither is known.
    """
    device = run.environment.get("device") or run.asked_device
    device = "cpu" if device == "cpu" else "cuda"
    gpu = (run.environment.get("gpu") or {}).get("name") or run.hardware
    if (config := _catalogued(run, device)) is not None:
        needed = needed_bytes(
            config,
            device,
            workload(
                run.longest_prompt, run.max_new_tokens, run.batch_size, sampled=bool(run.sampled)
            ),
            engine=run.environment.get("engine") or "eager",
            weights=run.weights,
            gpu=gpu,
        )
        if needed is not None:
            return needed, BY_MODEL
    # On a CPU the peak is the process's resident memory, which varies by more than configs differ.
    if run.peak_memory_bytes and device == "cuda":
        return run.peak_memory_bytes + runtime_bytes(device, gpu), BY_PEAK
    if size := run.weight_bytes or run.estimated_weight_bytes:
        return size + runtime_bytes(device, gpu), BY_WEIGHTS
    return None, None


def _catalogued(run: RunRow, device: str) -> Config | None:
    """The run's config, where the catalogue's model of that name has the weights that it had: a
    folder may be anything."""
    model, precision = MODELS.get(run.model), PRECISIONS.get(run.precision)
    if model is None or precision is None:
        return None
    config = Config(model, precision)
    return config if config.weight_bytes(device) == run.estimated_weight_bytes else None
