"""The demo family: its text, its shipped models, and that training really learns."""

from __future__ import annotations

import ast
import json
import random
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from training.corpus import (
    RESERVED_PROMPTS,
    SEED,
    TEMPLATES,
    Example,
    build_corpus,
    is_held_out,
    normalised,
    template_examples,
)
from training.stdlib_pairs import stdlib_files, stdlib_pairs
from training.templates_code import code_pair
from vibecore.catalog.demo_models import MODELS_DIR

SUITE = Path(__file__).parents[2] / "prompts" / "vibe30.yaml"
PARAMETERS = {"1M": (0.9e6, 1.2e6), "5M": (4.5e6, 5.5e6)}
HUB_FILES = {
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
    "training.json",
}
FRESH_SEED = SEED + 1


@pytest.fixture(scope="module")
def corpus() -> tuple[list[Example], list[Example]]:
    return build_corpus()


@pytest.fixture(scope="module")
def loaded() -> dict[str, tuple]:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    return {
        name: (
            AutoTokenizer.from_pretrained(MODELS_DIR / name, local_files_only=True),
            AutoModelForCausalLM.from_pretrained(MODELS_DIR / name, local_files_only=True).eval(),
        )
        for name in PARAMETERS
    }


@pytest.fixture(scope="module")
def fresh_held_out() -> list[Example]:
    """Template texts that no training run has drawn: another seed, held-out prompts only."""
    return [
        example
        for kind in TEMPLATES
        for example in template_examples(kind, 300, FRESH_SEED)
        if is_held_out(example.prompt)
    ]


def suite_prompts() -> list[str]:
    found: list[str] = []

    def walk(node: object) -> None:
        if isinstance(node, dict):
            found.extend(value for key, value in node.items() if key == "prompt")
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(yaml.safe_load(SUITE.read_text(encoding="utf-8")))
    return found


def test_importing_the_package_loads_no_torch() -> None:
    code = "import sys, vibecore.catalog.demo_models; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("kind", TEMPLATES)
def test_templates_are_deterministic_varied_and_seeded(kind: str) -> None:
    examples = template_examples(kind, 300)
    assert examples == template_examples(kind, 300)
    assert examples != template_examples(kind, 300, FRESH_SEED)
    assert len({example.prompt for example in examples}) > 200
    assert all(example.prompt and example.answer.strip() for example in examples)


def test_training_and_held_out_prompts_are_disjoint(corpus) -> None:
    training, held_out = corpus
    assert len(training) > 20_000
    assert len(held_out) > 500
    assert not {normalised(e.prompt) for e in training} & {normalised(e.prompt) for e in held_out}
    assert {example.kind for example in held_out} == {"stdlib", *TEMPLATES}


@pytest.mark.skipif(not SUITE.exists(), reason="the suite is not there yet")
def test_no_suite_prompt_is_in_the_text(corpus) -> None:
    prompts = suite_prompts()
    assert len(prompts) == 30
    texts = "\n".join(normalised(example.text) for part in corpus for example in part)
    assert [prompt for prompt in prompts if normalised(prompt) in texts] == []


def test_reserved_prompts_are_not_in_the_text(corpus) -> None:
    texts = "\n".join(normalised(example.text) for part in corpus for example in part)
    assert [prompt for prompt in RESERVED_PROMPTS if normalised(prompt) in texts] == []


def test_standard_library_pairs_are_documented_functions() -> None:
    files = [path for path in stdlib_files() if path.name in {"textwrap.py", "statistics.py"}]
    pairs = stdlib_pairs(files)
    assert pairs == stdlib_pairs(files)
    assert len(pairs) > 20
    for prompt, source in pairs:
        assert re.match(r"Write a Python (function|method) that .+\.$", prompt)
        assert ast.get_docstring(ast.parse(source).body[0])


def test_code_answers_run_and_pass_their_own_asserts() -> None:
    chance = random.Random(FRESH_SEED)
    for _ in range(150):
        prompt, answer = code_pair(chance)
        fenced = re.search(r"```python\n(.*)\n```", answer, re.DOTALL)
        source = fenced.group(1) if fenced else answer
        ast.parse(source)
        if "open(" not in source:  # the file tasks name a file that is not there
            exec(source, {})
        if "docstring" in prompt:
            assert '"""' in source, prompt


NUMBERS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8}


def sentence_count(text: str) -> int:
    return len(re.findall(r"[.!?]+['\"]?(?=\s|$)", text))


def test_answers_meet_the_counts_that_their_prompts_ask_for() -> None:
    checked = 0
    for kind in ("creative", "instruction"):
        for example in template_examples(kind, 1500, FRESH_SEED):
            asked = re.search(r"exactly (\w+) sentences?\b", example.prompt)
            if asked and "?'" not in example.prompt:
                count = NUMBERS.get(asked[1]) or int(asked[1])
                assert sentence_count(example.answer) == count, example
                checked += 1
            if "JSON" in example.prompt:
                assert isinstance(json.loads(example.answer), dict)
                checked += 1
            if re.search(r"(?<!not use )capital letters|upper case", example.prompt):
                assert example.answer == example.answer.upper(), example
                checked += 1
            lines = re.search(r"exactly (\w+) (?:lines|bullet points)", example.prompt)
            if lines and "title" not in example.prompt:
                count = NUMBERS.get(lines[1]) or int(lines[1])
                assert len(example.answer.splitlines()) == count, example
                checked += 1
    assert checked > 500


@pytest.mark.parametrize("name", PARAMETERS)
def test_folders_are_complete_and_hold_no_pickle(name: str) -> None:
    assert {path.name for path in (MODELS_DIR / name).iterdir()} == HUB_FILES


def test_shipped_files_stay_within_15_mb() -> None:
    sizes = [path.stat().st_size for path in MODELS_DIR.rglob("*") if path.is_file()]
    assert sum(sizes) <= 15e6


@pytest.mark.parametrize("name", PARAMETERS)
def test_models_load_offline_with_their_parameters(name: str, loaded) -> None:
    import torch

    tokenizer, model = loaded[name]
    smallest, largest = PARAMETERS[name]
    parameters = sum(weight.numel() for weight in model.parameters())
    figures = json.loads((MODELS_DIR / name / "training.json").read_text(encoding="utf-8"))
    assert smallest <= parameters <= largest
    assert figures["parameters"] == parameters
    assert model.config.model_type == "qwen2"
    assert model.dtype == torch.bfloat16
    assert tokenizer.eos_token == tokenizer.pad_token == "<|endoftext|>"
    assert model.generation_config.eos_token_id == tokenizer.eos_token_id
    for text in ("def f(x):\n    return x + 12\n", "Café: 100 %, naïve."):
        assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_loading_a_tokenizer_prints_no_warning() -> None:
    code = (
        "from transformers import AutoTokenizer; "
        f"AutoTokenizer.from_pretrained({str(MODELS_DIR / '5M')!r}, local_files_only=True)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""


def test_both_models_share_one_tokenizer() -> None:
    first, second = ((MODELS_DIR / name / "tokenizer.json").read_bytes() for name in PARAMETERS)
    assert first == second


@pytest.mark.parametrize("name", PARAMETERS)
def test_loaded_models_give_the_held_out_loss_of_their_training(name: str, corpus, loaded) -> None:
    """The templates' text does not depend on the Python version, so the figure is reproducible;
    every eighth example gives it to within 2.5 %."""
    from training.batches import encode_examples
    from training.train import held_out_loss

    tokenizer, model = loaded[name]
    figures = json.loads((MODELS_DIR / name / "training.json").read_text(encoding="utf-8"))
    chosen = [example for example in corpus[1] if example.kind == "reasoning"][::8]
    measured = held_out_loss(model, encode_examples(tokenizer, chosen))
    assert measured == pytest.approx(figures["held_out_loss"]["reasoning"], rel=0.05)


def test_a_trained_tokenizer_is_the_same_after_loading(tmp_path: Path) -> None:
    """AutoTokenizer picks its own class for qwen2: what it loads must split as in training."""
    from transformers import AutoTokenizer

    from training.tokenizer import train_tokenizer
    from training.train import RECIPES, build_model

    examples = [example for kind in TEMPLATES for example in template_examples(kind, 40)]
    tokenizer = train_tokenizer((example.text for example in examples), vocabulary_size=400)
    build_model(replace(RECIPES["1M"], layers=1), tokenizer).config.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path, local_files_only=True)
    texts = [example.text for example in examples]
    assert again(texts)["input_ids"] == tokenizer(texts)["input_ids"]


def test_the_larger_model_is_better_on_held_out_text(loaded, fresh_held_out) -> None:
    from training.batches import encode_examples
    from training.train import held_out_loss

    assert len(fresh_held_out) >= 40
    losses = {
        name: held_out_loss(model, encode_examples(tokenizer, fresh_held_out))
        for name, (tokenizer, model) in loaded.items()
    }
    assert losses["5M"] < losses["1M"]


@pytest.mark.parametrize("name", PARAMETERS)
@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("Write a Python function that returns the largest of three numbers.", r"def \w+\("),
        ("Write exactly 2 sentences about the harbour at night.", r"\b[a-z]{3,}\b.*\."),
    ],
)
def test_outputs_are_readable(name: str, prompt: str, expected: str, loaded) -> None:
    import torch

    tokenizer, model = loaded[name]
    inputs = tokenizer(prompt, return_tensors="pt")
    with torch.no_grad():
        tokens = model.generate(**inputs, max_new_tokens=60, do_sample=False)
    text = tokenizer.decode(tokens[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    assert re.search(expected, text), text
    assert text.isascii()


def test_a_few_steps_of_training_lower_the_held_out_loss(capsys, monkeypatch) -> None:
    import torch

    from training import train
    from training.batches import encode_examples
    from training.tokenizer import train_tokenizer
    from training.train import RECIPES, build_model, fit, held_out_loss

    monkeypatch.setattr(train, "BATCH_TOKENS", 1024)
    examples = template_examples("instruction", 300, FRESH_SEED)
    tokenizer = train_tokenizer((example.text for example in examples), vocabulary_size=400)
    encoded = encode_examples(tokenizer, examples)
    recipe = replace(RECIPES["1M"], hidden_size=64, intermediate_size=64, layers=2, steps=20)
    torch.manual_seed(SEED)
    model = build_model(recipe, tokenizer)
    before = held_out_loss(model, encoded[-40:])
    figures = fit(model, recipe, encoded[:-40])
    assert held_out_loss(model, encoded[-40:]) < before - 0.5
    assert figures["training_tokens"] > 0
    assert "training loss" in capsys.readouterr().out
