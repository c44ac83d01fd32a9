"""What a config needs on its device, from its run."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.rows import row_of
from vibecore import DEFAULT_DB, read_summary
from vibecore.analysis.need import BY_MODEL, BY_PEAK, BY_WEIGHTS, need_of
from vibecore.catalog.memory import Workload, needed_bytes, runtime_bytes
from vibecore.catalog.models import find_configs
from vibecore.core.machine import GIB
from vibecore.core.rows import RunRow

[LARGE] = find_configs(["1.5B-4bit"])
RUN = row_of(
    RunRow,
    config="1.5B-4bit",
    model="1.5B",
    precision="4bit",
    weights="hub",
    estimated_weight_bytes=LARGE.estimated_weight_bytes,
    environment={"device": "cuda"},
)


def test_the_need_is_the_memory_models_for_what_the_run_decoded() -> None:
    run = replace(RUN, longest_prompt=92, max_new_tokens=500, batch_size=30)
    expected = needed_bytes(LARGE, "cuda", Workload(92, 500, 30))
    assert need_of(run) == (expected, BY_MODEL)
    sampled = needed_bytes(LARGE, "cuda", Workload(92, 500, 30, sampled=True))
    assert need_of(replace(run, sampled=True)) == (sampled, BY_MODEL)
    assert sampled != expected
    # Of a report that says nothing: one prompt of the shipped suite, on a GPU.
    assert need_of(replace(RUN, environment={})) == (needed_bytes(LARGE, "cuda"), BY_MODEL)


@pytest.mark.parametrize("environment", [{"device": "cpu"}, {}])
def test_a_run_on_a_cpu_needs_main_memory(environment: dict[str, str]) -> None:
    run = replace(RUN, environment=environment, asked_device="cpu")
    assert need_of(run) == (needed_bytes(LARGE, "cpu"), BY_MODEL)


def test_a_model_that_the_catalogue_does_not_have_needs_what_was_measured() -> None:
    # Of the same name, but other weights.
    run = replace(RUN, estimated_weight_bytes=None, weight_bytes=3 * GIB)
    runtime = runtime_bytes("cuda")
    assert need_of(run) == (3 * GIB + runtime, BY_WEIGHTS)
    measured = replace(run, peak_memory_bytes=4 * GIB)
    assert need_of(measured) == (4 * GIB + runtime, BY_PEAK)
    # A process's resident memory says little of a config.
    on_cpu = replace(measured, environment={"device": "cpu"})
    assert need_of(on_cpu) == (3 * GIB + runtime_bytes("cpu"), BY_WEIGHTS)
    assert need_of(replace(run, weight_bytes=None)) == (None, None)


def test_every_config_of_the_shipped_studies_has_a_need() -> None:
    for study in ("published", "demo", "qwen2.5-coder", "qwen2.5-coder-cpu"):
        for row in read_summary(DEFAULT_DB, study).rows:
            assert row.need_basis == BY_MODEL
            assert row.need_bytes is not None
            assert row.memory_bytes is not None
            assert row.need_bytes > row.memory_bytes


def test_the_published_choice_fits_in_2_gib_with_all_it_needs() -> None:
    rows = {row.config: row for row in read_summary(DEFAULT_DB, "published").rows}
    need = rows["1.5B-4bit"].need_bytes
    assert need is not None
    assert GIB < need <= 2 * GIB
