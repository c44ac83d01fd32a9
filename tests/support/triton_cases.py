"""What the tests of Triton kernels share: on a GPU they run as they are, and elsewhere, with
TRITON_INTERPRET=1, in Triton's interpreter, where programs run one after the other: with smaller
shapes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

FOLDER = Path(__file__).resolve().parents[1] / "engine"
# The files of tests that need a GPU or the interpreter.
KERNEL_TESTS = tuple(
    FOLDER / name for name in ("test_kernels.py", "test_row_kernels.py", "test_prompt_attention.py")
)

ON_GPU = torch.cuda.is_available()
INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
DEVICE = "cuda" if ON_GPU else "cpu"
EPSILON = 1e-6


def sized(gpu: list[Any], interpreter: list[Any]) -> list[Any]:
    """Cases for a GPU, and those that the interpreter runs in seconds."""
    return gpu if ON_GPU else interpreter


@contextmanager
def rounding_to_nearest() -> Iterator[None]:
    """Make up for the interpreter, which truncates a float32 to bfloat16 where a GPU rounds to the
    nearest even."""
    if ON_GPU:
        yield
        return
    from triton.runtime import interpreter

    convert = interpreter._convert_float

    def rounded(array: Any, source: Any, target: Any, mode: Any) -> Any:
        if (source, target) != (interpreter.tl.float32, interpreter.tl.bfloat16):
            return convert(array, source, target, mode)
        made = torch.from_numpy(array.copy()).to(torch.bfloat16)
        return made.view(torch.int16).numpy().view("uint16").reshape(array.shape)

    with patch.object(interpreter, "_convert_float", rounded):
        yield


def random(*shape: int, scale: float = 1.0) -> torch.Tensor:
    """Numbers in bfloat16, the same ones for a shape."""
    generator = torch.Generator(device=DEVICE).manual_seed(sum(shape))
    made = torch.randn(*shape, device=DEVICE, generator=generator) * scale
    return made.to(torch.bfloat16)


def assert_near(found: torch.Tensor, wanted: torch.Tensor, addend: float = 1.0) -> None:
    """Equal but for a last bit, which an addend of that size, rounded before, can have lost too,
    where sums were taken in another order."""
    torch.testing.assert_close(found, wanted, rtol=2**-6, atol=2**-6 * addend)
