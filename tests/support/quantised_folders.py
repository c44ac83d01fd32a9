"""A demo model's folder in each format that hubs hold models in already quantised, written by hand
in the format's own layout, so that no quantiser's package is needed.

Every linear layer but the head is quantised. Each writer gives a layer's tensors and what the
layer's weight is when they are read back, so that a test knows what a loaded model must compute.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from tests.support.folders import demo_folder
from vibecore.catalog.demo_models import MODELS_DIR

GROUP = 32
LINEAR = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
# Where AWQ's packing puts the eight columns of a word (AutoAWQ, gemm).
AWQ_ORDER = (0, 2, 4, 6, 1, 3, 5, 7)
# The largest number of float8 e4m3.
FLOAT8_MAX = 448.0

# A weight [rows, columns] in float32 -> its tensors by the end of their names, and what it is when
# they are read back.
Writer = Callable[[torch.Tensor], tuple[dict[str, torch.Tensor], torch.Tensor]]


def quantised_folder(target: Path, kind: str, **changes: Any) -> Path:
    """The 1M demo model quantised as one of KINDS, with keys of its quantization_config set (None
    takes one out)."""
    writer, config = KINDS[kind]
    found = {key: value for key, value in {**config, **changes}.items() if value is not None}
    return demo_folder(
        target, config={"quantization_config": found}, tensors=lambda own: _written(own, writer)[0]
    )


def read_back(kind: str) -> dict[str, torch.Tensor]:
    """The plain weights that a folder of this kind stands for, by name."""
    return _written(load_file(MODELS_DIR / "1M" / "model.safetensors"), KINDS[kind][0])[1]


def _written(
    tensors: Mapping[str, torch.Tensor], writer: Writer
) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    stored: dict[str, torch.Tensor] = {}
    plain: dict[str, torch.Tensor] = {}
    for name, tensor in tensors.items():
        layer = name.removesuffix(".weight")
        if tensor.ndim != 2 or not layer.endswith(LINEAR):
            stored[name] = plain[name] = tensor
            continue
        parts, back = writer(tensor.float())
        stored |= {f"{layer}.{end}": part.contiguous() for end, part in parts.items()}
        plain[name] = back
    return stored, plain


def _grouped(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """4-bit codes about 8 [rows, columns], float16 scales [rows, groups], and the weight read
    back."""
    rows, columns = weight.shape
    groups = weight.view(rows, columns // GROUP, GROUP)
    scales = (groups.abs().amax(-1) / 7).clamp_min(1e-6).half()
    codes = (groups / scales.float()[..., None]).round().clamp(-8, 7).to(torch.int32) + 8
    back = (codes - 8).float() * scales.float()[..., None]
    return codes.view(rows, columns), scales, back.view(rows, columns)


def _packed(codes: torch.Tensor, order: tuple[int, ...] = tuple(range(8))) -> torch.Tensor:
    """Eight 4-bit codes of the last dimension a word, the first in its lowest bits."""
    words = codes.view(*codes.shape[:-1], -1, 8).to(torch.int64)
    packed = sum(words[..., place] << 4 * slot for slot, place in enumerate(order))
    assert isinstance(packed, torch.Tensor)
    return packed.where(packed < 2**31, packed - 2**32).to(torch.int32)


def gptq(weight: torch.Tensor) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """GPTQ's first layout (AutoGPTQ): packed along the columns; zero points are stored less one."""
    codes, scales, back = _grouped(weight)
    rows, columns = weight.shape
    zeros = torch.full((columns // GROUP, rows), 7)
    return {
        "qweight": _packed(codes).t(),
        "qzeros": _packed(zeros),
        "scales": scales.t(),
        "g_idx": (torch.arange(columns) // GROUP).to(torch.int32),
    }, back


def awq(weight: torch.Tensor) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """AWQ's gemm layout: packed along the rows, in AWQ_ORDER."""
    codes, scales, back = _grouped(weight)
    rows, columns = weight.shape
    zeros = torch.full((columns // GROUP, rows), 8)
    return {
        "qweight": _packed(codes.t().contiguous(), AWQ_ORDER),
        "qzeros": _packed(zeros, AWQ_ORDER),
        "scales": scales.t(),
    }, back


def compressed_int4(weight: torch.Tensor) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """compressed-tensors' pack-quantized: packed along the columns, codes about 8."""
    codes, scales, back = _grouped(weight)
    return {
        "weight_packed": _packed(codes),
        "weight_scale": scales.to(torch.bfloat16),
        "weight_shape": torch.tensor(weight.shape),
    }, back


def compressed_int8(weight: torch.Tensor) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """compressed-tensors' int-quantized: int8 with a scale a row."""
    scales = (weight.abs().amax(1, keepdim=True) / 127).clamp_min(1e-6).to(torch.bfloat16)
    codes = (weight / scales.float()).round().clamp(-128, 127).to(torch.int8)
    return {"weight": codes, "weight_scale": scales}, codes.float() * scales.float()


def compressed_float8(weight: torch.Tensor) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """compressed-tensors' float-quantized: float8 e4m3 with a scale a row."""
    scales = (weight.abs().amax(1, keepdim=True) / FLOAT8_MAX).clamp_min(1e-6).to(torch.bfloat16)
    codes = (weight / scales.float()).clamp(-FLOAT8_MAX, FLOAT8_MAX).to(torch.float8_e4m3fn)
    return {"weight": codes, "weight_scale": scales}, codes.float() * scales.float()


def fp8(weight: torch.Tensor) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """Fine-grained fp8 (DeepSeek-V3): float8 e4m3 with a float32 scale for each block of 32 by
    32."""
    rows, columns = weight.shape
    blocks = weight.view(rows // GROUP, GROUP, columns // GROUP, GROUP)
    scales = (blocks.abs().amax((1, 3)) / FLOAT8_MAX).clamp_min(1e-9)
    codes = (blocks / scales[:, None, :, None]).to(torch.float8_e4m3fn)
    back = codes.float() * scales[:, None, :, None]
    return {"weight": codes.view(rows, columns), "weight_scale_inv": scales}, back.view(
        rows, columns
    )


def _compressed(
    form: str, bits: int, type_: str, activations: bool = False, **weights: Any
) -> dict[str, Any]:
    own = {"num_bits": bits, "type": type_, "symmetric": True}
    group: dict[str, Any] = {"targets": ["Linear"], "weights": {**own, "dynamic": False, **weights}}
    if activations:
        group["input_activations"] = {**own, "dynamic": True, "strategy": "token"}
    return {
        "quant_method": "compressed-tensors",
        "format": form,
        "quantization_status": "compressed",
        "config_groups": {"group_0": group},
        "ignore": ["lm_head"],
    }


# kind -> what writes a layer, and the folder's quantization_config.
KINDS: Mapping[str, tuple[Writer, Mapping[str, Any]]] = {
    "gptq": (
        gptq,
        {
            "quant_method": "gptq",
            "bits": 4,
            "group_size": GROUP,
            "desc_act": False,
            "sym": True,
            "checkpoint_format": "gptq",
        },
    ),
    "awq": (
        awq,
        {
            "quant_method": "awq",
            "bits": 4,
            "group_size": GROUP,
            "zero_point": True,
            "version": "gemm",
        },
    ),
    "compressed int4": (
        compressed_int4,
        _compressed("pack-quantized", 4, "int", strategy="group", group_size=GROUP),
    ),
    "compressed int8": (
        compressed_int8,
        _compressed("int-quantized", 8, "int", activations=True, strategy="channel"),
    ),
    "compressed float8": (
        compressed_float8,
        _compressed("float-quantized", 8, "float", activations=True, strategy="channel"),
    ),
    "fp8": (
        fp8,
        {
            "quant_method": "fp8",
            "activation_scheme": "dynamic",
            "weight_block_size": [GROUP, GROUP],
        },
    ),
}
