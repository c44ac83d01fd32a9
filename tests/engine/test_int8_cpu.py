"""LLM.int8() on a CPU beside bitsandbytes' own layer."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from bitsandbytes.nn import Linear8bitLt

from vibecore.engine.linear.int8_cpu import FEW_COLUMNS, ROWS_AT_ONCE, Int8CpuProjection
from vibecore.engine.linear.join import join

SIZE, OUT = 192, 96


def layer(threshold: float, *, bias: bool) -> Any:
    generator = torch.Generator().manual_seed(1)
    made = Linear8bitLt(SIZE, OUT, bias=bias, has_fp16_weights=False, threshold=threshold)
    made.weight.data = torch.randn(OUT, SIZE, generator=generator).to(torch.bfloat16)
    made.weight = made.weight._quantize("cpu")
    if bias:
        made.bias.data = torch.randn(OUT, generator=generator).to(torch.bfloat16)
    return made.eval()


def activations(rows: int, outliers: int) -> torch.Tensor:
    """Normal ones, and `outliers` columns of which one row's is beyond any threshold."""
    generator = torch.Generator().manual_seed(rows)
    x = torch.randn(rows, SIZE, generator=generator).clamp(-5, 5)
    for column in range(outliers):
        x[column % rows, column] = (-1) ** column * (6.0 + column)
    return x.to(torch.bfloat16)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("threshold", [6.0, 0.0])
@pytest.mark.parametrize("outliers", [0, 3, FEW_COLUMNS + 1, SIZE])
@pytest.mark.parametrize("rows", [1, 30, 2 * ROWS_AT_ONCE + 1])
def test_it_gives_what_bitsandbytes_gives(
    rows: int, outliers: int, threshold: float, bias: bool
) -> None:
    linear, x = layer(threshold, bias=bias), activations(rows, outliers)
    with torch.inference_mode():
        wanted = linear(x)
        projection = join(linear)
        assert isinstance(projection, Int8CpuProjection)
        made = projection(x)
    if outliers in (0, 3) or not threshold:
        assert torch.equal(made, wanted)
    else:
        # The sum over outliers is rounded as their order has it.
        torch.testing.assert_close(made, wanted, rtol=2**-7, atol=2**-4)


def test_a_row_of_zeros_stays_one() -> None:
    x = activations(3, 2)
    x[1] = 0.0
    with torch.inference_mode():
        made = join(layer(6.0, bias=False))(x)
    assert (made[1] == 0).all()
    assert made.isfinite().all()


def test_what_is_not_finite_is_not_hidden() -> None:
    x = activations(2, 0)
    x[0, 0] = float("nan")
    with torch.inference_mode():
        made = join(layer(6.0, bias=False))(x)
    assert made[0].isnan().all()
    assert made[1].isfinite().all()
