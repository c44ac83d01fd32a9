"""The forward pass in the forms that a GPU records: with Triton's kernels, or in plain torch.

The kernels know every norm and activation that a Decoder does, and head sizes that are a power of
two from 16 on. A block with other heads is recorded in plain torch.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import cast

import torch

from vibecore.engine.attention import Attend, is_real
from vibecore.engine.cache import Cache
from vibecore.engine.decoder import Decoder, Layer
from vibecore.engine.kernels.availability import why_no_triton
from vibecore.engine.linear.int8 import Int8Projection
from vibecore.engine.linear.projection import Projection, RowProjection
from vibecore.engine.step import Step, embed, fixed_step, last_of_each

# Int8 weights are multiplied four at a time.
INT8_MULTIPLE = 4
# A GPU's units for products of matrices take no fewer columns.
LEAST_HEAD = 16


def choose_step(decoder: Decoder, tokens: int) -> Step:
    """The step to record for so many new tokens at once, of all rows together."""
    if why_no_kernels(decoder):
        return fixed_step
    return _step_of_vectors if tokens == 1 else _step_of_kernels


def why_no_kernels(decoder: Decoder) -> str | None:
    """Why a model's step is not made of Triton kernels on this GPU; None when it is."""
    return _why_not_this_block(decoder) or why_no_triton(decoder.dtype)


def _why_not_this_block(decoder: Decoder) -> str | None:
    spec = decoder.spec
    if spec.head_size & (spec.head_size - 1) or spec.head_size < LEAST_HEAD:
        return f"no kernel for heads of {spec.head_size}"
    sizes = (spec.hidden_size, spec.intermediate_size, spec.heads * spec.head_size)
    quantised = isinstance(decoder.layers[0].down, Int8Projection)
    if quantised and any(size % INT8_MULTIPLE for size in sizes):
        return f"no kernel for int8 weights whose size is no multiple of {INT8_MULTIPLE}"
    return None


def _of_row(projection: Projection) -> RowProjection:
    """On a GPU every projection has a form for a single row."""
    return cast(RowProjection, projection)


def _step_of_vectors(
    decoder: Decoder, cache: Cache, tokens: torch.Tensor, slot: torch.Tensor
) -> torch.Tensor:
    """One token of one row: norms, activation and sums happen within the products, where a block's
    norms are before them alone."""
    spec, epsilon = decoder.spec, decoder.spec.norm_epsilon
    attend = _attention(decoder, cache, slot, 1)
    hidden = embed(decoder, tokens)
    if spec.norm != "rms" or spec.block_norms != 2:
        last = _between_norms(decoder, cache, hidden, attend, _vector, _gated_vector)
        return _vector(decoder.head, last)
    for layer, keys, values in zip(decoder.layers, cache.keys, cache.values, strict=True):
        query_key_value = _of_row(layer.query_key_value)
        joined = query_key_value.vector(hidden, norm=layer.input_norm, epsilon=epsilon)
        _of_row(layer.output).vector(attend(layer, joined, keys, values), add_to=hidden)
        gate_up = _of_row(layer.gate_up)
        gated = gate_up.vector(
            hidden, norm=layer.post_norm, epsilon=epsilon, activation=spec.activation
        )
        _of_row(layer.down).vector(gated, add_to=hidden)
    return _of_row(decoder.head).vector(hidden, norm=decoder.norm, epsilon=epsilon)


def _step_of_kernels(
    decoder: Decoder, cache: Cache, tokens: torch.Tensor, slot: torch.Tensor
) -> torch.Tensor:
    """Any number of tokens and rows: kernels between the products of a batch."""
    from vibecore.engine.kernels.norm import gated

    new = tokens.shape[1]
    hidden = embed(decoder, tokens, is_real(cache, slot, new) if new > 1 else None)
    last = _between_norms(
        *(decoder, cache, hidden, _attention(decoder, cache, slot, new)),
        lambda projection, x: projection(x),
        lambda gate_up, x, activation: gated(gate_up(x), activation),
    )
    return decoder.head(last_of_each(last, tokens.shape[0]))


def _vector(projection: Projection, x: torch.Tensor) -> torch.Tensor:
    return _of_row(projection).vector(x)


def _gated_vector(gate_up: Projection, x: torch.Tensor, activation: str) -> torch.Tensor:
    return _of_row(gate_up).vector(x, activation=activation)


def _between_norms(
    decoder: Decoder,
    cache: Cache,
    hidden: torch.Tensor,
    attend: Attend,
    product: Callable[[Projection, torch.Tensor], torch.Tensor],
    gated_product: Callable[[Projection, torch.Tensor, str], torch.Tensor],
) -> torch.Tensor:
    """All layers and the last norm, with a kernel for each norm and the sum before it."""
    from vibecore.engine.kernels.norm import add_norm

    spec = decoder.spec
    normalise = partial(
        add_norm, hidden, epsilon=spec.norm_epsilon, plus_one=spec.norm == "rms_plus_one"
    )
    change, change_norm = None, None
    for layer, keys, values in zip(decoder.layers, cache.keys, cache.values, strict=True):
        x = normalise(change, layer.input_norm, change_norm=change_norm)
        attended = attend(layer, product(layer.query_key_value, x), keys, values)
        change, change_norm = product(layer.output, attended), layer.attention_output_norm
        x = normalise(change, layer.post_norm, change_norm=change_norm)
        gated = gated_product(layer.gate_up, x, spec.activation)
        change, change_norm = product(layer.down, gated), layer.mlp_output_norm
    return normalise(change, decoder.norm, change_norm=change_norm)


def _attention(decoder: Decoder, cache: Cache, slot: torch.Tensor, new: int) -> Attend:
    """Of `new` tokens a row: of one by one kernel, of several by two."""
    from vibecore.engine.kernels.attention import attend
    from vibecore.engine.kernels.prompt_attention import attend_prompt

    spec = decoder.spec
    kernel = partial(attend, counters=cache.counters) if new == 1 else attend_prompt

    def attend_new(
        layer: Layer, joined: torch.Tensor, keys: torch.Tensor, values: torch.Tensor
    ) -> torch.Tensor:
        return kernel(
            joined,
            keys,
            values,
            cache.tables[layer.rope],
            cache.padding,
            slot,
            scale=spec.attention_scale,
            window=layer.window,
            norm=layer.query_key_norm,
            epsilon=spec.norm_epsilon,
            plus_one=spec.norm == "rms_plus_one",
        )

    return attend_new
