"""The Triton kernel of a prompt's attention against plain torch: on a GPU, or in Triton's
interpreter (see test_kernels.py)."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import cast

import pytest
import torch

from tests.support.tiny_models import TINY, random_prompts, tiny_model
from tests.support.triton_cases import (
    DEVICE,
    EPSILON,
    assert_near,
    random,
    rotary_tables,
    rounding_to_nearest,
    sized,
)
from vibecore.engine import gpu_steps
from vibecore.engine.arithmetic import rms_norm
from vibecore.engine.attention import fixed_attention, is_real
from vibecore.engine.cache import Cache, new_cache
from vibecore.engine.decoder import Decoder, Layer, build_decoder
from vibecore.engine.kernels.prompt_attention import attend_prompt
from vibecore.engine.step import fixed_step


@pytest.fixture(autouse=True)
def interpreted() -> Iterator[None]:
    with rounding_to_nearest():
        yield


def filled_cache(
    rows: int, kv_heads: int, length: int, size: int, dtype: torch.dtype = torch.bfloat16
) -> Cache:
    """A cache with something in every slot."""
    shape = (rows, kv_heads, length, size)
    return Cache(
        keys=[random(*shape).to(dtype)],
        values=[random(*shape, scale=2.0).to(dtype)],
        tables=(rotary_tables(length, size, dtype),),
        padding=torch.zeros(rows, dtype=torch.long, device=DEVICE),
        counters=torch.zeros(0, dtype=torch.int32, device=DEVICE),
    )


def by_torch(
    cache: Cache,
    joined: torch.Tensor,
    slot: int,
    heads: int,
    window: int | None,
    norm: torch.Tensor | None,
) -> torch.Tensor:
    """What fixed_attention gives, and leaves in the cache."""
    rows, kv_heads, _, size = cache.keys[0].shape
    spec = SimpleNamespace(
        heads=heads,
        kv_heads=kv_heads,
        head_size=size,
        attention_scale=size**-0.5,
        norm_epsilon=EPSILON,
        windows=(window,),
    )
    parts = SimpleNamespace(spec=spec, normalise=rms_norm, device=joined.device)
    decoder = cast(Decoder, parts)
    layer = cast(Layer, SimpleNamespace(query_key_norm=norm, window=window, rope=0))
    new, at = joined.shape[0] // rows, torch.tensor([slot], device=DEVICE)
    attend = fixed_attention(decoder, cache, at, new, is_real(cache, at, new))
    return attend(layer, joined, cache.keys[0], cache.values[0])


def by_kernel(
    cache: Cache, joined: torch.Tensor, slot: int, window: int | None, norm: torch.Tensor | None
) -> torch.Tensor:
    return attend_prompt(
        *(joined, cache.keys[0], cache.values[0], cache.tables[0], cache.padding),
        torch.tensor([slot], device=DEVICE),
        scale=cache.keys[0].shape[-1] ** -0.5,
        window=window,
        norm=norm,
        epsilon=EPSILON,
    )


# Heads, KV heads, their size: the published ones, and the narrowest.
HEADS = sized([(14, 2, 64), (12, 2, 128), (16, 8, 128), (4, 1, 256), (6, 6, 16)], [(4, 2, 32)])
# Rows, new tokens, first slot, length of the cache.
PASSES = sized(
    [(1, 64, 0, 512), (3, 32, 512, 1024), (30, 128, 0, 512), (2, 512, 512, 4096), (1, 96, 3, 256)],
    [(1, 32, 0, 64), (3, 48, 37, 128)],
)


@pytest.mark.parametrize("normed", [False, True])
@pytest.mark.parametrize("window", sized([None, 1, 40, 10_000], [None, 5]))
@pytest.mark.parametrize(("heads", "kv_heads", "size"), HEADS)
@pytest.mark.parametrize(("rows", "new", "slot", "length"), PASSES)
def test_a_part_of_a_prompt_over_a_padded_cache(
    rows: int,
    new: int,
    slot: int,
    length: int,
    heads: int,
    kv_heads: int,
    size: int,
    window: int | None,
    normed: bool,
) -> None:
    joined = random(rows * new, (heads + 2 * kv_heads) * size)
    norm = random(heads + kv_heads, size) if normed else None
    cache, other = (filled_cache(rows, kv_heads, length, size) for _ in range(2))
    # None, within this part, and before it.
    for each in (cache, other):
        each.padding[:] = torch.arange(rows, device=DEVICE) * 23
    found = by_kernel(cache, joined, slot, window, norm)
    wanted = by_torch(other, joined, slot, heads, window, norm)
    assert_near(found, wanted)
    # The root of a norm may have lost a last bit; all else is rounded where torch rounds.
    if normed:
        assert_near(cache.keys[0], other.keys[0])
    else:
        assert torch.equal(cache.keys[0], other.keys[0])
    assert torch.equal(cache.values[0], other.values[0])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_other_types_of_number(dtype: torch.dtype) -> None:
    joined = random(2 * 32, 8 * 32).to(dtype)
    cache, other = (filled_cache(2, 2, 128, 32, dtype) for _ in range(2))
    for each in (cache, other):
        each.padding[1] = 45
    found = by_kernel(cache, joined, 20, None, None)
    wanted = by_torch(other, joined, 20, 4, None, None)
    tolerance = 1e-5 if dtype == torch.float32 else 4e-3
    torch.testing.assert_close(found, wanted, rtol=tolerance, atol=tolerance)


def test_what_is_padding_or_left_by_others_is_never_read() -> None:
    joined = random(2 * 32, 8 * 32)
    cache = filled_cache(2, 2, 128, 32)
    cache.padding[1] = 13
    wanted = by_kernel(cache, joined, 0, None, None)
    padded = torch.arange(32, device=DEVICE)[None] < cache.padding[:, None]
    assert not wanted[padded.reshape(-1)].any()
    # Of no row but their own, and of none after it.
    for slots in (cache.keys[0], cache.values[0]):
        slots[:, :, 32:] = float("nan")
    joined[padded.reshape(-1)] = float("nan")
    found = by_kernel(cache, joined, 0, None, None)
    assert torch.equal(found[~padded.reshape(-1)], wanted[~padded.reshape(-1)])
    assert not found[padded.reshape(-1)].any()
    # But a token that is no number breaks those that see it.
    joined[32 + 20] = float("nan")
    found = by_kernel(cache, joined, 0, None, None)
    assert found[:32].isfinite().all()
    assert not found[32 + 20 :].isfinite().any()


@pytest.mark.parametrize(
    "name",
    sized(
        [
            "qwen2, yarn",
            "qwen3, attention bias, a window",
            "llama, every bias, one KV head, llama3 rope",
            "gemma3, a window shorter than the prompt",
        ],
        ["qwen3, attention bias, a window", "gemma3, a window shorter than the prompt"],
    ),
)
def test_whole_passes_of_kernels_over_a_prompt(name: str) -> None:
    """In two parts, the first all padding in one row, of models in float32."""
    decoder = build_decoder(tiny_model(TINY[name], device=DEVICE))
    tokens = random_prompts(DEVICE, 32, 12).tokens
    steps = gpu_steps._step_of_kernels, fixed_step
    with torch.inference_mode():
        logits = []
        for step in steps:
            cache, slot = new_cache(decoder, 2, 64), torch.zeros(1, dtype=torch.long, device=DEVICE)
            cache.padding[1] = 20
            step(decoder, cache, tokens[:, :16], slot)
            logits.append(step(decoder, cache, tokens[:, 16:], slot + 16))
    torch.testing.assert_close(*logits, rtol=1e-4, atol=1e-4)
