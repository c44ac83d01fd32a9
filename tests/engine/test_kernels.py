"""The Triton kernels against plain torch: on a GPU (`python -m benchmarks.gpu_check` runs this), or
with TRITON_INTERPRET=1 in Triton's interpreter, on a CPU (test_kernels_interpreted.py does), where
programs run one after the other, and so with smaller shapes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any
from unittest.mock import patch

import bitsandbytes  # noqa: F401
import pytest
import torch
from torch.nn import functional

from tests.support.tiny_models import GEMMA, tiny_model
from tests.support.triton_cases import (
    DEVICE,
    EPSILON,
    ON_GPU,
    assert_near,
    nf4_projection,
    nf4_weight,
    random,
    rotary_tables,
    rounding_to_nearest,
    sized,
)
from vibecore.catalog.architectures import NormKind
from vibecore.engine import gpu_steps
from vibecore.engine.arithmetic import (
    ACTIVATIONS,
    NORMS,
    norm_weight,
    rms_norm,
    rotate,
)
from vibecore.engine.cache import new_cache
from vibecore.engine.decoder import build_decoder
from vibecore.engine.kernels import attention
from vibecore.engine.kernels import norm as kernels
from vibecore.engine.linear.int8 import Int8Projection
from vibecore.engine.linear.nf4 import Nf4Projection
from vibecore.engine.step import fixed_step

HEADS, KV_HEADS, SIZE = 6, 2, 64


@pytest.fixture(autouse=True)
def interpreted() -> Iterator[None]:
    # Attention in one part and in two, each of few programs: a GPU has room for more.
    fewer = nullcontext() if ON_GPU else patch.object(attention, "PROGRAMS", 16)
    with rounding_to_nearest(), fewer:
        yield


@pytest.mark.parametrize("rows", sized([1, 3, 30], [3]))
def test_norm_of_a_sum(rows: int) -> None:
    hidden, change, weight = random(rows, 896), random(rows, 896), random(896)
    wanted = hidden + change
    found = kernels.add_norm(hidden, change, weight, EPSILON)
    assert torch.equal(hidden, wanted)
    assert_near(found, rms_norm(wanted, weight, EPSILON))
    assert_near(kernels.add_norm(hidden, None, weight, EPSILON), rms_norm(wanted, weight, EPSILON))


@pytest.mark.parametrize("rows", sized([1, 3, 30], [3]))
def test_norm_of_a_sum_with_a_normed_change(rows: int) -> None:
    """Gemma's: both norms weigh before they round, in float32."""
    normalise = NORMS["rms_plus_one"]
    weights = [norm_weight("rms_plus_one", random(size) * 0.3) for size in (1152, 1153)]
    change_norm, norm = weights[0], weights[1][:1152].contiguous()
    hidden, change = random(rows, 1152), random(rows, 1152, scale=30.0)
    wanted = hidden + normalise(change, change_norm, EPSILON)
    found = kernels.add_norm(hidden, change, norm, EPSILON, change_norm=change_norm, plus_one=True)
    assert_near(hidden, wanted)
    assert_near(found, normalise(hidden, norm, EPSILON))


# One part and many, a slot within the first block of keys, and caches of every tile.
CACHES = sized(
    [
        (rows, length, slot)
        for rows in (1, 3, 60)
        for length, slot in ((256, 150), (512, 3), (1024, 1023), (4096, 3000))
    ],
    [(1, 128, 100), (2, 128, 80)],
)


@pytest.mark.parametrize(
    ("window", "kind"),
    sized(
        [(None, None), (1, "rms"), (40, "rms"), (10_000, None), (40, "rms_plus_one")],
        [(None, None), (40, "rms"), (None, "rms_plus_one")],
    ),
)
@pytest.mark.parametrize(("rows", "length", "slot"), CACHES)
def test_attention_over_a_padded_cache(
    rows: int, length: int, slot: int, window: int | None, kind: NormKind | None
) -> None:
    joined = random(rows, (HEADS + 2 * KV_HEADS) * SIZE)
    keys, values = (random(rows, KV_HEADS, length, SIZE) for _ in range(2))
    padding = (torch.arange(rows, device=DEVICE) * 70) % (slot + 1)
    cosine, sine = rotary_tables(length, SIZE)
    counters = torch.zeros(rows * HEADS, dtype=torch.int32, device=DEVICE)
    at = torch.tensor([slot], device=DEVICE)
    norm = norm_weight(kind, random(HEADS + KV_HEADS, SIZE)) if kind else None
    # Twice, as a step is replayed: the second time begins with the counters that the first left.
    for _ in range(2 if ON_GPU else 1):
        found = attention.attend(
            *(joined, keys, values, (cosine, sine), padding, at, counters),
            scale=0.2,
            window=window,
            norm=norm,
            epsilon=EPSILON,
            plus_one=kind == "rms_plus_one",
        )
    assert not counters.any()
    heads = joined.view(rows, -1, SIZE)
    places = slot - padding
    turned = heads[:, : HEADS + KV_HEADS]
    if kind and norm is not None:
        turned = NORMS[kind](turned, norm, EPSILON)
    turned = rotate(turned, cosine[places][:, None], sine[places][:, None])
    if kind is None:
        assert torch.equal(keys[:, :, slot], turned[:, HEADS:])
    assert_near(keys[:, :, slot], turned[:, HEADS:])
    assert torch.equal(values[:, :, slot], heads[:, HEADS + KV_HEADS :])
    slots = torch.arange(slot + 1, device=DEVICE)
    readable = (slots >= padding[:, None]) & (slots > slot - (window or length))
    wanted = functional.scaled_dot_product_attention(
        turned[:, :HEADS].reshape(rows, KV_HEADS, HEADS // KV_HEADS, SIZE),
        keys[:, :, : slot + 1],
        values[:, :, : slot + 1],
        attn_mask=readable[:, None, None],
        scale=0.2,
    )
    assert_near(found, wanted.reshape(rows, -1))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation(name: str) -> None:
    both = random(3, 2 * 1100, scale=3.0)
    gate, up = both.chunk(2, -1)
    assert_near(kernels.gated(both, name), ACTIVATIONS[name](gate) * up)
    weight = random(20, 160, scale=0.05)
    gate, up = functional.linear(both[:1, :160], weight).chunk(2, -1)
    found = kernels.vector_product(both[:1, :160].contiguous(), weight, activation=name)
    assert_near(found, ACTIVATIONS[name](gate) * up)


def test_every_activation_of_a_decoder_has_a_kernel() -> None:
    assert set(ACTIVATIONS) == {name for name in kernels.ACTIVATIONS if name}


PRODUCTS = sized([(1152, 896), (896, 4864), (40_000, 96)], [(10, 160), (6, 1100)])


@pytest.mark.parametrize(("rows", "size"), PRODUCTS)
def test_vector_products(rows: int, size: int) -> None:
    x, weight, bias, norm = random(1, size), random(rows, size, scale=0.05), random(rows), None
    assert_near(kernels.vector_product(x, weight, bias), functional.linear(x, weight, bias))
    norm = random(size)
    normed = rms_norm(x, norm, EPSILON)
    assert_near(
        kernels.vector_product(x, weight, norm=norm, epsilon=EPSILON),
        functional.linear(normed, weight),
    )
    for of_both in (None, bias):
        gate, up = functional.linear(normed, weight, of_both).chunk(2, -1)
        assert_near(
            kernels.vector_product(
                x, weight, of_both, norm=norm, epsilon=EPSILON, activation="silu"
            ),
            functional.silu(gate) * up,
        )
    before = random(1, rows)
    wanted = before + functional.linear(x, weight)
    kernels.vector_product(x, weight, add_to=before)
    assert_near(before, wanted)


def nf4_product(projection: Nf4Projection, x: torch.Tensor) -> torch.Tensor:
    """What bitsandbytes' GPU kernel computes: rounded to bfloat16 after each product, the sum in
    float32."""
    if ON_GPU:
        codes = projection.weight, projection.shape, projection.absmax, projection.block_size
        return torch.ops.bitsandbytes.gemm_4bit.default(
            x, *codes, projection.kind, bias=projection.bias
        )
    out = (nf4_weight(projection) * x).float().sum(-1)
    return (out if projection.bias is None else out + projection.bias.float())[None].to(x.dtype)


# The last of a GPU's is not of whole blocks, which bitsandbytes' own product takes.
@pytest.mark.parametrize(
    ("rows", "size"),
    sized(
        [(rows, size) for rows in (1152, 10) for size in (896, 4864, 64, 96)], [(4, 640), (10, 192)]
    ),
)
def test_nf4_is_what_bitsandbytes_gives(rows: int, size: int) -> None:
    # Sums are in another order, so a few outputs are rounded otherwise: 5 of 283,648 on an H100.
    # Elsewhere the reference is ours.
    def same(found: torch.Tensor, wanted: torch.Tensor) -> None:
        assert_near(found, wanted)
        assert not ON_GPU or (found != wanted).float().mean() < 0.002

    x, norm = random(1, size), random(size)
    for biased in (False, True):
        projection = nf4_projection(rows, size, biased)
        product = nf4_product(projection, x)
        same(projection.vector(x), product)
        assert_near(projection.vector(x, activation="silu"), kernels.gated(product, "silu"))
    normed = kernels.add_norm(x, None, norm, EPSILON)
    projection = nf4_projection(rows, size, False)
    product = nf4_product(projection, normed)
    same(projection.vector(x, norm=norm, epsilon=EPSILON), product)
    before = random(1, rows)
    wanted = before + nf4_product(projection, x)
    same(projection.vector(x, add_to=before), wanted)
    assert_near(
        projection.vector(x, norm=norm, epsilon=EPSILON, activation="silu"),
        kernels.gated(product, "silu"),
    )


@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("size", sized([896, 8960], [512, 2560]))
@pytest.mark.parametrize(("threshold", "scale"), [(0.0, 1.0), (6.0, 1.0), (6.0, 3.0), (6.0, 8.0)])
def test_int8_with_any_number_of_outliers(
    threshold: float, scale: float, size: int, biased: bool
) -> None:
    x = random(1, size, scale=scale)
    rows = 1152 if ON_GPU else 6
    weight = torch.randint(-127, 128, (rows, size), dtype=torch.int8, device=DEVICE)
    scales = torch.rand(rows, device=DEVICE) * 0.05
    projection = Int8Projection(weight, scales, random(rows) if biased else None, threshold)

    def wanted(x: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        bnb = torch.ops.bitsandbytes
        quantised, row_scale, outliers = bnb.int8_vectorwise_quant.default(x.half(), threshold)
        product = bnb.int8_scaled_mm.default(
            quantised, weight, row_scale, scales, bias=bias, dtype=x.dtype
        )
        if not threshold:
            return product
        assert (outliers.numel() > 16) == (scale > 1)
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
    before = random(1, rows)
    sum_ = before + product
    assert_near(projection.vector(x, add_to=before), sum_, largest)
    silu = kernels.gated(product, "silu")
    assert_near(projection.vector(x, activation="silu"), silu, largest**2)
    if not biased:
        norm = random(size, scale=scale)
        normed = wanted(kernels.add_norm(x, None, norm, EPSILON), None)
        found = projection.vector(x, norm=norm, epsilon=EPSILON)
        assert_near(found, normed, addend_of(normed))


def broken_products(x: torch.Tensor, norm: torch.Tensor | None) -> dict[str, torch.Tensor]:
    """A product of each kernel with a vector [1, 640] that is not finite somewhere."""
    options: dict[str, Any] = {} if norm is None else {"norm": norm, "epsilon": EPSILON}
    weight = torch.randint(1, 128, (4, 640), dtype=torch.int8, device=DEVICE)
    scales = torch.full((4,), 0.05, device=DEVICE)
    return {
        "plain": kernels.vector_product(x, random(4, 640), **options),
        "nf4": nf4_projection(4, 640, False).vector(x, **options),
        "int8": Int8Projection(weight, scales, None, 0.0).vector(x, **options),
        "int8 with outliers": Int8Projection(weight, scales, None, 6.0).vector(x, **options),
    }


@pytest.mark.parametrize("normed", [False, True])
def test_a_nan_reaches_every_product(normed: bool) -> None:
    """The head is one of them: what it makes is how the host is told."""
    x = random(1, 640)
    x[0, 7] = float("nan")
    norm = random(640) if normed else None
    for name, product in broken_products(x, norm).items():
        assert not product.isfinite().any(), name
    assert not kernels.add_norm(x.clone(), None, random(640), EPSILON).isfinite().any()
    assert not kernels.gated(x, "silu").isfinite().all()


STEPS = {
    "two norms": {"model_type": "qwen2"},
    "norms of queries and keys": {"model_type": "qwen3", "head_dim": 32},
    "four norms": {**GEMMA, "sliding_window": 6},
}


@pytest.mark.parametrize("name", sized(list(STEPS), ["two norms", "four norms"]))
def test_a_step_of_kernels_gives_the_logits_of_plain_torch(name: str) -> None:
    """One row through the products of one row, and through those of a batch."""
    decoder = build_decoder(tiny_model(STEPS[name], torch.float32, DEVICE))
    assert gpu_steps._why_not_this_block(decoder) is None
    tokens, slot = torch.tensor([[5]], device=DEVICE), torch.tensor([9], device=DEVICE)
    logits, caches = [], []
    for step in (fixed_step, gpu_steps._step_of_vectors, gpu_steps._step_of_kernels):
        cache = new_cache(decoder, 1, 32)
        for place, filled in enumerate((*cache.keys, *cache.values)):
            filled[:, :, :9] = random(1, filled.shape[1], 9, filled.shape[3] + place)[..., place:]
        with torch.inference_mode():
            logits.append(step(decoder, cache, tokens, slot))
        caches.append(cache)
    for found, cache in zip(logits[1:], caches[1:], strict=True):
        torch.testing.assert_close(found, logits[0], rtol=1e-3, atol=1e-4)
        for one, other in zip(cache.keys, caches[0].keys, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


def test_kernels_start_early_where_they_can() -> None:
    from vibecore.engine.kernels.early import options

    assert options(torch.device("cpu")) == {"EARLY": False}
    if ON_GPU and torch.cuda.get_device_capability() >= (9, 0):
        assert options(torch.device("cuda", 0)) == {"EARLY": True, "launch_pdl": True}
