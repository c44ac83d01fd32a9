"""What is said of a checkpoint before it is run, on tiny ones that are altered here."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.fake_hub import COMMIT, serve
from tests.support.gguf_files import write_gguf
from tests.support.safetensors_files import read_tensors, write_tensors
from vibecore.catalog.demo_models import MODELS_DIR
from vibecore.catalog.gguf import read_gguf
from vibecore.catalog.models import MODELS
from vibecore.core.errors import InputError, RunError
from vibecore.studies import inspect as inspect_module
from vibecore.studies.inspect import NOT_NATIVE, Inspection, inspect_model
from vibecore.views.inspection import fit_rows

TEMPLATE = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
THINKING = TEMPLATE + "{% if enable_thinking is false %}<think>\n\n</think>{% endif %}"
Change = Callable[[Path], None]


class HereWorker:
    """Answers a worker's calls in this process, with answers that could cross to another."""

    def __enter__(self) -> HereWorker:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def wait_ready(self) -> None:
        return None

    def call(self, function: str, *arguments: Any) -> Any:
        from vibecore.engine import describe

        assert function == "describe.describe"
        return pickle.loads(pickle.dumps(describe.describe(None, *arguments)))


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspect_module, "Worker", HereWorker)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(MODELS_DIR / "1M", tmp_path / "my-model"))


def write(folder: Path, file: str, **fields: Any) -> None:
    """Set fields of a JSON file of a folder."""
    path = folder / file
    content = json.loads(path.read_text()) if path.is_file() else {}
    path.write_text(json.dumps({**content, **fields}))


def refused_with(found: Inspection, *parts: str) -> None:
    assert not found.can_run
    text = "\n".join(found.problems)
    assert all(part in text for part in parts), text


def test_a_base_model() -> None:
    found = inspect_model("1M")
    assert found.can_run and found.problems == []
    assert (found.model, found.weights, found.kind) == ("1M", "demo", "base")
    assert (found.architecture, found.architecture_class) == ("qwen2", "Qwen2ForCausalLM")
    assert found.graph_problem is None
    spec = MODELS["1M"].spec
    assert spec is not None
    assert found.parameters == found.stored_parameters == spec.parameters
    assert found.complete is True
    assert (found.stored_as, found.stored_types) == (None, {"bfloat16": found.tensors})
    assert found.chat_template is False
    assert found.rendered_prompt == "What is the capital of France?"
    assert [(token.id, token.text) for token in found.stop_tokens] == [(0, "<|endoftext|>")]
    assert found.sha256 is not None and len(found.sha256) == 64
    # Keys and values of 456 tokens in 16 bit.
    wide = spec.kv_heads * spec.head_size * spec.layers
    assert found.cache_bytes == 2 * 2 * wide * 456
    fits = {fit.precision: fit for fit in found.precisions}
    assert "as-is" not in fits
    assert fits["bf16"].weight_bytes == 2 * spec.parameters
    assert (fits["bf16"].eager, fits["bf16"].graph) == (None, None)
    assert fits["4bit"].weight_bytes < fits["8bit"].weight_bytes < fits["bf16"].weight_bytes
    assert fits["int4-quanto"].graph == "no product for its layers: by eager"


def test_an_instruct_model_and_defaults_that_have_no_effect(folder: Path) -> None:
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    write(
        folder,
        "generation_config.json",
        eos_token_id=[0, 5],
        repetition_penalty=1.1,
        num_beams=3,
        forced_bos_token_id=3,
        do_sample=False,
        use_cache=True,
    )
    found = inspect_model(str(folder))
    assert found.can_run and (found.kind, found.chat_template) == ("instruct", True)
    assert found.rendered_prompt == "<|user|>What is the capital of France?\n<|assistant|>"
    assert found.ignored == {"repetition_penalty": 1.1, "num_beams": 3, "forced_bos_token_id": 3}
    named = {token.id: token.named_by for token in found.stop_tokens}
    assert named[0] == ("generation_config.json", "config.json", "tokenizer")
    assert named[5] == ("generation_config.json",)


def test_a_thinking_model(folder: Path) -> None:
    (folder / "chat_template.jinja").write_text(THINKING)
    found = inspect_model(str(folder))
    assert found.can_run and (found.kind, found.thinking_switch) == ("thinking", True)


def test_a_quantised_folder_refuses_other_precisions(folder: Path) -> None:
    write(folder, "config.json", quantization_config={"quant_method": "gptq", "bits": 4})
    found = inspect_model(str(folder))
    assert found.stored_as == "gptq 4 bit"
    # Not installed where these tests run: it has no wheels.
    refused_with(found, "gptq-int4 needs gptqmodel", "Install it: pip install optimum")
    fits = {fit.precision: fit for fit in found.precisions}
    assert fits["4bit"].eager == "quantised already (gptq 4 bit)"
    assert fits["4bit"].weight_bytes is None
    assert fits["gptq-int4"].weight_bytes == found.stored_bytes
    assert "as-is" not in fits and "awq-int4" not in fits

    write(
        folder,
        "config.json",
        quantization_config={
            "quant_method": "compressed-tensors",
            "config_groups": {"a": {"weights": {"num_bits": 4, "type": "int"}}},
        },
    )
    [fit] = [fit for fit in inspect_model(str(folder)).precisions if not fit.foreign]
    # Unpacked when it is loaded, and its layers are of no kind that engine graph has.
    assert (fit.precision, fit.bits_per_weight) == ("compressed-int4", 16)
    assert fit.graph is not None

    write(folder, "config.json", quantization_config={"quant_method": "gptq", "bits": "four"})
    refused_with(inspect_model(str(folder)), "bits is 'four'", "Copy config.json")

    write(folder, "config.json", quantization_config={"quant_method": "fp8"})
    refused_with(inspect_model(str(folder)), "fp8 cannot run here", "compute capability 8.9")

    nf4 = {"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}
    write(folder, "config.json", quantization_config=nf4)
    found = inspect_model(str(folder))
    assert found.can_run and found.stored_as == "bitsandbytes NF4"
    assert [fit.precision for fit in found.precisions if fit.eager is None] == ["bnb-nf4"]


def adapter_alone(folder: Path) -> None:
    write(folder, "adapter_config.json", base_model_name_or_path="org/base")
    (folder / "config.json").unlink()
    (folder / "model.safetensors").unlink()


def classifier(folder: Path) -> None:
    write(folder, "config.json", architectures=["Qwen2ForSequenceClassification"])
    file = folder / "model.safetensors"
    width = json.loads((folder / "config.json").read_text())["hidden_size"]
    head = ("BF16", [2, width], bytes(4 * width))
    write_tensors(file, {**read_tensors(file), "score.weight": head})


def without_layer(folder: Path) -> None:
    file = folder / "model.safetensors"
    tensors = read_tensors(file)
    write_tensors(file, {name: tensors[name] for name in tensors if ".layers.1." not in name})


def emptied(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


def without_tokenizer(folder: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        (adapter_alone, ["holds an adapter", "org/base", "Merge it"]),
        (
            lambda folder: write(folder, "adapter_config.json", peft_type="LORA"),
            ["holds an adapter", "move adapter_config.json away"],
        ),
        (
            classifier,
            ["unexpected: score.weight", "the head of a classifier"],
        ),
        (
            lambda folder: write(folder, "config.json", architectures=["BertForMaskedLM"]),
            ["config.json says BertForMaskedLM: a filler of gaps", "Run the language model"],
        ),
        (without_layer, ["missing: model.layers.1.", "lacks layer 1"]),
        (emptied, ["is not a model folder: it has no config.json"]),
        (without_tokenizer, ["has no tokenizer"]),
        (
            lambda folder: (folder / "config.json").write_text("{"),
            ["config.json is not valid JSON"],
        ),
        (
            lambda folder: write(folder, "config.json", model_type="plamo9"),
            ["transformers builds no language model of", "plamo9"],
        ),
        (
            lambda folder: (folder / "chat_template.jinja").write_text(
                "{{ raise_exception('no') }}"
            ),
            ["its chat template fails", "--chat off"],
        ),
        (
            lambda folder: (folder / "tokenizer.json").write_text("[]"),
            ["has no tokenizer that can be loaded"],
        ),
        (
            lambda folder: write(folder, "generation_config.json", eos_token_id=[0, 99_999]),
            ["generation_config.json: eos_token_id names the token 99999", "Correct it"],
        ),
    ],
)
def test_what_cannot_be_run_is_a_problem_with_what_to_do(
    change: Change, parts: list[str], folder: Path
) -> None:
    change(folder)
    found = inspect_model(str(folder))
    refused_with(found, *parts)
    assert any(str(folder) in problem or "template" in problem for problem in found.problems)
    assert all(fit.eager for fit in found.precisions)


def test_a_missing_layer_is_seen_in_the_figures_too(folder: Path) -> None:
    without_layer(folder)
    found = inspect_model(str(folder))
    assert found.complete is False
    assert found.parameters is not None and found.stored_parameters is not None
    assert found.stored_parameters < found.parameters


def test_an_architecture_that_only_transformers_knows(folder: Path) -> None:
    """Its weights are not compared, and engine graph says why it leaves it to eager."""
    from transformers import GPT2Config, GPT2LMHeadModel

    ends = {"bos_token_id": 0, "eos_token_id": 0}
    config = GPT2Config(n_embd=32, n_layer=2, n_head=2, vocab_size=4096, n_positions=64, **ends)
    GPT2LMHeadModel(config).save_pretrained(folder)
    found = inspect_model(str(folder))
    assert found.can_run
    assert found.complete is None and found.parameters is None
    assert found.graph_problem is not None and "'gpt2'" in found.graph_problem
    assert all(fit.graph for fit in found.precisions)


def test_a_gguf_file(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "tiny-Q8_0.gguf", head="tied")
    found = inspect_model(str(path))
    assert found.can_run, found.problems
    assert (found.weights, found.architecture) == ("gguf", "llama")
    assert found.rendered_prompt is not None and "<|im_end|>" in found.rendered_prompt
    assert [(token.id, token.text) for token in found.stop_tokens] == [(2, "<|im_end|>")]
    assert (found.stored_as, found.kind) == ("gguf Q8_0", "instruct")
    assert found.complete is True
    assert found.parameters is not None and found.stored_parameters is not None
    assert found.stored_parameters == found.parameters + 64 * 64
    assert any("gguf Q8_0 → bf16" in note for note in found.notes)
    assert any("output.weight" in note for note in found.notes)
    fits = {fit.precision: fit for fit in found.precisions}
    assert (fits["as-is"].llama_cpp, fits["as-is"].runs) == (None, True)
    assert fits["as-is"].weight_bytes == found.stored_bytes
    assert fits["as-is"].bits_per_weight == read_gguf(path).bits_per_weight.model
    assert (fits["bf16"].eager, fits["bf16"].llama_cpp) == (None, NOT_NATIVE)
    rows = {row["precision"]: row for row in fit_rows(found)}
    assert [rows["as-is"][engine] for engine in ("eager", "graph", "llama.cpp")] == [
        *["no: by llama.cpp"] * 2,
        "yes",
    ]

    path.write_bytes(path.read_bytes()[:-1000])
    refused_with(inspect_model(str(path)), "is cut off", "Download it again")


def test_of_a_hub_model_only_small_files_are_fetched(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    fetched: list[str] = []

    def here(model: Any, revision: str | None, files: Any) -> Path:
        target = tmp_path / "snapshots" / COMMIT
        target.mkdir(parents=True)
        for pattern in files:
            for file in folder.glob(pattern):
                shutil.copy(file, target)
                fetched.append(file.name)
        return target

    monkeypatch.setattr(inspect_module, "hub_folder", here)
    without_layer(folder)
    with serve(folder) as (address, asked):
        monkeypatch.setattr(constants, "ENDPOINT", address)
        monkeypatch.setattr(
            constants,
            "HUGGINGFACE_CO_URL_TEMPLATE",
            address + "/{repo_id}/resolve/{revision}/{filename}",
        )
        found = inspect_model("org/thing")
    assert found.revision == COMMIT
    assert not any(name.endswith(".safetensors") for name in fetched)
    assert found.complete is False, (found.notes, asked)
    refused_with(found, "org/thing", "missing: model.layers.1.")


def test_of_a_hub_model_that_cannot_be_reached_the_catalogue_tells(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def away(*_: object) -> Path:
        raise InputError("Qwen/Qwen2.5-1.5B is not on this machine")

    monkeypatch.setattr(inspect_module, "hub_folder", away)
    found = inspect_model("1.5B")
    refused_with(found, "not on this machine")
    assert (found.source, found.parameters) == ("Qwen/Qwen2.5-1.5B", 1_543_714_304)
    assert next(fit.weight_bytes for fit in found.precisions) == 2 * 1_543_714_304


def test_what_is_no_checkpoint_is_bad_input(folder: Path) -> None:
    with pytest.raises(InputError, match="neither a model folder"):
        inspect_model("nothing-of-that-name")
    with pytest.raises(InputError, match="--revision is for models of the hub"):
        inspect_model(str(folder), "main")


def test_a_worker_that_dies_is_a_problem(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Dies(HereWorker):
        def call(self, function: str, *arguments: Any) -> Any:
            raise RunError("The worker process was killed (signal 9).")

    monkeypatch.setattr(inspect_module, "Worker", Dies)
    refused_with(inspect_model(str(folder)), "was killed (signal 9)")
