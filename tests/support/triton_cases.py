"""What the tests of Triton kernels share: on a GPU they run as they are, and elsewhere, with
TRITON_INTERPRET=1, in Triton's interpreter, where programs run one after the other: with smaller
shapes. Where there is neither, the tests that import this are skipped."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import pytest
import torch

from vibecore.engine.linear.nf4 import Nf4Projection

pytest.importorskip("triton")
ON_GPU = torch.cuda.is_available()
if not ON_GPU and os.environ.get("TRITON_INTERPRET") != "1":
    pytest.skip("no GPU, and not in Triton's interpreter", allow_module_level=True)
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


def rotary_tables(
    length: int, size: int, dtype: torch.dtype = torch.bfloat16
) -> tuple[torch.Tensor, torch.Tensor]:
    """Cosines and signed sines [length, size] of random angles."""
    angles = random(length, size // 2).float()
    cosine, sine = angles.cos(), angles.sin()
    return torch.cat((cosine, cosine), -1).to(dtype), torch.cat((-sine, sine), -1).to(dtype)


def nf4_projection(rows: int, size: int, biased: bool, block_size: int = 64) -> Nf4Projection:
    """A projection from [size] to [rows], of weights that bitsandbytes quantised."""
    from bitsandbytes.functional import quantize_4bit

    weight, state = quantize_4bit(
        random(rows, size, scale=0.02), blocksize=block_size, quant_type="nf4"
    )
    bias = random(rows) if biased else None
    return Nf4Projection(weight, (rows, size), state.absmax, block_size, state.code, "nf4", bias)


def nf4_weight(projection: Nf4Projection) -> torch.Tensor:
    """Its weight [rows, size] as the kernels take it: value times scale, rounded to bfloat16."""
    packed = projection.weight.flatten()
    codes = torch.stack((packed >> 4, packed & 15), -1).flatten().long()
    values = projection.values.to(torch.bfloat16)[codes].view(-1, projection.block_size)
    return (values * projection.absmax.to(torch.bfloat16)[:, None]).view(projection.shape)


def assert_near(found: torch.Tensor, wanted: torch.Tensor, addend: float = 1.0) -> None:
    """Equal but for a last bit, which an addend of that size, rounded before, can have lost too,
    where sums were taken in another order."""
    torch.testing.assert_close(found, wanted, rtol=2**-6, atol=2**-6 * addend)
