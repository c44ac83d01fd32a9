"""Linear layers as plain functions, those that read the same input joined into one.

On a GPU each can also be applied to a single row with the norm before it and the activation or
the sum after it (`vector`), as one kernel or two where there would be four.

Joining is exact at every precision: rows of a weight are independent of each other, and each
quantiser keeps its scales by row (LLM.int8(), arXiv 2208.07339) or by block within a row (NF4,
arXiv 2305.14314). The modules keep working: their tensors become views of the joined one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from vibecore.engine.linear.int8 import Int8Projection
from vibecore.engine.linear.nf4 import Nf4Projection

if TYPE_CHECKING:
    # Loaded with the model where it is quantised; a 16-bit one never needs it.
    from bitsandbytes.nn import Linear4bit, Linear8bitLt

# From inputs of shape [rows, in] to outputs of shape [rows, sum of all out]. On a GPU it is one of
# PlainProjection, Nf4Projection and Int8Projection, which have a `vector` as well.
Projection = Callable[[torch.Tensor], torch.Tensor]
# 1 / (127 · 127), as bitsandbytes writes it (backends/default/ops.py).
INT8_SCALE = 6.200124e-05

_bnb = torch.ops.bitsandbytes


@dataclass(frozen=True)
class PlainProjection:
    """A 16-bit linear layer: `weight` [out, in], `bias` [out] or None."""

    weight: torch.Tensor
    bias: torch.Tensor | None

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """From [rows, in] to [rows, out]."""
        if x.shape[0] > 1 or x.device.type != "cpu":
            return functional.linear(x, self.weight, self.bias)
        # For a single row a CPU's product of matrix and vector takes half the time.
        if self.bias is None:
            return torch.mv(self.weight, x[0])[None]
        return torch.addmv(self.bias, self.weight, x[0])[None]

    def vector(
        self,
        x: torch.Tensor,
        *,
        norm: torch.Tensor | None = None,
        epsilon: float = 0.0,
        silu: bool = False,
        add_to: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Of one row `x` [1, in] on a GPU, RMS-normed first where `norm` is given: [1, out], with
        `silu` silu(first half) · second half, with `add_to` [1, out] added there in place."""
        from vibecore.engine.kernels.norm import vector_product

        return vector_product(
            x, self.weight, self.bias, norm=norm, epsilon=epsilon, silu=silu, add_to=add_to
        )


def join(*linears: nn.Linear) -> Projection:
    """One projection that gives the outputs of all `linears`, side by side."""
    kind = type(linears[0]).__name__
    if kind == "Linear8bitLt":
        return _join_8bit(linears)
    if kind == "Linear4bit":
        return _join_4bit(linears)
    return PlainProjection(_share([linear.weight for linear in linears]), _share_biases(linears))


def _join_4bit(linears: Sequence[Linear4bit]) -> Projection:
    for linear in linears:
        _set_up(linear)
    if linears[0].weight.device.type == "cpu":
        return _side_by_side([_packed_4bit(linear) for linear in linears])
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


def _packed_4bit(linear: Linear4bit) -> Projection:
    """On a CPU with AVX-512 BF16 the weight is packed for one kernel, and cannot be joined."""
    from bitsandbytes.functional import gemv_4bit

    state = linear.weight.quant_state
    if not getattr(state, "packing_format_for_cpu", False):
        return linear
    if linear.bias is None:
        return lambda x: gemv_4bit(x, linear.weight, state=state)
    return lambda x: gemv_4bit(x, linear.weight, state=state).add_(linear.bias)


def _join_8bit(linears: Sequence[Linear8bitLt]) -> Projection:
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
    if weight.device.type == "cuda":
        return Int8Projection(weight, scales, bias, threshold)

    def project(x: torch.Tensor) -> torch.Tensor:
        quantised, row_scale, outliers = _bnb.int8_vectorwise_quant.default(x.half(), threshold)
        if outliers is not None and outliers.numel():
            return _bnb.int8_mixed_scaled_mm.default(
                x, quantised, weight, row_scale, scales, outliers, bias
            )[0]
        # int8_linear_matmul and int8_mm_dequant, without bitsandbytes' dispatch around each.
        product = torch._int_mm(quantised, weight.t())
        out = product * (row_scale[:, None] * scales) * INT8_SCALE
        return (out if bias is None else out.add_(bias)).to(x.dtype)

    return project


def _set_up(linear: nn.Linear) -> None:
    """Run a quantised layer once: bitsandbytes moves or packs its weights at first use."""
    weight = linear.weight
    linear(torch.zeros(1, linear.in_features, dtype=torch.bfloat16, device=weight.device))


def _side_by_side(projections: Sequence[Projection]) -> Projection:
    if len(projections) == 1:
        return projections[0]
    return lambda x: torch.cat([projection(x) for projection in projections], dim=-1)


def _share_biases(linears: Sequence[nn.Linear]) -> torch.Tensor | None:
    biases = [linear.bias for linear in linears if linear.bias is not None]
    return _share(biases) if biases else None


def _share(tensors: Sequence[nn.Parameter]) -> torch.Tensor:
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
