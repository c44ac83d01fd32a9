"""Linear layers that read the same input, joined into one projection.

Joining is exact at every precision: rows of a weight are independent of each other, and each
quantiser keeps its scales by row (LLM.int8(), arXiv 2208.07339) or by block within a row (NF4,
arXiv 2305.14314). The modules keep working: their tensors become views of the joined one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from vibecore.engine.linear.int8 import Int8Projection
from vibecore.engine.linear.int8_cpu import Int8CpuProjection
from vibecore.engine.linear.nf4 import Nf4Projection
from vibecore.engine.linear.nf4_cpu import Nf4CpuProjection
from vibecore.engine.linear.plain import PlainProjection
from vibecore.engine.linear.projection import Projection


def is_supported(*linears: nn.Module) -> bool:
    """Whether `join` has a product for linear layers of this storage. A weight that is a subclass
    of torch's tensor (torchao) is in a format of its own; NF4 is joined in whole blocks, and not
    with scales that are quantised themselves."""
    kinds = {type(linear) for linear in linears}
    kind = kinds.pop()
    if kinds or kind.__name__ not in _JOINS:
        return False
    if kind.__name__ == "Linear4bit":
        states = [getattr(linear.weight, "quant_state", None) for linear in linears]
        return not any(
            state is not None and (state.nested or state.shape.numel() % state.blocksize)
            for state in states
        )
    return kind is not nn.Linear or all(type(one.weight.data) is torch.Tensor for one in linears)


def join(*linears: nn.Linear) -> Projection:
    """One projection that gives the outputs of all `linears`, side by side; all are stored alike
    and supported (see is_supported)."""
    return _JOINS[type(linears[0]).__name__](linears)


def _join_plain(linears: Sequence[nn.Linear]) -> Projection:
    return PlainProjection(_share([linear.weight for linear in linears]), _share_biases(linears))


def _join_4bit(linears: Sequence[Any]) -> Projection:
    if linears[0].weight.device.type == "cpu":
        return Nf4CpuProjection(linears)
    for linear in linears:
        _set_up(linear)
    states = [linear.weight.quant_state for linear in linears]
    weight = _share([linear.weight for linear in linears])
    absmax = torch.cat([state.absmax for state in states])
    start = 0
    for state in states:
        state.absmax = absmax[start : start + state.absmax.numel()]
        start += state.absmax.numel()
    return Nf4Projection(
        weight=weight,
        shape=(sum(linear.out_features for linear in linears), linears[0].in_features),
        absmax=absmax,
        block_size=states[0].blocksize,
        values=states[0].code,
        kind=states[0].quant_type,
        bias=_share_biases(linears),
    )


def _join_8bit(linears: Sequence[Any]) -> Projection:
    for linear in linears:
        _set_up(linear)
    weight = torch.cat([linear.state.CB for linear in linears])
    scales = torch.cat([linear.state.SCB for linear in linears])
    start = 0
    for linear in linears:
        end = start + linear.out_features
        linear.state.CB, linear.state.SCB = weight[start:end], scales[start:end]
        linear.weight.data = linear.state.CB
        start = end
    bias = _share_biases(linears)
    threshold = linears[0].state.threshold
    kind = Int8Projection if weight.device.type == "cuda" else Int8CpuProjection
    return kind(weight, scales, bias, threshold)


def _set_up(linear: nn.Linear) -> None:
    """Run a quantised layer once: bitsandbytes moves or packs its weights at first use."""
    weight = linear.weight
    linear(torch.zeros(1, linear.in_features, dtype=torch.bfloat16, device=weight.device))


def _share_biases(linears: Sequence[nn.Linear]) -> torch.Tensor | None:
    biases = [linear.bias for linear in linears if linear.bias is not None]
    return _share(biases) if biases else None


def _share(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    """Join along the first dimension and let each tensor be a view of the whole: no copy stays."""
    if len(tensors) == 1:
        return tensors[0].data
    whole = torch.cat([tensor.data for tensor in tensors])
    start = 0
    for tensor in tensors:
        end = start + tensor.shape[0]
        tensor.data = whole[start:end]
        start = end
    return whole


# The class of a linear layer -> how several of it are joined. bitsandbytes' classes are named
# only: it is not imported for a model that needs none of it.
_JOINS: Mapping[str, Callable[[Sequence[Any]], Projection]] = {
    "Linear": _join_plain,
    "Linear8bitLt": _join_8bit,
    "Linear4bit": _join_4bit,
}
