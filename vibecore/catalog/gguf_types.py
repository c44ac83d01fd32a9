"""How llama.cpp quantises a whole model: one entry a file type in GGUF_TYPES.

A file type is a mixture: most matrices have its base type, some of the layers more bits for two of
them, embeddings and head a type of their own, and norms and biases stay in 32 bit. The rules are
those of llama.cpp's src/llama-quant.cpp (llama_tensor_get_type_impl, tensor_type_fallback) without
an importance matrix, for the architectures of the catalogue.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from vibecore.catalog.architectures import ModelSpec, Weight

# Tensor type -> (numbers in a block, bytes of a block), by ggml-common.h.
BLOCKS: Mapping[str, tuple[int, int]] = {
    "F32": (1, 4),
    "F16": (1, 2),
    "Q8_0": (32, 34),
    "Q6_K": (256, 210),
    "Q5_K": (256, 176),
    "Q5_1": (32, 24),
    "Q5_0": (32, 22),
    "Q4_K": (256, 144),
}
# What stands in for a type whose blocks do not divide a row; F16 where that does not either.
FALLBACKS: Mapping[str, str] = {
    "Q4_K": "Q5_0",
    "Q5_K": "Q5_1",
    "Q6_K": "Q8_0",
    "Q2_K": "IQ4_NL",
    "Q3_K": "IQ4_NL",
}
# Of the layers with more bits, the matrices that have them.
SENSITIVE = ("self_attn.v_proj.weight", "mlp.down_proj.weight")


@dataclass(frozen=True)
class GgufType:
    """A file type: `base` is the type of most matrices, `more` that of sensitive ones in some of
    the layers, and `head` that of the head, which embeddings share where they are tied to it."""

    name: str
    base: str
    more: str
    head: str

    def linear_bytes(self, rows: int, columns: int) -> int:
        """Bytes of one matrix of the base type."""
        return tensor_bytes(self.base, rows, columns)

    def weight_bytes(self, spec: ModelSpec) -> Iterator[tuple[Weight, int]]:
        """Every weight of a model with the bytes it takes in a file."""
        for weight in spec.weights():
            if len(weight.shape) == 1:
                yield weight, tensor_bytes("F32", 1, *weight.shape)
            else:
                yield weight, tensor_bytes(self._type_of(weight, spec), *weight.shape)

    def _type_of(self, weight: Weight, spec: ModelSpec) -> str:
        """The type that is wanted for a matrix."""
        if weight.kind == "head" or (weight.kind == "embedding" and spec.tied):
            return self.head
        if weight.kind == "linear" and weight.name.endswith(SENSITIVE):
            layer = int(weight.name.split(".")[2])
            return self.more if _has_more_bits(layer, spec.layers) else self.base
        return self.base


def tensor_bytes(wanted: str, rows: int, columns: int) -> int:
    """Bytes of a matrix in a type, or in what stands in for it."""
    for type_ in (wanted, FALLBACKS.get(wanted, wanted), "F16"):
        numbers, size = BLOCKS[type_]
        if columns % numbers == 0:
            return rows * columns // numbers * size
    raise AssertionError("a block of F16 is one number")


def _has_more_bits(layer: int, layers: int) -> bool:
    """The first and last eighth, and every third between (llama-quant.cpp, use_more_bits)."""
    eighth = layers // 8
    return layer < eighth or layer >= 7 * layers // 8 or (layer - eighth) % 3 == 2


GGUF_TYPES: Mapping[str, GgufType] = {
    entry.name: entry
    for entry in (
        GgufType("Q8_0", base="Q8_0", more="Q8_0", head="Q8_0"),
        GgufType("Q6_K", base="Q6_K", more="Q6_K", head="Q6_K"),
        GgufType("Q5_K_M", base="Q5_K", more="Q6_K", head="Q6_K"),
        GgufType("Q4_K_M", base="Q4_K", more="Q6_K", head="Q6_K"),
    )
}
