"""How transformers is told to quantise: one entry a method of the catalogue's precisions.

Which engine decodes the linear layers that come of it is for linear/join.py to say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from types import SimpleNamespace
from typing import Any

import torch
from transformers import PreTrainedModel
from transformers.utils.quantization_config import QuantizationMethod

from vibecore.catalog.precisions import AS_IS, Precision, method_of_files
from vibecore.catalog.stored_formats import FORMATS
from vibecore.catalog.weight_formats import TORCHAO_INT4_GROUP
from vibecore.engine.light import import_bitsandbytes

DTYPES: Mapping[str, torch.dtype] = {"bfloat16": torch.bfloat16, "float16": torch.float16}


def _plain(_: Precision, __: str) -> None:
    return None


def _llm_int8(precision: Precision, _: str) -> Any:
    from transformers import BitsAndBytesConfig

    import_bitsandbytes()
    return BitsAndBytesConfig(load_in_8bit=True, llm_int8_threshold=precision.outlier_threshold)


def _nf4(precision: Precision, _: str) -> Any:
    from transformers import BitsAndBytesConfig

    import_bitsandbytes()
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_compute_dtype=DTYPES[precision.dtype],
    )


# Rows in one of bitsandbytes' packed tiles (functional.py, _convert_weight_packed_for_cpu).
PACKED_ROWS = 32


def leave_unpacked(model: PreTrainedModel) -> None:
    """Keep from packing the 4-bit layers whose shape cannot be packed.

    On a CPU with AVX512-BF16 bitsandbytes packs every one at its first use, and raises where a row
    is no whole number of blocks, or the rows no whole number of tiles.
    """
    if not any(type(module).__name__ == "Linear4bit" for module in model.modules()):
        return
    from bitsandbytes.nn import Linear4bit

    for module in model.modules():
        if isinstance(module, Linear4bit):
            state = getattr(module.weight, "quant_state", None)
            block = state.blocksize if state is not None else 1
            if module.in_features % block or module.out_features % PACKED_ROWS:
                module.support_avx512bf16_for_cpu = False


def _torchao_int8(_: Precision, __: str) -> Any:
    from torchao.quantization import Int8WeightOnlyConfig

    return _torchao(Int8WeightOnlyConfig(set_inductor_config=False))


def _torchao_int8_dynamic(_: Precision, device: str) -> Any:
    from torchao.quantization import Int8DynamicActivationInt8WeightConfig
    from torchao.utils import should_reduce_range

    # Sums of products of full range overflow on processors without VNNI.
    reduced = should_reduce_range(torch.device(device))
    return _torchao(
        Int8DynamicActivationInt8WeightConfig(set_inductor_config=False, reduce_range=reduced)
    )


def _torchao_float8(_: Precision, __: str) -> Any:
    from torchao.quantization import Float8WeightOnlyConfig

    return _torchao(Float8WeightOnlyConfig(set_inductor_config=False))


def _torchao_int4(_: Precision, device: str) -> Any:
    """Each device has a product of its own, with weights laid out for it."""
    from torchao.prototype.quantization.int4 import PrototypeInt4WeightOnlyConfig
    from torchao.quantization import Int4WeightOnlyConfig

    how = {"group_size": TORCHAO_INT4_GROUP, "set_inductor_config": False}
    if torch.device(device).type == "cpu":
        return _torchao(PrototypeInt4WeightOnlyConfig(**how))
    return _torchao(Int4WeightOnlyConfig(int4_packing_format="tile_packed_to_4d", **how))


def _torchao(config: Any) -> Any:
    """`config` has `set_inductor_config` false: else torch's compiler is imported, which nothing
    here uses, and products in float32 are rounded from then on in the whole process."""
    from transformers import TorchAoConfig

    return TorchAoConfig(config)


def _quanto(precision: Precision, _: str) -> Any:
    from optimum.quanto.library.extensions import extension
    from transformers import QuantoConfig

    # Else optimum-quanto compiles its own on the first use: minutes, and it takes a compiler, for a
    # GPU NVIDIA's. Where it knows of a CUDA extension it also packs int4 for that one's products
    # (tensor/weights/qbits.py).
    for name in ("quanto_cpp", "quanto_cuda"):
        if compiled := extension._extensions.pop(name, None):
            compiled._lib = SimpleNamespace(unpack=_unpack)
    return QuantoConfig(weights=f"int{precision.bits}")


def _unpack(packed: torch.Tensor, bits: int) -> torch.Tensor:
    """Numbers of `bits` bits out of uint8, lowest first: optimum-quanto's unpack.cpp in torch."""
    mask = 2**bits - 1
    return torch.cat([packed >> shift & mask for shift in range(0, 8, bits)])


# method -> what makes `quantization_config` of from_pretrained on a device; None for 16 bit and
# for a folder's own.
QUANTISERS: Mapping[str, Callable[[Precision, str], Any]] = {
    "plain": _plain,
    AS_IS: _plain,
    **{method_of_files(method): _plain for method in FORMATS},
    "llm-int8": _llm_int8,
    "bnb-nf4": _nf4,
    "torchao-int8": _torchao_int8,
    "torchao-int8-dynamic": _torchao_int8_dynamic,
    "torchao-float8": _torchao_float8,
    "torchao-int4": _torchao_int4,
    "quanto-int8": _quanto,
    "quanto-int4": _quanto,
    "quanto-int2": _quanto,
}


def unpack(model: PreTrainedModel) -> None:
    """Have compressed-tensors make its weights 16 bit now. Else it does so at the first forward
    pass, when what they weigh has been told."""
    if getattr(model, "quantization_method", None) == QuantizationMethod.COMPRESSED_TENSORS:
        quantiser: Any = model.hf_quantizer
        quantiser.compressor.decompress_model(model)


def without_gradients(model: PreTrainedModel) -> AbstractContextManager[Any]:
    """What to run a loaded model in: inference mode, or, as optimum-quanto's weights cannot be
    transposed there, no_grad."""
    if getattr(model, "quantization_method", None) == QuantizationMethod.QUANTO:
        return torch.no_grad()
    return torch.inference_mode()
