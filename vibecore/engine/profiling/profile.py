"""Where the time of one decode step goes: by layer, module and kernel, by torch's profiler.

Every module is a named range while the step runs, so each operator, and each kernel it launches,
falls to the innermost module around it. The profiler itself costs host time at every
operator: host figures are shares to compare with each other, not milliseconds to add up.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile, record_function

from vibecore.engine.cache import new_cache
from vibecore.engine.capture import recording_for
from vibecore.engine.choice import choose
from vibecore.engine.gpu_steps import choose_step
from vibecore.engine.graph import why_eager
from vibecore.engine.memory import explain_out_of_memory
from vibecore.engine.model import Batch, LoadedModel
from vibecore.engine.prefill import distinct_prompts, prefill
from vibecore.engine.profiling.trace import Kernel, gpu_kernels, stderr_closed
from vibecore.engine.profiling.watch import MARK, watch
from vibecore.engine.quantisers import without_gradients
from vibecore.engine.step import growing_step

Row = dict[str, Any]
Step = Callable[[], None]

# What runs in a module's own Python, between the operators it calls.
PYTHON = "(Python)"
# Outside the layers: embedding, rotary table, last norm, head, and choosing the token.
NO_LAYER = "outside the layers"
TOP = "loop"
WARM_UP_STEPS, PROFILED_STEPS = 3, 5
# What takes less of a step than this is summed up: a step has thousands of kernels.
LEAST_SHARE = 0.001
SMALL = "(small ones)"
TIMES = ("host_us", "device_us")
WAITING = ("cudaDeviceSynchronize", "cudaStreamSynchronize", "cudaEventSynchronize")
UNKNOWN = ("not told", "not told")
# A token that every vocabulary has; which one it is changes nothing of a step's work.
TOKEN = 1


def profile_step(loaded: LoadedModel, prompt_tokens: int) -> list[Row]:
    """One decode step of batch 1 after a synthetic prompt, as the model's engine makes it.

    Engine `graph` is profiled in the step that it records: a replay would name no layer.
    Returns rows {layer, module, kernel, host_us, device_us, calls}, the costliest first: `layer`
    is `layer 3` or "outside the layers", `module` the innermost module ("self_attn.q_proj"),
    `kernel` a GPU kernel, or an operator or call of the host; times are microseconds, own time
    only: a kernel's on the device, an operator's on the host; `device_us` is None on a CPU.
    """
    on_gpu = loaded.device.type == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    decoder = loaded.decoder
    by_eager = decoder is None or why_eager(decoder) is not None
    make_step = _model_step if by_eager else _decoder_step
    with (
        without_gradients(loaded.model),
        explain_out_of_memory(loaded.request, loaded.device),
        ExitStack() as stack,
    ):
        step = make_step(loaded, prompt_tokens, stack)
        for _ in range(WARM_UP_STEPS):
            step()
        with stderr_closed(), profile(activities=activities) as profiler:
            for _ in range(PROFILED_STEPS):
                with record_function(MARK + TOP):
                    step()
                    if on_gpu:
                        torch.cuda.synchronize()
    return step_rows(profiler.events(), gpu_kernels(profiler) if on_gpu else None)


def _model_step(loaded: LoadedModel, prompt_tokens: int, stack: ExitStack) -> Step:
    """A step through the modules of transformers, each a range while the stack is open."""
    prompt = torch.full((1, prompt_tokens), TOKEN, device=loaded.device)
    prefilled = loaded.model(input_ids=prompt, use_cache=True, logits_to_keep=1)
    cache = prefilled.past_key_values
    token = prefilled.logits[:, -1:].argmax(-1)
    stack.enter_context(_ranges(loaded.model))

    def step() -> None:
        nonlocal token
        output = loaded.model(input_ids=token, past_key_values=cache, use_cache=True)
        token = output.logits[:, -1:].argmax(-1)

    return step


def _decoder_step(loaded: LoadedModel, prompt_tokens: int, _: ExitStack) -> Step:
    """The step of engine `graph`, called instead of captured, with its parts watched."""
    decoder = loaded.decoder
    assert decoder is not None
    watched, trail = watch(decoder)
    prompt = torch.full((1, prompt_tokens), TOKEN, device=loaded.device)
    batch = Batch(prompt, torch.ones_like(prompt), (prompt_tokens,))
    steps = WARM_UP_STEPS + PROFILED_STEPS
    if loaded.device.type == "cuda":
        recording = recording_for(decoder, 1, prompt_tokens, steps)
        next_logits, told = choose_step(decoder, 1), recording.step(1).told
        recording.read(distinct_prompts(batch))
        told.take(choose(recording.logits))

        def gpu_step() -> None:
            with trail:
                state = (recording.cache, told.tokens[:, None], recording.slot)
                told.take(choose(next_logits(watched, *state)))
                recording.slot.add_(1)

        return gpu_step
    cache = new_cache(decoder, 1, prompt_tokens + steps)
    tokens = choose(prefill(decoder, batch, cache)).tokens
    slot = prompt_tokens

    def cpu_step() -> None:
        nonlocal tokens, slot
        with trail:
            tokens = choose(growing_step(watched, cache, tokens[:, None], slot)).tokens
        slot += 1

    return cpu_step


@contextmanager
def _ranges(model: torch.nn.Module) -> Iterator[None]:
    """Make every module's forward a named range of the profiler."""
    handles = []
    open_ranges: list[Any] = []

    def opener(name: str) -> Callable[..., None]:
        def enter(*_: object) -> None:
            named = record_function(MARK + name)
            named.__enter__()
            open_ranges.append(named)

        return enter

    def leave(*_: object) -> None:
        open_ranges.pop().__exit__(None, None, None)

    for name, module in model.named_modules():
        if name:
            handles.append(module.register_forward_pre_hook(opener(name)))
            handles.append(module.register_forward_hook(leave))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def step_rows(events: Any, kernels: Sequence[Kernel] | None) -> list[Row]:
    """The rows of profile_step from the profiler's events and, on a GPU, its kernels."""
    on_host = [e for e in events if e.device_type == torch.autograd.DeviceType.CPU]
    ranges = [event for event in on_host if event.name.startswith(MARK)]
    # The quickest of the steps: the first pays for set-up, and any can be interrupted.
    steps = [event.time_range for event in ranges if event.name == MARK + TOP]
    chosen = min(steps, key=lambda range_: range_.elapsed_us())
    sums: dict[tuple[str, str, str], Row] = defaultdict(
        lambda: {"host_us": 0.0, "device_us": None if kernels is None else 0.0, "calls": 0}
    )
    for event in on_host:
        path = _module_of(event)
        inside = chosen.start <= event.time_range.start < chosen.end
        # Waiting for the GPU is no work of the host.
        if path is None or not inside or event.name in WAITING:
            continue
        own = event.name.startswith(MARK)
        row = sums[(*_place(path), PYTHON if own else event.name)]
        row["host_us"] += event.self_cpu_time_total
        row["calls"] += 0 if own else 1
    for kernel in kernels or ():
        at = kernel.began if kernel.launched is None else kernel.launched
        if not chosen.start <= at < chosen.end:
            continue
        place = UNKNOWN
        if kernel.launched is not None:
            around = [r for r in ranges if r.time_range.start <= at < r.time_range.end]
            innermost = max(around, key=lambda event: event.time_range.start)
            place = _place(innermost.name.removeprefix(MARK))
        row = sums[(*place, kernel.name)]
        row["device_us"] += kernel.duration
        row["calls"] += 1
    return _merged(
        [
            {"layer": layer, "module": module, "kernel": kernel, **row}
            for (layer, module, kernel), row in sums.items()
        ]
    )


def _merged(rows: list[Row]) -> list[Row]:
    """The costliest first; those that hardly show, on either side, become one row a layer."""
    totals = {name: sum(row[name] or 0.0 for row in rows) for name in TIMES}
    shown: list[Row] = []
    small: dict[str, Row] = {}
    for row in rows:
        if any((row[name] or 0.0) > LEAST_SHARE * totals[name] for name in TIMES):
            shown.append(row)
            continue
        named = {"layer": row["layer"], "module": "several", "kernel": SMALL}
        into = small.setdefault(row["layer"], {**named, **dict.fromkeys((*TIMES, "calls"), 0)})
        for name in (*TIMES, "calls"):
            into[name] = None if row[name] is None else into[name] + row[name]
    return sorted(
        [*shown, *small.values()], key=lambda row: (-(row["device_us"] or 0.0), -row["host_us"])
    )


def _module_of(event: Any) -> str | None:
    """The innermost named range around an event; None outside the profiled step."""
    while event is not None and not event.name.startswith(MARK):
        event = event.cpu_parent
    return None if event is None else event.name.removeprefix(MARK)


def _place(path: str) -> tuple[str, str]:
    """(layer, module) of a module's dotted name: `model.layers.3.mlp.up_proj`."""
    _, found, rest = path.partition("layers.")
    if not found:
        return NO_LAYER, path.removeprefix("model.")
    number, _, module = rest.partition(".")
    return f"layer {number}", module or "block"
