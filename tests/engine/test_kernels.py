"""The Triton kernels against plain torch, on a GPU; `python -m benchmarks.gpu_check` runs this."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("triton")
if not torch.cuda.is_available():
    pytest.skip("no GPU", allow_module_level=True)

import bitsandbytes  # noqa: E402, F401
from torch.nn import functional  # noqa: E402

from vibecore.engine.decoder import rms_norm, rotate  # noqa: E402
from vibecore.engine.kernels import norm as kernels  # noqa: E402
from vibecore.engine.kernels.attention import attend  # noqa: E402
from vibecore.engine.linear.int8 import Int8Projection  # noqa: E402
from vibecore.engine.linear.nf4 import Nf4Projection  # noqa: E402

EPSILON = 1e-6
HEADS, KEY_HEADS, SIZE = 6, 2, 64


def random(*shape: int, scale: float = 1.0) -> torch.Tensor:
    generator = torch.Generator(device="cuda").manual_seed(sum(shape))
    made = torch.randn(*shape, device="cuda", generator=generator) * scale
    return made.to(torch.bfloat16)


def assert_near(found: torch.Tensor, wanted: torch.Tensor, addend: float = 1.0) -> None:
    """Equal but for a last bit, which an addend of that size, rounded before, can have lost too,
    where sums were taken in another order."""
    torch.testing.assert_close(found, wanted, rtol=2**-6, atol=2**-6 * addend)


@pytest.mark.parametrize("rows", [1, 3, 30])
def test_norm_of_a_sum(rows: int) -> None:
    hidden, change, weight = random(rows, 896), random(rows, 896), random(896)
    wanted = hidden + change
    found = kernels.add_norm(hidden, change, weight, EPSILON)
    assert torch.equal(hidden, wanted)
    assert_near(found, rms_norm(wanted, weight, EPSILON))
    assert_near(kernels.add_norm(hidden, None, weight, EPSILON), rms_norm(wanted, weight, EPSILON))


# One part and many, a slot within the first block of keys, and caches of every tile.
@pytest.mark.parametrize("rows", [1, 3, 60])
@pytest.mark.parametrize(("length", "slot"), [(256, 150), (512, 3), (1024, 1023), (4096, 3000)])
def test_attention_over_a_padded_cache(rows: int, length: int, slot: int) -> None:
    joined = random(rows, (HEADS + 2 * KEY_HEADS) * SIZE)
    keys, values = (random(rows, KEY_HEADS, length, SIZE) for _ in range(2))
    padding = (torch.arange(rows, device="cuda") * 70) % (slot + 1)
    angles = random(length, SIZE // 2).float()
    cosine = torch.cat((angles.cos(), angles.cos()), -1).to(torch.bfloat16)
    sine = torch.cat((-angles.sin(), angles.sin()), -1).to(torch.bfloat16)
    tickets = torch.zeros(rows * HEADS, dtype=torch.int32, device="cuda")
    at = torch.tensor([slot], device="cuda")
    # Twice, as a step is replayed: the second time begins with the tickets that the first left.
    for _ in range(2):
        found = attend(joined, keys, values, (cosine, sine), padding, at, tickets)
    assert not tickets.any()
    heads = joined.view(rows, -1, SIZE)
    places = slot - padding
    turned = rotate(heads[:, : HEADS + KEY_HEADS], cosine[places][:, None], sine[places][:, None])
    assert_near(keys[:, :, slot], turned[:, HEADS:])
    assert torch.equal(values[:, :, slot], heads[:, HEADS + KEY_HEADS :])
    readable = torch.arange(slot + 1, device="cuda") >= padding[:, None]
    wanted = functional.scaled_dot_product_attention(
        turned[:, :HEADS].reshape(rows, KEY_HEADS, HEADS // KEY_HEADS, SIZE),
        keys[:, :, : slot + 1],
        values[:, :, : slot + 1],
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


def nf4(rows: int, size: int, biased: bool) -> Nf4Projection:
    from bitsandbytes.functional import quantize_4bit

    weight, state = quantize_4bit(random(rows, size, scale=0.02), blocksize=64, quant_type="nf4")
    bias = random(rows) if biased else None
    return Nf4Projection(weight, (rows, size), state.absmax, 64, state.code, "nf4", bias)


# The last is not of whole blocks, which bitsandbytes' own product takes.
@pytest.mark.parametrize("size", [896, 4864, 64, 96])
@pytest.mark.parametrize("rows", [1152, 10])
def test_nf4_is_what_bitsandbytes_gives_to_the_bit(rows: int, size: int) -> None:
    x, norm = random(1, size), random(size)
    for biased in (False, True):
        projection = nf4(rows, size, biased)
        assert torch.equal(projection.vector(x), projection(x))
    normed = kernels.add_norm(x, None, norm, EPSILON)
    projection = nf4(rows, size, False)
    assert torch.equal(projection.vector(x, norm=norm, epsilon=EPSILON), projection(normed))
    before = random(1, rows)
    wanted = before + projection(x)
    assert torch.equal(projection.vector(x, add_to=before), wanted)
    assert_near(
        projection.vector(x, norm=norm, epsilon=EPSILON, silu=True),
        kernels.silu_multiply(projection(normed)),
    )


@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("size", [896, 8960])
@pytest.mark.parametrize(("threshold", "scale"), [(0.0, 1.0), (6.0, 1.0), (6.0, 3.0), (6.0, 8.0)])
def test_int8_with_any_number_of_outliers(
    threshold: float, scale: float, size: int, biased: bool
) -> None:
    x = random(1, size, scale=scale)
    weight = torch.randint(-127, 128, (1152, size), dtype=torch.int8, device="cuda")
    scales = torch.rand(1152, device="cuda") * 0.05
    projection = Int8Projection(weight, scales, random(1152) if biased else None, threshold)

    def wanted(x: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        bnb = torch.ops.bitsandbytes
        quantised, row_scale, outliers = bnb.int8_vectorwise_quant.default(x.half(), threshold)
        product = bnb.int8_scaled_mm.default(
            quantised, weight, row_scale, scales, bias=bias, dtype=x.dtype
        )
        if not threshold:
            return product
        assert (outliers.numel() > 30) == (scale > 1)
        if not outliers.numel():
            return product
        # As int8_mixed_scaled_mm, whose own sum of the outliers can be taken in bfloat16.
        columns = bnb.int8_vectorwise_dequant.default(weight[:, outliers].contiguous(), scales)
        exact = x[:, outliers].float() @ columns.to(x.dtype).float().t()
        summed = (product.float() + exact).to(x.dtype)
        mixed, _ = bnb.int8_mixed_scaled_mm.default(
            x, quantised, weight, row_scale, scales, outliers, bias
        )
        assert_near(summed, mixed, addend_of(mixed))
        return summed

    def addend_of(product: torch.Tensor) -> float:
        """Without outliers the sum is of whole numbers, and nothing was rounded before."""
        return max(1.0, product.abs().max().item()) if scale > 1 else 1.0

    product = wanted(x, projection.bias)
    largest = addend_of(product)
    assert_near(projection.vector(x), product, largest)
    before = random(1, 1152)
    sum_ = before + product
    assert_near(projection.vector(x, add_to=before), sum_, largest)
    if not biased:
        silu = kernels.silu_multiply(product)
        assert_near(projection.vector(x, silu=True), silu, largest**2)
        norm = random(size, scale=scale)
        normed = wanted(kernels.add_norm(x, None, norm, EPSILON), None)
        found = projection.vector(x, norm=norm, epsilon=EPSILON)
        assert_near(found, normed, addend_of(normed))
