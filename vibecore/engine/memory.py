"""Memory of the device a model runs on: its peak, and what to say when it runs out."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import torch

from vibecore.core.errors import RAN_OUT, RunError
from vibecore.core.machine import GIB
from vibecore.core.records import LoadRequest

PROC_STATUS = Path("/proc/self/status")
PROC_CLEAR = Path("/proc/self/clear_refs")
# Writing 5 resets the peak resident set size (proc(5), since Linux 4.0).
RESET_PEAK = "5"


def reset_peak(device: torch.device) -> None:
    """Forget the peak so far, so that loading does not count as running."""
    if device.type == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    elif PROC_CLEAR.exists():
        try:
            PROC_CLEAR.write_text(RESET_PEAK)
        except OSError:
            return


def peak_bytes(device: torch.device) -> int:
    """Peak since the reset: GPU memory allocated, or this process's resident memory on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated()
    if PROC_STATUS.exists():
        for line in PROC_STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return resident_bytes()


def give_back() -> None:
    """Give the system what was freed. glibc keeps it for itself: of a 0.5B quantised by torchao
    1.3 GiB of 2.8, which the process would hold as long as it lives."""
    # Other C libraries have no such function, and no such habit.
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


def resident_bytes() -> int:
    """This process's resident memory now."""
    return psutil.Process().memory_info().rss


class RanOut(RunError):
    """Memory ran out."""


# torch's allocator on a CPU (c10/core/impl/alloc_cpu.cpp); and oneDNN, which says no more where it
# finds no room for a product: whether it has one was asked before.
CPU_REFUSALS = ("can't allocate memory", "could not create a primitive")


@contextmanager
def explain_out_of_memory(
    request: LoadRequest, device: torch.device, *, loading: bool = False
) -> Iterator[None]:
    """Turn any way of running out of memory into a RanOut with both sizes in it."""
    # Asking takes a moment, which nothing that is timed should pay for.
    before = _refusals(device) if loading else 0
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError):
        raise RanOut(_out_of_memory(request, device)) from None
    except RuntimeError as error:
        # On a CPU it is a plain RuntimeError, and transformers raises one of its own where a weight
        # could not be quantised, whatever the cause.
        swallowed = loading and _refusals(device) > before
        # A recording that ran out is ended for it, and its end can have a message of its own.
        within = isinstance(error.__context__, torch.OutOfMemoryError)
        refused = any(words in str(error) for words in CPU_REFUSALS)
        if not (refused or swallowed or within):
            raise
        raise RanOut(_out_of_memory(request, device)) from None


def _refusals(device: torch.device) -> int:
    """How often the GPU's allocator has had to say no, 0 on a CPU."""
    return torch.cuda.memory_stats().get("num_ooms", 0) if device.type == "cuda" else 0


@contextmanager
def explain_no_room_beside(
    request: LoadRequest, beside: LoadRequest | None, device: torch.device
) -> Iterator[None]:
    """Say in place of a RanOut that two models were to be compared, or with None one with itself:
    what is advised for one that runs alone does not help there."""
    try:
        yield
    except RanOut:
        raise RunError(_no_room_beside(request, beside, device)) from None


def _no_room_beside(request: LoadRequest, beside: LoadRequest | None, device: torch.device) -> str:
    models = [request] if beside is None else [request, beside]
    sizes = [one.estimated_weight_bytes for one in models]
    what, whose = request.config_id, "The weights alone need"
    if beside is not None:
        what += f" with {beside.config_id} beside it"
        whose = "The weights of both alone need"
    needs = f" {whose} {sum(filter(None, sizes)) / GIB:.2f} GiB;" if all(sizes) else ""
    return (
        f"{what} {RAN_OUT}.{needs} {_room(device)}. Outputs stay as they are; measure "
        "fidelity where there is room."
    )


def _room(device: torch.device) -> str:
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info()
        return f"the GPU has {total / GIB:.2f} GiB, {free / GIB:.2f} GiB of it free now"
    return f"this machine has {psutil.virtual_memory().total / GIB:.1f} GiB"


def _out_of_memory(request: LoadRequest, device: torch.device) -> str:
    size = request.estimated_weight_bytes
    needs = f" Its weights alone need {size / GIB:.2f} GiB;" if size else ""
    return (
        f"{request.config_id} {RAN_OUT}.{needs} {_room(device)}. Try a lower "
        "precision, a smaller model, or a smaller --batch-size."
    )
