"""Our runs beside a plain `generate` loop and lm-eval: `python -m benchmarks.plain_comparison`.

On a CPU: the demo study, six configs and 30 prompts of at most 200 new tokens, as whole commands
one after the other: a plain loop of transformers' generate in one process, and `vibecore run` with
each engine, at each batch size; then lm-eval's command on the two bf16 configs beside
`vibecore run` on the same two. A command's time is all of it: start-up, loading, generating, and
for ours scoring and storing. Answers alone, on a GPU too, are compared by `benchmarks.peers`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from vibecore.catalog.models import Config, family_configs, find_configs
from vibecore.catalog.weights import resolve

SUITE = "vibe30"
NEW_TOKENS = 200
LM_EVAL_CONFIGS = ("1M-bf16", "5M-bf16")
LM_EVAL_BATCH = 30
THIS = (sys.executable, "-m", "benchmarks.plain_comparison")
TASK = """task: vibe30_plain
dataset_path: json
dataset_kwargs: {{data_files: {{test: {data}}}}}
test_split: test
output_type: generate_until
doc_to_text: "{{{{prompt}}}}"
doc_to_target: ""
generation_kwargs: {{until: [], max_gen_toks: {tokens}, do_sample: false}}
metric_list: [{{metric: bypass}}]
"""


def read_prompts() -> list[str]:
    """The suite's texts, in its order."""
    from vibecore.scoring import load_suite

    return [prompt.text for prompt in load_suite(SUITE).prompts]


def plain_loop(batch_size: int) -> None:
    """What a script without Vibe check would do: load each config, call generate, decode."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig

    quantization = {
        "bf16": None,
        "8bit": BitsAndBytesConfig(load_in_8bit=True),
        "4bit": BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_compute_dtype=torch.bfloat16,
        ),
    }
    prompts = read_prompts()
    for config in family_configs("demo"):
        folder = resolve(config, "hub").folder
        tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
        model = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=torch.bfloat16,
            device_map={"": "cpu"},
            quantization_config=quantization[config.precision.name],
        )
        for start in range(0, len(prompts), batch_size):
            _plain_generate(model, tokenizer, prompts[start : start + batch_size])


def _plain_generate(model: Any, tokenizer: Any, prompts: list[str]) -> None:
    """Decode prompts to text with transformers' generate."""
    inputs = tokenizer(prompts, return_tensors="pt", padding=True, padding_side="left")
    inputs = {name: inputs[name].to(model.device) for name in ("input_ids", "attention_mask")}
    outputs = model.generate(**inputs, max_new_tokens=NEW_TOKENS, do_sample=False)
    tokenizer.batch_decode(outputs[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)


def timed(*command: str) -> float:
    """Wall seconds of a command that must succeed."""
    started = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stderr[-3000:]}")
    return time.perf_counter() - started


def vibecore_run(folder: Path, engine: str, batch_size: int, chosen: list[str]) -> float:
    """Seconds of a whole `vibecore run` into a fresh database."""
    db = folder / f"{engine}-{batch_size}-{len(chosen)}.duckdb"
    return timed(
        *(sys.executable, "-m", "vibecore", "run", "--study", "fresh", "--suite", SUITE),
        *("--engine", engine, "--batch-size", str(batch_size), "--db", str(db)),
        *("--max-new-tokens", str(NEW_TOKENS), "--device", "cpu", *chosen),
    )


def lm_eval_run(folder: Path, config: Config) -> float:
    """Seconds of lm-eval's own command over the same prompts with its `hf` model."""
    data = folder / "prompts.jsonl"
    data.write_text("".join(json.dumps({"prompt": text}) + "\n" for text in read_prompts()))
    task = TASK.format(data=data, tokens=NEW_TOKENS)
    (folder / "vibe30_plain.yaml").write_text(task)
    return timed(
        *(sys.executable, "-m", "lm_eval", "--model", "hf", "--device", "cpu"),
        *("--model_args", f"pretrained={resolve(config, 'hub').folder},dtype=bfloat16"),
        *("--tasks", "vibe30_plain", "--include_path", str(folder)),
        *("--batch_size", str(LM_EVAL_BATCH), "--log_samples", "--output_path", str(folder)),
    )


def compare_commands(engines: list[str], batch_sizes: list[int], *, lm_eval: bool) -> None:
    """The demo family on a CPU, whole commands."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for batch_size in batch_sizes:
            loop = timed(*THIS, "--plain-loop", str(batch_size))
            print(f"batch {batch_size:>2}  plain generate loop   {loop:>7.1f} s", flush=True)
            for engine in engines:
                run = vibecore_run(folder, engine, batch_size, ["--family", "demo"])
                print(
                    f"batch {batch_size:>2}  vibecore run, {engine:<6}  {run:>7.1f} s  "
                    f"{run / loop:.2f} of the loop",
                    flush=True,
                )
        if not lm_eval:
            return
        theirs = sum(lm_eval_run(folder, config) for config in find_configs(LM_EVAL_CONFIGS))
        print(f"batch {LM_EVAL_BATCH}  lm-eval, two bf16     {theirs:>7.1f} s", flush=True)
        chosen = [part for config in LM_EVAL_CONFIGS for part in ("--config", config)]
        for engine in engines:
            run = vibecore_run(folder, engine, LM_EVAL_BATCH, chosen)
            print(
                f"batch {LM_EVAL_BATCH}  vibecore, the same, {engine:<6}{run:>6.1f} s  "
                f"{run / theirs:.2f} of lm-eval",
                flush=True,
            )


def main() -> None:
    """Measure and print; see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[1, 30])
    parser.add_argument("--engines", nargs="+", default=["eager", "graph"])
    parser.add_argument("--no-lm-eval", action="store_true")
    parser.add_argument("--plain-loop", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.plain_loop:
        plain_loop(options.plain_loop)
    else:
        compare_commands(options.engines, options.batch_sizes, lm_eval=not options.no_lm_eval)


if __name__ == "__main__":
    main()
