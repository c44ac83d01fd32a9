"""Train the two demo models from scratch on a CPU, and write them in Hugging Face hub format.

Run `python -m training.train` to rebuild both under `vibecore/catalog/demo_models/models/`. The
number of steps is the limit, not the clock, so that a slower machine makes the same models, only
later. Each folder gets a `training.json` with the figures of the run that made its weights.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import transformers
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedTokenizerBase,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from training.batches import (
    Batch,
    Encoded,
    encode_examples,
    endless_batches,
    group_by_length,
    make_batch,
)
from training.corpus import SEED, TEMPLATES, Example, build_corpus
from training.tokenizer import CONTEXT_TOKENS, train_tokenizer
from vibecore.catalog.demo_models import MODELS_DIR

BATCH_TOKENS = 4096
WEIGHT_DECAY = 0.1
BETAS = (0.9, 0.95)
FINAL_LEARNING_RATE_SHARE = 0.05
WARM_UP_STEPS = 100
LOG_EVERY_STEPS = 100


@dataclass(frozen=True)
class Recipe:
    """One model's shape and how long and how fast it learns."""

    hidden_size: int
    intermediate_size: int
    layers: int
    heads: int
    key_value_heads: int
    learning_rate: float
    steps: int


# Widths are multiples of 64, the block size of 4-bit NF4.
RECIPES = {
    "1M": Recipe(128, 256, 4, 2, 2, learning_rate=4e-3, steps=1800),
    "5M": Recipe(256, 640, 6, 4, 2, learning_rate=2e-3, steps=2000),
}


def build_model(recipe: Recipe, tokenizer: PreTrainedTokenizerBase) -> Qwen2ForCausalLM:
    """A freshly initialised fp32 Qwen2 model; seed torch first for the same weights."""
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=recipe.hidden_size,
        intermediate_size=recipe.intermediate_size,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.heads,
        num_key_value_heads=recipe.key_value_heads,
        max_position_embeddings=CONTEXT_TOKENS,
        initializer_range=0.02,
        tie_word_embeddings=True,
        use_cache=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    # On a CPU plain attention trains faster than the fused kernel at these widths.
    config._attn_implementation = "eager"
    return Qwen2ForCausalLM(config)


def weighted_loss(model: Qwen2ForCausalLM, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """Summed cross-entropy in nats over weighted targets, and the summed weights."""
    inputs, targets, weights = batch
    with torch.autocast("cpu", dtype=torch.bfloat16):
        # Right padding never reaches an earlier position through causal attention: no mask needed.
        logits = model(input_ids=inputs, use_cache=False).logits
    losses = torch.nn.functional.cross_entropy(
        logits.float().flatten(0, 1), targets.flatten(), reduction="none"
    )
    return (losses * weights.flatten()).sum(), weights.sum()


@torch.no_grad()
def held_out_loss(
    model: Qwen2ForCausalLM, encoded: list[Encoded], batch_tokens: int = BATCH_TOKENS
) -> float:
    """Mean cross-entropy of the answers in nats per token; prompts are not counted."""
    was_training = model.training
    model.eval()
    total = count = 0.0
    for group in group_by_length(encoded, batch_tokens):
        loss, weight = weighted_loss(model, make_batch(group, 0, prompt_weight=0.0))
        total, count = total + loss.item(), count + weight.item()
    model.train(was_training)
    return total / count


def learning_rate_share(step: int, steps: int) -> float:
    """Linear warm-up, then a cosine down to `FINAL_LEARNING_RATE_SHARE`."""
    warm_up = min(WARM_UP_STEPS, max(1, steps // 10))
    if step < warm_up:
        return (step + 1) / warm_up
    progress = (step - warm_up) / max(1, steps - warm_up)
    cosine = 0.5 * (1 + math.cos(math.pi * progress))
    return FINAL_LEARNING_RATE_SHARE + (1 - FINAL_LEARNING_RATE_SHARE) * cosine


def fit(
    model: Qwen2ForCausalLM, recipe: Recipe, encoded: list[Encoded], seed: int = SEED
) -> dict[str, float]:
    """Train in place for `recipe.steps`; returns the run's figures."""
    model.train()
    decayed = [weight for weight in model.parameters() if weight.ndim >= 2]
    plain = [weight for weight in model.parameters() if weight.ndim < 2]
    groups = [
        {"params": decayed, "weight_decay": WEIGHT_DECAY},
        {"params": plain, "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=BETAS, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: learning_rate_share(step, recipe.steps)
    )
    started, processor_started = time.perf_counter(), time.process_time()
    tokens, smoothed = 0, float("nan")
    first_loss = float("nan")
    batches = endless_batches(encoded, 0, BATCH_TOKENS, seed)
    for step in range(recipe.steps):
        batch = next(batches)
        loss, weight = weighted_loss(model, batch)
        loss = loss / weight
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad(set_to_none=True)
        tokens += int((batch[2] > 0).sum())
        value = loss.item()
        first_loss = value if step == 0 else first_loss
        smoothed = value if step == 0 else 0.98 * smoothed + 0.02 * value
        if (step + 1) % LOG_EVERY_STEPS == 0 or step + 1 == recipe.steps:
            seconds = time.perf_counter() - started
            print(
                f"step {step + 1:5d}/{recipe.steps}  training loss {smoothed:.3f}  "
                f"{tokens / seconds:6.0f} tokens/s  {seconds:6.0f} s",
                flush=True,
            )
    seconds = time.perf_counter() - started
    return {
        "first_training_loss": round(first_loss, 4),
        "training_loss": round(smoothed, 4),
        "training_tokens": tokens,
        "minutes": round(seconds / 60, 2),
        "processor_minutes": round((time.process_time() - processor_started) / 60, 2),
        "tokens_per_second": round(tokens / seconds, 1),
    }


def held_out_by_kind(
    model: Qwen2ForCausalLM, tokenizer: PreTrainedTokenizerBase, held_out: list[Example]
) -> dict[str, float]:
    """Held-out loss of everything together and of each kind of text."""
    figures = {"all": held_out_loss(model, encode_examples(tokenizer, held_out))}
    for kind in ["stdlib", *TEMPLATES]:
        chosen = [example for example in held_out if example.kind == kind]
        figures[kind] = held_out_loss(model, encode_examples(tokenizer, chosen))
    return {kind: round(loss, 4) for kind, loss in figures.items()}


def save(model: Qwen2ForCausalLM, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Write config, generation config, bf16 safetensors and tokenizer to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    model.to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "model.safetensors").chmod(0o644)


def measure_saved(folder: Path, held_out: list[Example]) -> dict[str, float]:
    """Held-out loss of the files in `folder`, loaded as any user of them would load them."""
    model = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True)
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    return held_out_by_kind(model, tokenizer, held_out)


def train_one(
    name: str,
    recipe: Recipe,
    tokenizer: PreTrainedTokenizerBase,
    training: list[Example],
    held_out: list[Example],
    folder: Path,
) -> None:
    """Train one model, save it to `folder`, and measure what was saved."""
    torch.manual_seed(SEED)
    model = build_model(recipe, tokenizer)
    encoded = encode_examples(tokenizer, training)
    parameters = sum(weight.numel() for weight in model.parameters())
    print(f"{name}: {parameters:,} parameters, {len(encoded):,} texts", flush=True)
    figures: dict[str, object] = {
        "name": name,
        "parameters": parameters,
        "recipe": asdict(recipe),
        "seed": SEED,
        "batch_tokens": BATCH_TOKENS,
        "training_texts": len(encoded),
        "distinct_tokens": sum(len(ids) for ids, _ in encoded),
        "held_out_texts": len(held_out),
        **fit(model, recipe, encoded),
    }
    save(model, tokenizer, folder)
    figures["held_out_loss"] = measure_saved(folder, held_out)
    figures["threads"] = torch.get_num_threads()
    figures["python"] = platform.python_version()
    figures["torch"] = torch.__version__
    figures["transformers"] = transformers.__version__
    (folder / "training.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    print(f"{name}: held-out loss {figures['held_out_loss']}", flush=True)


def main(arguments: list[str] | None = None) -> None:
    """Build the corpus and the tokenizer, then train the chosen models."""
    parser = argparse.ArgumentParser(prog="python -m training.train", description=__doc__)
    parser.add_argument("--out", type=Path, default=MODELS_DIR, help="where the folders go")
    parser.add_argument("--model", choices=list(RECIPES), nargs="+", default=list(RECIPES))
    parser.add_argument("--steps", type=int, help="steps for each model instead of the recipe's")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    transformers.logging.disable_progress_bar()

    training, held_out = build_corpus()
    tokenizer = train_tokenizer(example.text for example in training)
    print(f"{len(training):,} training texts, {len(held_out):,} held out", flush=True)
    for name in options.model:
        recipe = RECIPES[name]
        if options.steps:
            recipe = Recipe(**{**asdict(recipe), "steps": options.steps})
        train_one(name, recipe, tokenizer, training, held_out, options.out / name)


if __name__ == "__main__":
    main()
