"""What holding a config against its parent needs, beside what a GPU had allocated."""

from __future__ import annotations

import pytest

from vibecore.catalog.fidelity_memory import fidelity_need
from vibecore.catalog.memory import MIB, Need, Workload, need
from vibecore.catalog.models import Config, Model, find_configs
from vibecore.catalog.precisions import PRECISIONS

PARENT = "0.5B-Coder-bf16"
# The longest prompt, and the longest output, of study qwen2.5-coder-precisions.
LOAD = Workload(89, 200)


def needed(config: str, load: Workload = LOAD, *, device: str = "cuda", text: bool = True) -> Need:
    [one], [parent] = find_configs([config]), find_configs([PARENT])
    found = fidelity_need(one, parent, device, load, with_text=text, gpu="NVIDIA H100 80GB HBM3")
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("config", "outputs", "text"),
    [
        ("0.5B-Coder-4bit", 1613, 1650),
        ("0.5B-Coder-8bit", 1764, 1801),
        ("0.5B-Coder-8bit-t0", 1764, 1801),
        (PARENT, 1467, 1599),
    ],
)
def test_it_is_what_a_gpu_had_allocated(config: str, outputs: int, text: int) -> None:
    """Peaks in MiB of study qwen2.5-coder-precisions on an H100, of the noise floor by `batch`."""
    assert needed(config, text=False).allocated / MIB == pytest.approx(outputs, rel=0.01)
    assert needed(config).allocated / MIB == pytest.approx(text, rel=0.01)


def test_both_models_count_and_a_parent_against_itself_once() -> None:
    [parent] = find_configs([PARENT])
    assert parent.estimated_weight_bytes is not None
    assert needed(PARENT).weights == parent.estimated_weight_bytes
    [child] = find_configs(["0.5B-Coder-4bit"])
    assert child.estimated_weight_bytes is not None
    assert needed(child.id).weights == child.estimated_weight_bytes + parent.estimated_weight_bytes
    alone = need(child, "cpu", LOAD)
    assert alone is not None
    beside = needed(child.id, device="cpu")
    assert beside.total > alone.total + parent.estimated_weight_bytes
    assert beside.runtime == alone.runtime, "one process"


def test_a_longer_text_needs_more_and_a_running_text_is_one() -> None:
    lengths = [needed("0.5B-Coder-4bit", Workload(89, new)).allocated for new in (10, 2000, 4000)]
    assert lengths[0] == needed("0.5B-Coder-4bit").allocated, "the running text is longer"
    assert lengths[0] < lengths[1] < lengths[2]
    # Beyond a slice of logits only keys and values grow: 12 KiB a token of each model.
    assert lengths[2] - lengths[1] == 2 * 2000 * 12 * 1024


def test_weights_of_unknown_size_give_no_figure() -> None:
    unknown = Config(Model("x", "a/x", "hub", None), PRECISIONS["bf16"])
    [parent] = find_configs([PARENT])
    assert fidelity_need(unknown, parent, "cpu") is None
    assert fidelity_need(parent, unknown, "cpu") is None
