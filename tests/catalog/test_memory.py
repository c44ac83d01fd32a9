"""The memory model: what a config needs, and how large a batch fits, before anything is loaded."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.memory_model import MEASURED, measured_peaks, stored_peaks
from vibecore import DEFAULT_DB
from vibecore.catalog.architectures import ModelSpec
from vibecore.catalog.memory import (
    CACHE_STEP,
    CUBLAS_WORKSPACE_BYTES,
    MIB,
    ONE_PROMPT,
    RUNTIME_BYTES,
    Workload,
    cache_bytes,
    decoding_engine,
    largest_batch,
    need,
    needed_bytes,
    runtime_bytes,
    workload,
)
from vibecore.catalog.models import MODELS, Config, Model, find_configs
from vibecore.catalog.precisions import PRECISIONS
from vibecore.cli.rebuild import BENCH_REPORTS
from vibecore.core.errors import InputError
from vibecore.core.machine import GIB
from vibecore.studies.bench.import_report import import_reports

[LARGE] = find_configs(["1.5B-4bit"])
UNKNOWN = Config(Model("x", "a/x", "hub", None), PRECISIONS["bf16"])
# Keys and values of one token of Qwen2.5-1.5B: 2 × 28 layers × 2 heads × 128 × 2 bytes.
TOKEN = 28_672
HIDDEN, WIDE, VOCABULARY = 2 * 1536, 2 * 8960, 151_936
QUERY_KEY_VALUE = 2 * 128 * (12 + 2 + 2)


def spec_of(config: Config) -> ModelSpec:
    assert config.model.spec is not None
    return config.model.spec


def weights_of(config: Config) -> int:
    assert config.estimated_weight_bytes is not None
    return config.estimated_weight_bytes


def parts(name: str, device: str, load: Workload, **more: str) -> tuple[int, int]:
    """(cache, activations) of a config."""
    [config] = find_configs([name])
    found = need(config, device, load, **more)
    assert found is not None
    assert found.weights == weights_of(config)
    assert found.allocated == found.weights + found.cache + found.activations
    assert found.total == found.allocated + found.runtime
    assert found.runtime >= RUNTIME_BYTES[device]
    return found.cache, found.activations


def test_the_cache_of_a_token_is_what_qwen_really_takes() -> None:
    assert cache_bytes(spec_of(LARGE), 1) == TOKEN
    assert cache_bytes(spec_of(LARGE), 300) == 300 * TOKEN


def test_a_layer_with_a_window_keeps_its_window_and_heads_have_their_own_size() -> None:
    spec = replace(spec_of(LARGE), windows=(None,) * 7 + (512,) * 21)
    assert cache_bytes(spec, 512) == 512 * TOKEN
    assert cache_bytes(spec, 2048) == (7 * 2048 + 21 * 512) * TOKEN // 28
    assert cache_bytes(replace(spec, head_size=256), 512) == 2 * cache_bytes(spec, 512)


def test_a_short_prompt_peaks_at_its_last_token_and_a_long_one_while_it_is_read() -> None:
    # 264 tokens in the cache, one layer's keys copied, the logits in 16 and in 32 bit.
    cache = 264 * TOKEN
    decoding = CUBLAS_WORKSPACE_BYTES + cache // 56 + 6 * VOCABULARY
    assert parts("1.5B-bf16", "cuda", Workload(64, 200)) == (cache, decoding)
    # Residual, normed input, and three at the MLP's width, of 3,896 tokens.
    reading = CUBLAS_WORKSPACE_BYTES + 3896 * (2 * HIDDEN + 3 * WIDE)
    assert parts("1.5B-bf16", "cuda", Workload(3896, 200)) == (3896 * TOKEN, reading)


def test_quantised_layers_make_more_while_a_prompt_is_read() -> None:
    tokens, weight = 3896, 1536 * 8960
    base = CUBLAS_WORKSPACE_BYTES + tokens * 2 * HIDDEN
    long, short = Workload(tokens, 200), Workload(64, 200)
    # int32, fp16 and bf16 sums beside the gate; the input in fp16 and int8.
    int8 = base + tokens * (5 * WIDE + HIDDEN + HIDDEN // 2)
    assert parts("1.5B-8bit-t0", "cuda", long)[1] == int8
    assert parts("1.5B-8bit", "cuda", long, weights="dummy")[1] == int8
    # Up to every column of the largest weight is an outlier column.
    with_outliers = base + tokens * 3 * WIDE + 9 * weight
    assert parts("1.5B-8bit", "cuda", long)[1] == max(int8, with_outliers)
    small = CUBLAS_WORKSPACE_BYTES + 64 * (2 * HIDDEN + 3 * WIDE) + 9 * weight
    assert parts("1.5B-8bit", "cuda", short)[1] == small
    # One weight in 16 bit, beside the gate and the up projection.
    assert parts("1.5B-4bit", "cuda", long)[1] == base + tokens * 3 * WIDE
    small = CUBLAS_WORKSPACE_BYTES + 64 * (2 * HIDDEN + 2 * WIDE) + 2 * weight
    assert parts("1.5B-4bit", "cuda", short)[1] == small


def test_engine_graph_has_a_cache_of_whole_steps_and_passes_of_padded_parts() -> None:
    cache, activations = parts("1.5B-bf16", "cuda", Workload(65, 200), engine="graph")
    assert cache == CACHE_STEP * TOKEN
    # Residual and two changes; queries, keys and values; gate, up and their product, of 96 tokens.
    # Then two of the logits, the tokens of a part, a random number a slot, and a stream more to
    # record on.
    reading = 96 * (3 * HIDDEN + QUERY_KEY_VALUE + 3 * WIDE)
    fixed = 2 * CUBLAS_WORKSPACE_BYTES + 2 * 2 * VOCABULARY + 512 * 8
    assert activations == fixed + CACHE_STEP * 8 + reading
    # 3,840 + 256 + 200 tokens, padding included, are more than eight steps.
    cache, activations = parts("1.5B-bf16", "cuda", Workload(4090, 200), engine="graph")
    assert cache == 9 * CACHE_STEP * TOKEN
    assert activations == fixed + 9 * CACHE_STEP * 8 + 512 * reading // 96
    # A CPU records nothing and pads nothing; its attention has masks, its MLP the activated gate.
    cache, activations = parts("1.5B-bf16", "cpu", Workload(65, 200), engine="graph")
    assert cache == 265 * TOKEN
    reading = 65 * (3 * HIDDEN + QUERY_KEY_VALUE + 4 * WIDE) + 65 * 265 * 3
    assert activations == reading + 2 * VOCABULARY
    long, short, some, many = (
        parts("1.5B-bf16", "cpu", load, engine="graph")[1]
        for load in (
            *(Workload(tokens, 200) for tokens in (4000, 512)),
            *(Workload(512, 200, rows) for rows in (16, 64)),
        )
    )
    assert long < 2 * short
    assert many < 2 * some


def test_a_pass_of_many_prompts_is_of_fewer_tokens_each() -> None:
    cache, activations = parts("1.5B-bf16", "cuda", Workload(300, 200, 30), engine="graph")
    # Two passes, of 256 tokens and of 64: of 384 they would be more than 8,192 in all.
    assert cache == 30 * 2 * CACHE_STEP * TOKEN
    reading = 30 * 256 * (3 * HIDDEN + QUERY_KEY_VALUE + 3 * WIDE)
    fixed = 2 * CUBLAS_WORKSPACE_BYTES + 30 * (2 * 2 * VOCABULARY + 512 * 8 + 1024 * 8)
    # One layer's keys move when those that still run move together.
    assert activations == fixed + reading + cache // 56


def test_quantised_passes_make_more() -> None:
    load = Workload(64, 200)
    plain, int8, nf4 = (
        parts(f"1.5B-{name}", "cuda", load, engine="graph")[1] for name in ("bf16", "8bit", "4bit")
    )
    assert int8 - plain == 64 * WIDE // 2
    # Gate and up of a layer in 16 bit, and not yet their product.
    assert nf4 - plain == 2 * HIDDEN * 8960 - 64 * WIDE
    # A CPU makes no more of a weight, or of rows, than its cache holds.
    load = Workload(512, 200)
    plain, int8, nf4 = (
        parts(f"1.5B-{name}", "cpu", load, engine="graph")[1] for name in ("bf16", "8bit", "4bit")
    )
    assert int8 - plain == 128 * 2 * (1536 + 2 * 8960) * 4
    assert nf4 - plain == 4 * MIB


@pytest.mark.parametrize("engine", ["eager", "graph"])
def test_sampling_with_top_p_makes_more_of_the_logits(engine: str) -> None:
    greedy, sampled = (
        parts("1.5B-bf16", "cuda", Workload(1, 200, 30, sampled), engine=engine)[1]
        for sampled in (False, True)
    )
    made = 30 * VOCABULARY * 48
    reading = 30 * 32 * (3 * HIDDEN + QUERY_KEY_VALUE + 3 * WIDE) if engine == "graph" else 0
    assert sampled - greedy == made - reading
    free = 8 * GIB
    batches = (
        largest_batch([LARGE], "cuda", 30, 200, free, most=9999, engine=engine, sampled=sampled)
        for sampled in (False, True)
    )
    assert next(batches) > next(batches) > 1


def test_a_window_saves_engine_graph_no_cache() -> None:
    [gemma] = find_configs(["Gemma-3-1B-bf16"])
    found = need(gemma, "cuda", Workload(3000, 500), engine="graph")
    eager = need(gemma, "cuda", Workload(3000, 500))
    assert found is not None
    assert eager is not None
    assert found.cache > 2 * eager.cache


def test_engine_graph_leaves_some_to_eager() -> None:
    outliers, without, other = find_configs(["1.5B-8bit", "1.5B-8bit-t0", "1.5B-int8-torchao"])
    assert decoding_engine(outliers, "graph") == "graph"
    assert decoding_engine(without, "graph") == "graph"
    assert decoding_engine(other, "graph") == "eager"
    assert decoding_engine(UNKNOWN, "graph") == "eager"
    assert decoding_engine(without, "eager") == "eager"


def test_a_prompt_is_cut_at_the_context() -> None:
    context = spec_of(LARGE).context
    longer = needed_bytes(LARGE, "cuda", Workload(10 * context, 0))
    assert longer == needed_bytes(LARGE, "cuda", Workload(context, 0))


def test_what_is_not_known_of_a_workload_is_the_shipped_suites() -> None:
    assert workload(None, None, None) == ONE_PROMPT
    # A single prompt counts as one of the suite, before a run and after it.
    assert workload(60, 200, 1) == ONE_PROMPT
    assert workload(900, 500, 1) == Workload(900, 500, 1)
    assert workload(60, 200, 30) == Workload(60, 200, 30)


def test_dummy_weights_are_made_in_16_bit_in_main_memory() -> None:
    usual = needed_bytes(LARGE, "cpu")
    made = needed_bytes(LARGE, "cpu", weights="dummy")
    [plain] = find_configs(["1.5B-bf16"])
    assert made == weights_of(LARGE) + weights_of(plain) + RUNTIME_BYTES["cpu"]
    assert usual is not None
    assert made > usual
    assert needed_bytes(LARGE, "cuda", weights="dummy") == needed_bytes(LARGE, "cuda")
    # Before any output is decoded they are gone, so a large batch is what counts.
    batch = Workload(batch_size=1000)
    assert needed_bytes(LARGE, "cpu", batch, weights="dummy") == needed_bytes(LARGE, "cpu", batch)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("free_gib", [3, 4, 6, 8])
def test_the_largest_batch_fits_with_its_reserve_and_one_more_would_not(
    free_gib: int, device: str
) -> None:
    size = largest_batch([LARGE], device, 300, 200, free_gib * GIB, most=10_000)
    fits = needed_bytes(LARGE, device, Workload(300, 200, size))
    larger = needed_bytes(LARGE, device, Workload(300, 200, size + 1))
    assert fits is not None
    assert larger is not None
    assert size > 1
    assert fits <= 0.9 * free_gib * GIB < larger


def test_the_largest_config_decides_and_one_sequence_is_always_tried() -> None:
    two = find_configs(["0.5B-4bit", "1.5B-bf16"])
    tight = largest_batch(two, "cuda", 300, 2000, 5 * GIB, most=1000)
    assert 1 < tight < largest_batch(two[:1], "cuda", 300, 2000, 5 * GIB, most=1000)
    assert largest_batch(two, "cuda", 300, 200, GIB, most=1000) == 1
    assert largest_batch(two, "cuda", 300, 200, 800 * GIB, most=30) == 30


def test_an_unknown_architecture_needs_a_number() -> None:
    with pytest.raises(InputError, match="Give a number"):
        largest_batch([UNKNOWN], "cpu", 300, 200, GIB, most=30)


def test_every_model_of_the_catalogue_has_a_spec() -> None:
    assert all(model.spec is not None for model in MODELS.values())


def test_the_runtime_is_the_context_kernels_and_the_allocators_reserve() -> None:
    load = Workload(64, 200)
    for name, engine, kernels in (
        ("0.5B-4bit", "eager", 0),
        ("0.5B-4bit", "graph", 54 * MIB),
        ("0.5B-8bit", "eager", 64 * MIB),
        ("0.5B-8bit", "graph", 118 * MIB),
    ):
        [config] = find_configs([name])
        found = need(config, "cuda", load, engine=engine)
        assert found is not None
        reserve = (found.cache + found.activations) // 3
        assert found.runtime == pytest.approx(runtime_bytes("cuda") + kernels + reserve, abs=1)
        on_cpu = need(config, "cpu", load, engine=engine)
        assert on_cpu is not None
        assert on_cpu.runtime == RUNTIME_BYTES["cpu"]


def test_the_model_holds_on_the_h100_at_264_and_4096_tokens() -> None:
    """Within 10 % or 100 MiB, whichever is more: what was allocated, and what the GPU lost."""
    measured = measured_peaks(MEASURED)
    for tokens in (264, 4096):
        alike = [p for p in measured if p.workload.prompt_tokens + p.workload.new_tokens == tokens]
        one = [p for p in alike if p.workload.batch_size == 1 and p.engine == "eager"]
        assert len({(p.config, p.what) for p in one}) == 6 * 2, "allocated and in all"
    assert [peak.line() for peak in measured if not peak.passes] == []


def test_every_stored_peak_is_where_the_model_says() -> None:
    """Within 10 % or 100 MiB, whichever is more: the benches and the real study on the H100."""
    stored = stored_peaks(DEFAULT_DB)
    studies = Counter(peak.source for peak in stored)
    assert studies["qwen2.5-coder"] == 6
    assert studies["bench-h100-dummy-engines"] == 12
    assert [peak.line() for peak in stored if not peak.passes] == []


@pytest.mark.parametrize(("model", "configs"), [("0.5B", 9), ("1.5B", 10)])
def test_precisions_of_other_packages_peak_on_a_gpu_where_the_model_says(
    tmp_path: Path, model: str, configs: int
) -> None:
    """Within 3 %, where the rule is 10 % or 100 MiB: torchao's and optimum-quanto's on an H100."""
    db, name = tmp_path / "bench.duckdb", f"bench-h100-dummy-precisions-{model}"
    import_reports(db, [BENCH_REPORTS / f"{name}.json"], name)
    peaks = stored_peaks(db)
    assert len(peaks) == configs
    assert [one.line() for one in peaks if abs(one.modelled / one.measured - 1) > 0.03] == []


def test_a_gpus_context_grows_with_the_threads_that_it_holds() -> None:
    # Measured on an H100, 132 x 2,048 threads: 264 MiB for each KiB of cudaLimitStackSize.
    h100, card = runtime_bytes("cuda", "NVIDIA H100 80GB HBM3"), runtime_bytes("cuda", "RTX 2070")
    assert h100 == RUNTIME_BYTES["cuda"] + 264 * 2**20
    assert card == RUNTIME_BYTES["cuda"] + 36 * 2**20
    assert runtime_bytes("cuda", "a card of next year") == runtime_bytes("cuda") == h100
    assert runtime_bytes("cpu", "RTX 2070") == RUNTIME_BYTES["cpu"]
    assert needed_bytes(LARGE, "cuda", gpu="RTX 2070") == needed_bytes(LARGE, "cuda") - h100 + card
