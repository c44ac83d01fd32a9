"""What a loaded model's weights weigh, in all and each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from vibecore.catalog.precisions import BitsPerWeight

# What transformers' linear layers call their sizes: nn.Linear and its kin, and Conv1D (GPT-2).
SIZES = (("out_features", "in_features"), ("nf", "nx"))


def weight_bytes(model: PreTrainedModel) -> int:
    """Bytes of all weights as loaded, with the scales of a quantiser, each tensor once.

    What follows from the config alone is left out: rotary tables and NF4's sixteen values.
    """
    return _bytes_of(model, _derived(model))


def bits_per_weight(model: PreTrainedModel) -> BitsPerWeight:
    """Bits that weights take as loaded, scales included, biases of quantised layers not.

    Quantised layers are those that are not in plain numbers of 16 bit or more; where there is
    none, all linear layers but the head.
    """
    derived, head = _derived(model), model.get_output_embeddings()
    linear = {
        module: count
        for module in model.modules()
        if module is not head and (count := _weights_of(module))
    }
    quantised = {module: count for module, count in linear.items() if not _is_plain(module)}
    if head is not None and not _is_plain(head) and (count := _weights_of(head)):
        quantised[head] = count
    layers = quantised or linear
    total = _bytes_of(model, derived)
    stored_apart = {
        id(one) for module in quantised for name, one in module.named_parameters() if name != "bias"
    }
    others = sum(one.numel() for one in model.parameters() if id(one) not in stored_apart)
    whole = 8 * total / (others + sum(quantised.values()))
    if not layers:
        return BitsPerWeight(whole, whole)
    taken = sum(_bytes_of(module, derived, but="bias") for module in layers)
    return BitsPerWeight(8 * taken / sum(layers.values()), whole)


def _weights_of(module: nn.Module) -> int:
    """How many weights a linear layer has; 0 for any other module."""
    for sizes in SIZES:
        found = [getattr(module, name, None) for name in sizes]
        if all(isinstance(size, int) for size in found):
            return int(found[0] * found[1])  # type: ignore[operator]
    return 0


def _is_plain(module: nn.Module) -> bool:
    """Whether a linear layer's weight is a matrix of plain numbers of 16 bit or more."""
    weight: Any = getattr(module, "weight", None)
    return (
        type(weight) in (torch.Tensor, nn.Parameter)
        and weight.is_floating_point()
        and weight.element_size() > 1
        and weight.numel() == _weights_of(module)
    )


def _derived(model: PreTrainedModel) -> set[int]:
    """Which buffers follow from the config alone."""
    return {id(buffer) for _, buffer in model.named_non_persistent_buffers()}


def _bytes_of(module: nn.Module, derived: set[int], but: str = "") -> int:
    """Bytes of a module's tensors, each once, without the parameter called `but`."""
    weights = [one for name, one in module.named_parameters() if name != but]
    stored = [one for name, one in module.named_buffers() if id(one) not in derived and name != but]
    # LLM.int8() moves its scales into the module's state at the first forward pass.
    states = [getattr(part, "state", None) for part in module.modules()]
    return _sum_of(
        tensor for holder in (*weights, *stored, *states) for tensor in _tensors_of(holder)
    )


def _sum_of(tensors: Iterable[torch.Tensor]) -> int:
    once = {tensor.data_ptr(): tensor for tensor in tensors if tensor.numel()}
    return sum(tensor.numel() * tensor.element_size() for tensor in once.values())


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
