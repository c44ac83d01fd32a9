"""The Triton kernels against plain torch, on a GPU; `python -m benchmarks.gpu_check` runs this."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("triton")
if not torch.cuda.is_available():
    pytest.skip("no GPU", allow_module_level=True)

import bitsandbytes  # noqa: E402, F401
from torch.nn import functional  # noqa: E402

from vibecore.engine import kernels  # noqa: E402
from vibecore.engine.decoder import rms_norm, rotate  # noqa: E402
from vibecore.engine.kernels_int8 import int8_vector  # noqa: E402

EPSILON = 1e-6
HEADS, KEY_HEADS, SIZE, LENGTH, SLOT = 6, 2, 64, 256, 150


def random(*shape: int, scale: float = 1.0) -> torch.Tensor:
    generator = torch.Generator(device="cuda").manual_seed(sum(shape))
    made = torch.randn(*shape, device="cuda", generator=generator) * scale
    return made.to(torch.bfloat16)


def assert_near(found: torch.Tensor, wanted: torch.Tensor) -> None:
    """Equal but for a last bit where sums were taken in another order."""
    torch.testing.assert_close(found, wanted, rtol=2**-6, atol=2**-6)


@pytest.mark.parametrize("rows", [1, 3, 30])
def test_norm_of_a_sum(rows: int) -> None:
    hidden, change, weight = random(rows, 896), random(rows, 896), random(896)
    wanted = hidden + change
    found = kernels.add_norm(hidden, change, weight, EPSILON)
    assert torch.equal(hidden, wanted)
    assert_near(found, rms_norm(wanted, weight, EPSILON))
    assert_near(kernels.add_norm(hidden, None, weight, EPSILON), rms_norm(wanted, weight, EPSILON))


@pytest.mark.parametrize("rows", [1, 3])
def test_attention_over_a_padded_cache(rows: int) -> None:
    joined = random(rows, (HEADS + 2 * KEY_HEADS) * SIZE)
    keys, values = (random(rows, KEY_HEADS, LENGTH, SIZE) for _ in range(2))
    padding = torch.arange(rows, device="cuda") * 70
    angles = random(LENGTH, SIZE // 2).float()
    cosine = torch.cat((angles.cos(), angles.cos()), -1).to(torch.bfloat16)
    sine = torch.cat((-angles.sin(), angles.sin()), -1).to(torch.bfloat16)
    found = kernels.attend(
        joined, keys, values, (cosine, sine), padding, torch.tensor([SLOT], device="cuda"), HEADS
    )
    heads = joined.view(rows, -1, SIZE)
    places = SLOT - padding
    turned = rotate(heads[:, : HEADS + KEY_HEADS], cosine[places][:, None], sine[places][:, None])
    assert_near(keys[:, :, SLOT], turned[:, HEADS:])
    assert torch.equal(values[:, :, SLOT], heads[:, HEADS + KEY_HEADS :])
    readable = torch.arange(SLOT + 1, device="cuda") >= padding[:, None]
    wanted = functional.scaled_dot_product_attention(
        turned[:, :HEADS].reshape(rows, KEY_HEADS, HEADS // KEY_HEADS, SIZE),
        keys[:, :, : SLOT + 1],
        values[:, :, : SLOT + 1],
        attn_mask=readable[:, None, None],
    )
    assert_near(found, wanted.reshape(rows, -1))


def test_activation() -> None:
    both = random(3, 2 * 4864)
    gate, up = both.chunk(2, -1)
    assert_near(kernels.silu_multiply(both), functional.silu(gate) * up)


@pytest.mark.parametrize(("rows", "size"), [(1152, 896), (896, 4864), (40_000, 96)])
def test_vector_products(rows: int, size: int) -> None:
    x, weight, bias, norm = random(1, size), random(rows, size, scale=0.05), random(rows), None
    assert_near(kernels.vector_product(x, weight, bias), functional.linear(x, weight, bias))
    norm = random(size)
    normed = rms_norm(x, norm, EPSILON)
    assert_near(
        kernels.vector_product(x, weight, norm=norm, epsilon=EPSILON),
        functional.linear(normed, weight),
    )
    gate, up = functional.linear(normed, weight).chunk(2, -1)
    assert_near(
        kernels.vector_product(x, weight, norm=norm, epsilon=EPSILON, silu=True),
        functional.silu(gate) * up,
    )
    before = random(1, rows)
    wanted = before + functional.linear(x, weight)
    kernels.vector_product(x, weight, add_to=before)
    assert_near(before, wanted)


@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize(("threshold", "scale"), [(0.0, 1.0), (6.0, 1.0), (6.0, 8.0)])
def test_int8_with_any_number_of_outliers(threshold: float, scale: float, biased: bool) -> None:
    x = random(1, 896, scale=scale)
    weight = torch.randint(-127, 128, (1152, 896), dtype=torch.int8, device="cuda")
    scales = torch.rand(1152, device="cuda") * 0.05
    bias = random(1152) if biased else None
    bnb = torch.ops.bitsandbytes
    quantised, row_scale, outliers = bnb.int8_vectorwise_quant.default(x.half(), threshold)
    if threshold:
        assert (outliers.numel() > 100) == (scale > 1)
        wanted, _ = bnb.int8_mixed_scaled_mm.default(
            x, quantised, weight, row_scale, scales, outliers, bias
        )
    else:
        wanted = bnb.int8_scaled_mm.default(
            quantised, weight, row_scale, scales, bias=bias, dtype=x.dtype
        )
    assert_near(int8_vector(x, weight, scales, bias, threshold), wanted)
