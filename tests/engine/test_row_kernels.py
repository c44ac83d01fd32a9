"""The products of several rows, NF4 and LLM.int8() with outliers, against plain torch: on a GPU, or
with TRITON_INTERPRET=1 in Triton's interpreter (test_kernels_interpreted.py does that)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from unittest.mock import patch

import bitsandbytes  # noqa: F401
import pytest
import torch
from torch.nn import functional

from tests.support.triton_cases import (
    DEVICE,
    ON_GPU,
    assert_near,
    nf4_projection,
    nf4_weight,
    random,
    rounding_to_nearest,
    sized,
)
from vibecore.engine.kernels import int8_rows as int8_kernels
from vibecore.engine.kernels import nf4_rows as nf4_kernels
from vibecore.engine.kernels.scratch import zeroed
from vibecore.engine.linear import int8, nf4
from vibecore.engine.linear.int8 import Int8Projection
from vibecore.engine.linear.nf4 import Nf4Projection

bnb = torch.ops.bitsandbytes
# In the interpreter one for each height of a tile.
COUNTS = sized([2, 17, 30, 64, 100], [2, 30, 64, 100])
# Of the weights: rows and columns. The last of each are not whole tiles.
INT8_SHAPES = sized([(1152, 896), (896, 4864), (100, 100)], [(40, 160), (24, 100)])
INT8_CASES = sized(
    [(*shape, biased) for shape in INT8_SHAPES for biased in (False, True)],
    [(*INT8_SHAPES[0], True), (*INT8_SHAPES[1], False)],
)
NF4_SHAPES = sized([(1152, 896), (896, 4864), (100, 320)], [(40, 320)])
# Where programs share a sum, and cuBLAS' product.
INT8_TILES = {
    "one part": int8_kernels.Tile(32, 32, 64, 1, 4, 2),
    "five parts": int8_kernels.Tile(16, 16, 64, 5, 4, 3),
    "cuBLAS": int8_kernels.Tile(32, 32, 0, 0, 4, 2),
}
NF4_TILES = {
    "one part": nf4_kernels.Tile(32, 16, 2, 1, 4, 2),
    "five parts": nf4_kernels.Tile(16, 32, 1, 5, 4, 3),
    "two parts": nf4_kernels.Tile(64, 64, 4, 2, 4, 2),
}


@pytest.fixture(autouse=True)
def interpreted() -> Iterator[None]:
    """The projections take our kernels in the interpreter too."""
    here = nullcontext() if ON_GPU else patch.object(int8, "why_no_triton", lambda _: None)
    there = nullcontext() if ON_GPU else patch.object(nf4, "why_no_triton", lambda _: None)
    with rounding_to_nearest(), here, there:
        yield


def rows_with_outliers(count: int, size: int, outliers: str) -> torch.Tensor:
    """[count, size], below 6 but for outliers in columns of several rows."""
    x = random(count, size).clamp(-5, 5)
    if outliers == "some":
        for place, column in enumerate((3, 4, size - 1, size // 2, 40)):
            x[place % count, column] = 9.0 if place % 2 else -30.0
            x[(place * 3) % count, column] = 6.0
    if outliers == "all":
        for column in range(size):
            x[column % count, column] = 7.0
    return x


def int8_projection(rows: int, size: int, biased: bool, threshold: float) -> Int8Projection:
    generator = torch.Generator(device=DEVICE).manual_seed(rows + size)
    weight = torch.randint(
        -127, 128, (rows, size), dtype=torch.int8, device=DEVICE, generator=generator
    )
    scales = torch.rand(rows, device=DEVICE, generator=generator) * 0.05
    return Int8Projection(weight, scales, random(rows) if biased else None, threshold)


def int8_product(projection: Int8Projection, x: torch.Tensor) -> torch.Tensor:
    """What bitsandbytes computes on a GPU: scaled to float16, biased there, the columns that have
    an outlier in any row added in 16 bit."""
    whole, row_scale, outliers = bnb.int8_vectorwise_quant.default(x.half(), projection.threshold)
    product = (whole.double() @ projection.weight.double().t()).float()
    out = (product * (row_scale[:, None] * projection.scales) * 6.200124e-05).half()
    if projection.bias is not None:
        out = (out.float() + projection.bias.float()).half()
    out = out.to(x.dtype)
    if outliers is None:
        return out
    columns = projection.weight[:, outliers].float() * projection.scales[:, None] / 127
    exact = x[:, outliers].double() @ columns.to(x.dtype).double().t()
    return (out.float() + exact.float()).to(x.dtype)


def assert_clean(x: torch.Tensor) -> None:
    """What the kernels count and mark in is as it was, for the next ones."""
    assert not zeroed(x.device, torch.int32, int8_kernels.MOST_SHARED).any()
    assert not zeroed(x.device, torch.int8, -(-x.shape[1] // 4) * 4).any()


def test_the_reference_is_what_bitsandbytes_gives() -> None:
    x = rows_with_outliers(30, 160, "some")
    projection = int8_projection(40, 160, True, 6.0)
    whole, row_scale, outliers = bnb.int8_vectorwise_quant.default(x.half(), 6.0)
    assert outliers.numel() == 5
    theirs, _ = bnb.int8_mixed_scaled_mm.default(
        x, whole, projection.weight, row_scale, projection.scales, outliers, projection.bias
    )
    assert_near(int8_product(projection, x), theirs)


@pytest.mark.parametrize("outliers", ["none", "some", "all"])
@pytest.mark.parametrize("count", COUNTS)
def test_rows_are_quantised_as_by_bitsandbytes(count: int, outliers: str) -> None:
    x = rows_with_outliers(count, 160, outliers)
    whole, row_scale, columns = bnb.int8_vectorwise_quant.default(x.half(), 6.0)
    assert columns.numel() == {"none": 0, "some": 5, "all": 160}[outliers]
    # Twice, as a graph is replayed.
    for _ in range(2):
        made = int8_kernels.quantise_rows(x, 6.0)
        assert made.places is not None and made.found is not None
        assert made.found.item() == columns.numel()
        assert torch.equal(made.places[: columns.numel()].long(), columns)
        assert torch.equal(made.scales, row_scale)
        kept = made.whole[:count].clone()
        # They clear these columns, our product takes away what they gave.
        kept[:, columns] = 0
        # 127 / scale is rounded in two ways, which decides what lies midway between two steps.
        steps = x.half().double() * 127 / row_scale.double()[:, None]
        midway = (steps - steps.floor() - 0.5).abs() < 1e-4
        assert ((kept.int() - whole.int()).abs() <= midway.int()).all()
        assert_clean(x)


@pytest.mark.parametrize("outliers", ["none", "some", "all"])
@pytest.mark.parametrize(("rows", "size", "biased"), INT8_CASES)
@pytest.mark.parametrize("count", COUNTS)
def test_int8_of_rows(count: int, rows: int, size: int, outliers: str, biased: bool) -> None:
    x = rows_with_outliers(count, size, outliers)
    projection = int8_projection(rows, size, biased, 6.0)
    assert_near(projection(x), int8_product(projection, x))
    assert_clean(x)
    if outliers == "none":
        plain = int8_projection(rows, size, biased, 0.0)
        assert_near(plain(x), int8_product(plain, x))


@pytest.mark.parametrize("outliers", ["none", "some", "all"])
@pytest.mark.parametrize("tile", INT8_TILES)
@pytest.mark.parametrize("count", sized(COUNTS, [17]))
def test_int8_of_rows_in_every_way(count: int, tile: str, outliers: str) -> None:
    rows, size = INT8_SHAPES[0]
    x = rows_with_outliers(count, size, outliers)
    projection = int8_projection(rows, size, True, 6.0)
    quantised = int8_kernels.quantise_rows(x, 6.0)
    found = int8_kernels.int8_rows(
        quantised, projection.weight, projection.scales, projection.bias, INT8_TILES[tile]
    )
    assert_near(found, int8_product(projection, x))
    assert_clean(x)


def nf4_product(projection: Nf4Projection, x: torch.Tensor) -> torch.Tensor:
    """Value times scale in bfloat16, the rest exact."""
    out = x.double() @ nf4_weight(projection).double().t()
    return (out if projection.bias is None else out + projection.bias.double()).to(x.dtype)


@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize(("rows", "size"), NF4_SHAPES)
@pytest.mark.parametrize("count", sized([1, *COUNTS, 200], [1, *COUNTS]))
def test_nf4_of_rows(count: int, rows: int, size: int, biased: bool) -> None:
    x = random(count, size)
    projection = nf4_projection(rows, size, biased)
    found, ours = projection(x), nf4_product(projection, x)
    codes = projection.weight.flatten(), projection.absmax
    dequantised = bnb.dequantize_4bit.default(*codes, 64, "nf4", projection.shape, x.dtype)
    theirs = functional.linear(x, dequantised, projection.bias)
    # Weights in 16 bit have their scales unrounded.
    by_cublas = count > 1 and nf4_kernels.choose_tile(count, rows, size) is None
    assert_near(found, theirs if by_cublas else ours)
    assert_near(theirs, ours, 4.0)


@pytest.mark.parametrize("tile", NF4_TILES)
@pytest.mark.parametrize("count", sized(COUNTS, [17]))
def test_nf4_of_rows_in_every_way(count: int, tile: str) -> None:
    rows, size = NF4_SHAPES[0]
    x = random(count, size)
    projection = nf4_projection(rows, size, True)
    for _ in range(2):
        found = nf4_kernels.nf4_rows(
            x, projection.weight, projection.absmax, projection.values, projection.words,
            projection.bias, NF4_TILES[tile],
        )  # fmt: skip
        assert_near(found, nf4_product(projection, x))
    assert not zeroed(x.device, torch.int32, int8_kernels.MOST_SHARED).any()


def test_other_blocks_of_four_bits_go_to_bitsandbytes() -> None:
    x, projection = random(3, 256), nf4_projection(16, 256, True, block_size=128)
    theirs = bnb.gemm_4bit.default(
        x, projection.weight, projection.shape, projection.absmax, 128, "nf4", bias=projection.bias
    )
    assert torch.equal(projection(x), theirs)
    assert_near(theirs, nf4_product(projection, x))


@pytest.mark.parametrize("broken", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("count", sized([2, 30, 100], [2, 17]))
def test_what_is_not_finite_reaches_its_row_and_no_other(count: int, broken: float) -> None:
    size = 128
    x = rows_with_outliers(count, size, "none")
    x[1, 7] = broken
    weight = torch.randint(1, 128, (24, size), dtype=torch.int8, device=DEVICE)
    scales = torch.full((24,), 0.05, device=DEVICE)
    products = {"nf4": nf4_projection(24, size, False)(x)}
    for threshold in (0.0, 6.0):
        projection = Int8Projection(weight, scales, None, threshold)
        products[f"int8 {threshold}"] = projection(x)
        for name, tile in INT8_TILES.items():
            quantised = int8_kernels.quantise_rows(x, threshold)
            products[f"int8 {threshold} {name}"] = int8_kernels.int8_rows(
                quantised, weight, scales, None, tile
            )
    others = [row for row in range(count) if row != 1]
    for name, product in products.items():
        assert not product[1].isfinite().any(), name
        assert product[others].isfinite().all(), name


def test_without_triton_int8_is_bitsandbytes_own() -> None:
    x, projection = rows_with_outliers(5, 160, "none"), int8_projection(24, 160, True, 0.0)
    with patch.object(int8, "why_no_triton", lambda _: "no compiler"):
        assert_near(projection(x), int8_product(projection, x))
        with pytest.raises(AssertionError, match="Triton"):
            int8_projection(24, 160, True, 6.0)(x)
