"""Try every GPU path once: `python -m benchmarks.gpu_check --out FOLDER [--device cpu]`.

Loads all six Qwen2.5 configs by both engines, fp16 and 8bit-t0 with dummy weights, and the demo
family with its own, on CUDA; holds every kernel of ours against plain torch; measures speed and
memory against the estimates; fills the GPU to see the out-of-memory message; stops a generation;
counts what a closed worker leaves behind.
Exit code 1 when anything is not as it should be. With `--device cpu` it is a dry run of what
needs no GPU.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import threading
import time
from pathlib import Path

from vibecore import read_outputs, read_summary
from vibecore.catalog.configs import GIB, find_configs
from vibecore.catalog.weights import load_request, resolve
from vibecore.core.machine import read_gpus
from vibecore.runtime.worker import Worker

SUITE = Path(__file__).resolve().parent.parent / "tests" / "data" / "two_prompts.yaml"
EXTRA = ("0.5B-fp16", "0.5B-8bit-t0", "1.5B-8bit-t0")
# A dry run on a CPU is about the paths, not about the speeds.
NEW_TOKENS = {"cuda": 40, "cpu": 4}
# Peak memory holds cache and activations too; this is how far above the weights it may lie.
MOST_ABOVE_ESTIMATE_BYTES = int(0.3 * GIB)

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
    gpu = read_gpus()[0][0]
    return gpu["total_bytes"] - gpu["free_bytes"]


def run_studies(db: Path, device: str) -> None:
    """The six configs and the extra precisions on dummy weights, and the demo family."""
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
            estimate = find_configs([row["config"]])[0].estimated_weight_bytes or 0
            above = row["memory_bytes"] - estimate
            near = abs(row["weight_bytes"] - estimate) < 0.02 * estimate
            check(
                f"{row['config']}: {row['tokens_per_second']:.1f} tok/s, peak "
                f"{row['memory_bytes'] / GIB:.2f} GiB, weights {row['weight_bytes'] / GIB:.2f}, "
                f"estimate {estimate / GIB:.2f}",
                near and 0 <= above < MOST_ABOVE_ESTIMATE_BYTES and row["repetitive"] is None,
            )
    vibecore("summary", "--study", "demo", "--db", str(db))
    check(
        "demo outputs have text", all(row["text"] is not None for row in read_outputs(db, "demo"))
    )


def check_kernels() -> None:
    """Every Triton kernel against plain torch."""
    tests = SUITE.parent.parent / "test_engine_kernels.py"
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", str(tests)])
    check("kernels agree with torch", done.returncode == 0)


def try_stop() -> None:
    """A stop ends the generation within a token; the closed worker frees the GPU."""
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
    rows = {row["config"]: row for row in read_summary(db, "full").rows}
    # In 16 bit the weights do not fit; in 8 bit it is the quantiser that finds no room.
    for name in ("1.5B-bf16", "1.5B-8bit"):
        reason = str(rows[name]["error"])
        check(f"out of memory is told: {reason}", "ran out of memory" in reason)
    check("the smaller config still runs", rows["0.5B-4bit"]["status"] == "complete")
    check("exit code 1", code == 1)


def main() -> None:
    """Run all of it; see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="where the database goes")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--quick", action="store_true", help="without the studies: a minute")
    options = parser.parse_args()
    folder = options.out
    folder.mkdir(parents=True, exist_ok=True)
    db = folder / "gpu.duckdb"
    if not options.quick:
        vibecore("doctor")
        run_studies(db, options.device)
    if options.device == "cuda":
        check_kernels()
        try_stop()
        try_out_of_memory(db)
    print("all well" if not problems else f"{len(problems)} problems: {problems}")
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
