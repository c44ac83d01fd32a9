"""A fresh demo study beside a plain `generate` loop: `python -m benchmarks.demo_study`.

Same six configs, same 30 prompts, at most 200 new tokens, same batch size, one after the other
in one run. The study's time is the whole command: start-up, loading, generating, scoring,
storing. The loop's is one process that imports, loads and generates, and keeps nothing.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from vibecore import read_outputs

FAMILY = "demo"
SUITE = "vibe30"
NEW_TOKENS = 200


def plain_loop(batch_size: int) -> None:
    """What a script without Vibe check would do: load each config, call generate, print."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig

    from vibecore.configs import family_configs
    from vibecore.hub import resolve
    from vibecore.scoring import load_suite

    quantization = {
        "bf16": None,
        "8bit": BitsAndBytesConfig(load_in_8bit=True),
        "4bit": BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_compute_dtype=torch.bfloat16,
        ),
    }
    prompts = [prompt.text for prompt in load_suite(SUITE).prompts]
    new_tokens = 0
    for config in family_configs(FAMILY):
        folder = resolve(config, "hub").folder
        tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
        model = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=torch.bfloat16,
            device_map={"": "cpu"},
            quantization_config=quantization[config.precision.name],
        )
        for start in range(0, len(prompts), batch_size):
            batch = prompts[start : start + batch_size]
            inputs = tokenizer(batch, return_tensors="pt", padding=True)
            outputs = model.generate(**inputs, max_new_tokens=NEW_TOKENS, do_sample=False)
            for output in outputs[:, inputs["input_ids"].shape[1] :]:
                new_tokens += int((output != tokenizer.pad_token_id).sum())
                tokenizer.decode(output, skip_special_tokens=True)
    print(new_tokens)


def timed(command: list[str]) -> tuple[float, str]:
    """(wall seconds, stdout) of a command that must succeed."""
    started = time.perf_counter()
    done = subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - started, done.stdout.decode()


def main() -> None:
    """Measure both at each batch size and print times and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[1, 30])
    parser.add_argument("--plain-loop", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.plain_loop:
        plain_loop(options.plain_loop)
        return
    print(f"{'batch':>5} {'study s':>8} {'loop s':>8} {'ratio':>6} {'outputs':>8} {'tokens':>14}")
    for batch_size in options.batch_sizes:
        this = [sys.executable, "-m", "benchmarks.demo_study"]
        loop_seconds, loop_tokens = timed([*this, "--plain-loop", str(batch_size)])
        with tempfile.TemporaryDirectory() as folder:
            db = Path(folder) / "fresh.duckdb"
            command = [sys.executable, "-m", "vibecore", "run", "--study", "fresh"]
            options_given = ["--family", FAMILY, "--suite", SUITE, "--db", str(db)]
            limits = ["--max-new-tokens", str(NEW_TOKENS), "--batch-size", str(batch_size)]
            study_seconds, _ = timed([*command, *options_given, *limits])
            rows = read_outputs(db, "fresh")
        tokens = sum(row["new_tokens"] for row in rows)
        print(
            f"{batch_size:>5} {study_seconds:>8.1f} {loop_seconds:>8.1f} "
            f"{study_seconds / loop_seconds:>6.2f} {len(rows):>8} "
            f"{tokens:>7}/{loop_tokens.strip()}",
            flush=True,
        )


if __name__ == "__main__":
    main()
