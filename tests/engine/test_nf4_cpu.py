"""4-bit weights on a CPU: two layouts of the same codes, and one product whichever it is."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from bitsandbytes.functional import has_avx512bf16
from bitsandbytes.nn import Linear4bit

from vibecore.engine.linear import nf4_cpu
from vibecore.engine.linear.nf4_cpu import Nf4CpuProjection, to_rows, to_tiles

SIZES = [(96, 192), (64, 128)]


def quantised(out: int, size: int, *, bias: bool = True, packs: bool = True) -> Any:
    generator = torch.Generator().manual_seed(out)
    linear = Linear4bit(
        size, out, bias=bias, compute_dtype=torch.bfloat16, compress_statistics=False
    )
    linear.weight.quant_type = "nf4"
    linear.weight.data = torch.randn(out, size, generator=generator).to(torch.bfloat16)
    linear.weight = linear.weight._quantize("cpu")
    if bias:
        linear.bias.data = torch.randn(out, generator=generator).to(torch.bfloat16)
    linear.support_avx512bf16_for_cpu = packs
    return linear.eval()


def input_of(rows: int, size: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(rows)
    return torch.randn(rows, size, generator=generator).to(torch.bfloat16)


@pytest.mark.skipif(not has_avx512bf16(), reason="bitsandbytes packs for AVX-512 BF16 only")
@pytest.mark.parametrize(("out", "size"), SIZES)
def test_tiles_are_those_of_bitsandbytes(
    out: int, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Several parts, the last one shorter.
    monkeypatch.setattr(nf4_cpu, "MOVED_BYTES", 2 * nf4_cpu.TILE_ROWS * size // 2)
    theirs, ours = quantised(out, size), quantised(out, size)
    with torch.inference_mode():
        theirs(input_of(1, size))
        to_tiles(ours)
        assert torch.equal(ours.weight.data.flatten(), theirs.weight.data.flatten())
        assert torch.equal(ours.weight.quant_state.absmax, theirs.weight.quant_state.absmax)


@pytest.mark.parametrize(("out", "size"), SIZES)
def test_moving_there_and_back_changes_no_code(out: int, size: int) -> None:
    linear, untouched = quantised(out, size), quantised(out, size)
    to_tiles(linear)
    assert not torch.equal(linear.weight.data.flatten(), untouched.weight.data.flatten())
    to_rows(linear)
    assert torch.equal(linear.weight.data.flatten(), untouched.weight.data.flatten())
    scales, rounded = linear.weight.quant_state.absmax, untouched.weight.quant_state.absmax
    assert torch.equal(scales, rounded.to(torch.bfloat16).float())


@pytest.mark.parametrize("packs", [True, False])
@pytest.mark.parametrize("arranged_for", [1, 100])
@pytest.mark.parametrize("rows", [1, 2, nf4_cpu.ROWS_FOR_MOVING])
def test_every_way_is_the_product_with_the_dequantised_weight(
    packs: bool, arranged_for: int, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if packs and not has_avx512bf16():
        pytest.skip("bitsandbytes packs for AVX-512 BF16 only")
    monkeypatch.setattr(nf4_cpu, "BUFFER_WEIGHTS", nf4_cpu.TILE_ROWS * 192)
    linears = [quantised(96, 192, packs=packs), quantised(64, 192, bias=False, packs=packs)]
    x = input_of(rows, 192)
    wanted = []
    for linear in linears:
        state = linear.weight.quant_state
        scales = state.absmax.to(torch.bfloat16).float() if packs else state.absmax
        weight = torch.ops.bitsandbytes.dequantize_4bit.default(
            linear.weight.data, scales, state.blocksize, "nf4", state.shape, torch.float32
        )
        bias = 0.0 if linear.bias is None else linear.bias.float()
        wanted.append(x.float() @ weight.t() + bias)
    with torch.inference_mode():
        projection = Nf4CpuProjection(linears)
        projection.arrange(arranged_for)
        made = projection(x)
        # The modules can still be called, and leave the layout as it is.
        again = torch.cat([linear(x) for linear in linears], dim=-1)
        assert torch.equal(projection(x), made)
    expected = torch.cat(wanted, dim=-1)
    # Weights rounded to bfloat16's 8 bits, some hundred of them to a sum of about 14.
    for each in (made, again):
        torch.testing.assert_close(each.float(), expected, rtol=2**-7, atol=2**-3)
