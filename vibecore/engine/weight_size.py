"""What a loaded model's weights weigh."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from transformers import PreTrainedModel


def weight_bytes(model: PreTrainedModel) -> int:
    """Bytes of all weights as loaded, with the scales of a quantiser, each tensor once.

    What follows from the config alone is left out: rotary tables and NF4's sixteen values.
    """
    derived = {id(buffer) for _, buffer in model.named_non_persistent_buffers()}
    stored = [buffer for buffer in model.buffers() if id(buffer) not in derived]
    # LLM.int8() moves its scales into the module's state at the first forward pass.
    states = [getattr(module, "state", None) for module in model.modules()]
    tensors = {
        tensor.data_ptr(): tensor
        for holder in (*model.parameters(), *stored, *states)
        for tensor in _tensors_of(holder)
        if tensor.numel()
    }
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())


def _tensors_of(holder: Any) -> Iterator[torch.Tensor]:
    """The plain tensors that a weight is stored in, bitsandbytes' scales beside it included: with
    double quantisation their scales and offset too."""
    if flatten := getattr(holder, "__tensor_flatten__", None):
        for name in flatten()[0]:
            yield from _tensors_of(getattr(holder, name))
        return
    quant_state = getattr(holder, "quant_state", None)
    nested = getattr(quant_state, "state2", None)
    for part in (
        holder,
        getattr(holder, "SCB", None),
        getattr(quant_state, "absmax", None),
        getattr(quant_state, "offset", None) if nested is not None else None,
        getattr(nested, "absmax", None),
    ):
        if isinstance(part, torch.Tensor):
            yield part
