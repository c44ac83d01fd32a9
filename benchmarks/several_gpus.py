"""What several GPUs gain: `python -m benchmarks.several_gpus --out FOLDER`.

The same study of six configs on random weights, three times in one run: on one GPU, on all GPUs of
this machine (`--gpus all`), and on a local Ray cluster (`--ray auto`). Prints the wall time of each
command, loads and imports included, the speed-up over one GPU, and how far each config's speed is
from its speed on one GPU. Before them each way runs once with few tokens, untimed, so that none
finds compiled kernels and cached files that another had to make. `--way` makes some ways only; the
table has all that FOLDER holds. With `--device cpu` it is a dry run of the Ray part on the demo
family.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

from vibecore.studies.queries import read_summary

WAYS = {"one": (), "gpus": ("--gpus", "all"), "ray": ("--ray", "auto")}


def run(way: str, out: Path, device: str, new_tokens: int) -> float:
    """Seconds of wall time of the command."""
    gpu = ("--family", "qwen2.5", "--weights", "dummy", "--engine", "graph")
    configs = gpu if device == "cuda" else ("--family", "demo", "--batch-size", "10")
    command = (
        *(sys.executable, "-m", "vibecore", "run", *configs, "--device", device),
        *("--max-new-tokens", str(new_tokens), "--study", way, *WAYS[way]),
        *("--db", str(out / f"{way}.duckdb")),
    )
    print(f"== {way}: {' '.join(command[1:])}", flush=True)
    began = time.monotonic()
    subprocess.run(command, check=True)
    return time.monotonic() - began


def main() -> None:
    """Run the ways that were asked for; see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="where the databases go")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--new-tokens", type=int, default=1000)
    parser.add_argument("--way", action="append", choices=WAYS, help="repeatable [all]")
    options = parser.parse_args()
    (options.out / "first").mkdir(parents=True, exist_ok=True)
    ways: list[str] = options.way or [
        way for way in WAYS if options.device == "cuda" or way != "gpus"
    ]
    for way in ways:
        run(way, options.out / "first", options.device, 2)
    for way in ways:
        seconds = run(way, options.out, options.device, options.new_tokens)
        (options.out / f"{way}.seconds").write_text(str(seconds))
    print_table(options.out)


def print_table(out: Path) -> None:
    """All ways that were made in a folder, beside one GPU."""
    made = [way for way in WAYS if (out / f"{way}.seconds").exists()]
    seconds = {way: float((out / f"{way}.seconds").read_text()) for way in made}
    rows = {way: read_summary(out / f"{way}.duckdb", way).rows for way in made}
    speeds = {way: {row.config: row.tokens_per_second or 0.0 for row in rows[way]} for way in made}
    base = made[0]
    print(f"\n| | wall s | speed-up | {' | '.join(speeds[base])} |")
    print("| --- |" + " --- |" * (2 + len(speeds[base])))
    for way in made:
        figures = [
            f"{speed:.0f}" if way == base else f"{speed / speeds[base][config] - 1:+.1%}"
            for config, speed in speeds[way].items()
        ]
        print(
            f"| {way} | {seconds[way]:.1f} | {seconds[base] / seconds[way]:.2f} "
            f"| {' | '.join(figures)} |"
        )


if __name__ == "__main__":
    main()
