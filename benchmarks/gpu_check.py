"""Try every GPU path once: `python -m benchmarks.gpu_check --out FOLDER [--device cpu] [--part …]`.

The parts, each of which ends with a line `ok` or `BAD` for everything that it checks:

- `kernels`: every Triton kernel against plain torch (needs pytest)
- `architectures`: engine `graph` against `eager` on small random models of every architecture of
  the catalogue, in float32, where all tokens must agree, and in bfloat16, where they may diverge at
  a tie
- `demo`: the demo family by both engines
- `stop`: a generation that is stopped, and what a closed worker leaves behind
- `memory`: the message when the GPU is full
- `studies`: the six Qwen2.5 configs by both engines, fp16 and 8bit-t0 with dummy weights, and the
  demo family; speed and memory against the estimates

Without `--part` all run. The first three need no DuckDB; `memory` and `studies` write
FOLDER/gpu.duckdb. Exit code 1 when anything is not as it should be. With `--device cpu` it is a dry
run of what needs no GPU: `architectures`, `demo` and `studies`.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import threading
import time
from collections import defaultdict
from pathlib import Path

from vibecore.catalog.models import family_configs, find_configs
from vibecore.catalog.weights import load_request, resolve
from vibecore.core.machine import GIB

ROOT = Path(__file__).resolve().parent.parent
SUITE = ROOT / "tests" / "data" / "two_prompts.yaml"
EXTRA = ("0.5B-fp16", "0.5B-8bit-t0", "1.5B-8bit-t0")
# A dry run on a CPU is about the paths, not about the speeds.
NEW_TOKENS = {"cuda": 40, "cpu": 4}
DEMO_PROMPTS = {"cuda": 10, "cpu": 1}
# Peak memory holds cache and activations too; this is how far above the weights it may be.
MOST_ABOVE_ESTIMATE_BYTES = int(0.3 * GIB)
# Units of bfloat16's last place between the two best tokens, where rounding may choose.
MOST_MARGIN = 4.0
# Random models amplify a rounding from layer to layer; that they are right, float32 shows.
MOST_MARGIN_RANDOM = 8.0

PARTS = ("kernels", "architectures", "demo", "stop", "memory", "studies")

problems: list[str] = []


def check(what: str, good: bool) -> None:
    """Print a line and remember a problem."""
    print(f"{'ok  ' if good else 'BAD '} {what}", flush=True)
    if not good:
        problems.append(what)


def vibecore(*arguments: str) -> int:
    """Run the command line; its messages pass through."""
    print("$ vibecore", *arguments, flush=True)
    return subprocess.run([sys.executable, "-m", "vibecore", *arguments]).returncode


def gpu_bytes_used() -> int:
    """Memory in use on the first GPU, all processes counted."""
    from vibecore.core.machine import read_gpus

    gpu = read_gpus()[0][0]
    return gpu["total_bytes"] - gpu["free_bytes"]


def run_studies(db: Path, device: str) -> None:
    """The six configs and the extra precisions on dummy weights, and the demo family."""
    from vibecore import read_outputs, read_summary

    common = ["--device", device, "--suite", str(SUITE), "--db", str(db)]
    dummy = [*common, "--weights", "dummy", "--max-new-tokens", str(NEW_TOKENS[device])]
    check(
        "six configs, dummy", vibecore("run", "--family", "qwen2.5", "--study", "six", *dummy) == 0
    )
    extra = [part for config in EXTRA for part in ("--config", config)]
    check("fp16 and 8bit-t0", vibecore("run", *extra, "--study", "extra", *dummy) == 0)
    graph = ["--engine", "graph", *dummy]
    check(
        "six configs, graph",
        vibecore("run", "--family", "qwen2.5", "--study", "graph", *graph) == 0,
    )
    demo = ["run", "--family", "demo", "--engine", "graph", "--device", device, "--db", str(db)]
    check("demo family, batch 30", vibecore(*demo, "--study", "demo", "--batch-size", "30") == 0)
    for study in ("six", "extra", "graph"):
        for row in read_summary(db, study).rows:
            estimate = find_configs([row.config])[0].estimated_weight_bytes or 0
            above = row.memory_bytes - estimate
            near = abs(row.weight_bytes - estimate) < 0.02 * estimate
            check(
                f"{row.config}: {row.tokens_per_second:.1f} tok/s, peak "
                f"{row.memory_bytes / GIB:.2f} GiB, weights {row.weight_bytes / GIB:.2f}, "
                f"estimate {estimate / GIB:.2f}",
                near and 0 <= above < MOST_ABOVE_ESTIMATE_BYTES and row.repetitive is None,
            )
    vibecore("summary", "--study", "demo", "--db", str(db))
    check("demo outputs have text", all(row.text is not None for row in read_outputs(db, "demo")))


def check_kernels() -> None:
    """Every Triton kernel against plain torch."""
    from tests.support.kernel_tests import KERNEL_TESTS

    done = subprocess.run([sys.executable, "-m", "pytest", "-q", *map(str, KERNEL_TESTS)], cwd=ROOT)
    check("kernels agree with torch", done.returncode == 0)


def check_architectures(device: str) -> None:
    """Engine `graph` against `eager` on every tiny model, one prompt and a padded batch."""
    import torch

    from benchmarks.agreement import divergence, margin_after
    from tests.support.tiny_models import TINY, loaded, random_prompts, tiny_model
    from vibecore.engine import eager, graph
    from vibecore.engine.model import StopSwitch

    kernels: dict[str, set[str]] = defaultdict(set)
    for dtype in (torch.float32, torch.bfloat16):
        counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        margins: dict[str, float] = defaultdict(float)
        for raw in TINY.values():
            kind = raw["model_type"]
            model = tiny_model(raw, dtype, device)
            lean, plain = loaded(model, "graph"), loaded(model, "eager")
            kernels[kind].add(str(lean.report.environment["kernels"]))
            for lengths in ((17,), (3, 17, 9)):
                batch = random_prompts(device, *lengths)
                one, other = (
                    [made.token_ids for made in engine.generate(which, batch, 40, StopSwitch())]
                    for engine, which in ((eager, plain), (graph, lean))
                )
                for row, (wanted, found) in enumerate(zip(one, other, strict=True)):
                    place = divergence(wanted, found)
                    counts[kind][0] += place is None
                    counts[kind][1] += 1
                    if place is not None:
                        prompt = batch.tokens[row, -lengths[row] :].tolist()
                        margin = margin_after(model, [*prompt, *wanted[:place]])
                        margins[kind] = max(margins[kind], margin)
        exact = dtype == torch.float32
        for kind, (same, total) in counts.items():
            check(
                f"{kind:<12} {str(dtype).removeprefix('torch.'):<9} graph = eager {same}/{total}, "
                f"margin at a divergence at most {margins[kind]:.1f}; kernels: "
                f"{', '.join(sorted(kernels[kind]))}",
                same == total if exact else margins[kind] <= MOST_MARGIN_RANDOM,
            )


def check_demo(device: str) -> None:
    """The demo family's outputs by both engines."""
    from benchmarks.agreement import compare
    from vibecore.scoring import load_suite

    options = argparse.Namespace(device=device, weights="hub", new_tokens=60, kld_tokens=0)
    prompts = [prompt.text for prompt in load_suite("vibe30").prompts][: DEMO_PROMPTS[device]]
    for config in family_configs("demo"):
        margin = compare(config, options, prompts)
        check(f"{config.id}: diverges at ties only", margin <= MOST_MARGIN)


def try_stop() -> None:
    """A stop ends the generation within a token; the closed worker frees the GPU."""
    from vibecore.runtime.worker import Worker

    before = gpu_bytes_used()
    config = find_configs(["0.5B-bf16"])[0]
    with Worker() as worker:
        worker.load(load_request(config, resolve(config, "dummy"), "cuda", "eager"))
        check("the worker holds GPU memory", gpu_bytes_used() - before > GIB // 2)
        started = time.perf_counter()
        threading.Timer(1.0, worker.stop).start()
        generation = worker.generate(["Write a long story."], 4000)[0]
        took = time.perf_counter() - started
        check(
            f"stopped after {took:.2f} s with {generation.new_tokens} tokens",
            generation.finish_reason == "stopped" and took < 2,
        )
    check("its exit frees the GPU", abs(gpu_bytes_used() - before) < 64 * 2**20)


def try_out_of_memory(db: Path) -> None:
    """With the GPU nearly full the config fails with both sizes in its message."""
    import torch

    from vibecore import read_summary

    free, _ = torch.cuda.mem_get_info()
    hold = torch.empty(free - int(1.5 * GIB), dtype=torch.uint8, device="cuda")
    code = vibecore(
        *("run", "--config", "1.5B-bf16", "--config", "1.5B-8bit", "--config", "0.5B-4bit"),
        *(
            "--weights",
            "dummy",
            "--device",
            "cuda",
            "--suite",
            str(SUITE),
            "--study",
            "full",
            "--db",
            str(db),
        ),
    )
    del hold
    torch.cuda.empty_cache()  # else the parts after this one find the GPU full
    rows = {row.config: row for row in read_summary(db, "full").rows}
    # In 16 bit the weights do not fit; in 8 bit it is the quantiser that finds no room.
    for name in ("1.5B-bf16", "1.5B-8bit"):
        reason = str(rows[name].error)
        check(f"out of memory is explained: {reason}", "ran out of memory" in reason)
    check("the smaller config still runs", rows["0.5B-4bit"].status == "complete")
    check("exit code 1", code == 1)


def main() -> None:
    """Run the chosen parts; see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="where the database goes")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--part", action="append", choices=PARTS, help="repeatable [all]")
    parser.add_argument("--quick", action="store_true", help="all but `studies`")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    db = options.out / "gpu.duckdb"
    parts = options.part or [part for part in PARTS if not (options.quick and part == "studies")]
    for part in parts:
        if options.device == "cpu" and part in ("kernels", "stop", "memory"):
            continue
        print(f"== {part}", flush=True)
        before, started = len(problems), time.monotonic()
        match part:
            case "kernels":
                check_kernels()
            case "architectures":
                check_architectures(options.device)
            case "demo":
                check_demo(options.device)
            case "stop":
                try_stop()
            case "memory":
                try_out_of_memory(db)
            case "studies":
                vibecore("doctor")
                run_studies(db, options.device)
        verdict = "well" if len(problems) == before else f"{len(problems) - before} problems"
        print(f"== {part}: {verdict}, {time.monotonic() - started:.0f} s", flush=True)
    print("all well" if not problems else f"{len(problems)} problems: {problems}")
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
