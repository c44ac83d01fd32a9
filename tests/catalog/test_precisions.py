"""Precisions: each is described, and its bits per weight are those of its format's definition."""

from __future__ import annotations

import pytest

from vibecore.catalog.models import MODELS
from vibecore.catalog.precisions import PRECISIONS
from vibecore.catalog.requirements import Hardware

# precision -> bits per weight of a layer of 1536 rows and 8960 columns, by the format's definition.
BITS = {
    "bf16": 16.0,
    "fp16": 16.0,
    # A float32 scale a row.
    "8bit": 8 + 32 / 8960,
    "8bit-t0": 8 + 32 / 8960,
    # A float32 scale for each 64.
    "4bit": 4.5,
    # A float32 scale and an int8 zero point a row.
    "int8-torchao": 8 + 40 / 8960,
    "int8-dynamic-torchao": 8 + 40 / 8960,
    # A float32 scale a row.
    "float8-torchao": 8 + 32 / 8960,
    # A 16-bit scale and zero point for each 64.
    "int4-torchao": 4.5,
    # A 16-bit scale a row, and the layer's own two.
    "int8-quanto": 8 + 16 / 8960 + 64 / (1536 * 8960),
    # A 16-bit scale and shift for each 128, and the layer's own two.
    "int2-quanto": 2.25 + 64 / (1536 * 8960),
    "int4-quanto": 4.25 + 64 / (1536 * 8960),
}


def test_every_precision_says_what_it_is() -> None:
    for entry in PRECISIONS.values():
        assert entry.unquantised and entry.calibration and entry.hardware.words, entry.name
        assert entry.link.startswith("https://"), entry.name


@pytest.mark.parametrize("name", BITS)
def test_bits_per_weight_are_the_definitions(name: str) -> None:
    assert PRECISIONS[name].bits_per_weight(1536, 8960) == pytest.approx(BITS[name], rel=1e-12)


def test_bits_of_a_model_leave_out_what_is_not_quantised() -> None:
    spec = MODELS["1.5B"].spec
    assert spec is not None
    found = PRECISIONS["4bit"].bits_of(spec)
    linear = sum(weight.parameters for weight in spec.weights() if weight.kind == "linear")
    assert found.layers == pytest.approx(4.5)
    expected = (4.5 * linear + 16 * (spec.parameters - linear)) / spec.parameters
    assert found.model == pytest.approx(expected)
    assert PRECISIONS["bf16"].bits_of(spec).model == pytest.approx(16.0)


@pytest.mark.parametrize(
    ("hardware", "device", "capability", "why"),
    [
        (Hardware(), "cpu", None, None),
        (Hardware(), "cuda", (3, 0), None),
        (Hardware(cpu=False), "cpu", None, "not on a CPU: needs an NVIDIA GPU"),
        (
            Hardware(cpu=False, capability=(8, 9)),
            "cpu",
            None,
            "not on a CPU: needs an NVIDIA GPU from compute capability 8.9",
        ),
        (Hardware(gpu=False), "cuda", None, "runs on a CPU only"),
        (Hardware(capability=(7, 5)), "cuda", (7, 5), None),
        (Hardware(capability=(7, 5)), "cuda", (10, 0), None),
        (Hardware(capability=(7, 5)), "cuda", None, None),
        (
            Hardware(capability=(7, 5)),
            "cuda",
            (6, 1),
            "needs an NVIDIA GPU from compute capability 7.5, and this one is of 6.1",
        ),
    ],
)
def test_hardware_says_why_not(
    hardware: Hardware, device: str, capability: tuple[int, int] | None, why: str | None
) -> None:
    assert hardware.why_not(device, capability) == why


def test_hardware_in_words() -> None:
    found = Hardware(capability=(7, 5), note="slow below 8.0")
    assert found.words == "CPU; NVIDIA GPU from compute capability 7.5; slow below 8.0"
    assert Hardware(gpu=False).words == "CPU"
