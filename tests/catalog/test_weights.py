"""Where weights come from: folders, a hub that answers, and a hub that cannot be reached."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.fake_hub import COMMIT, serve
from tests.support.gguf_files import TEMPLATE, write_gguf
from vibecore.catalog import engines, gguf
from vibecore.catalog.architectures import spec_of
from vibecore.catalog.demo_models import MODELS_DIR
from vibecore.catalog.gguf import read_gguf
from vibecore.catalog.identity import weights_sha256
from vibecore.catalog.memory import needed_bytes
from vibecore.catalog.models import MODELS, Config, Model, choose_configs, find_configs, own_configs
from vibecore.catalog.precisions import PRECISIONS
from vibecore.catalog.requirements import Requirement
from vibecore.catalog.weights import GIVE_A_PATH, Resolved, asking_for, load_request, resolve
from vibecore.core.errors import InputError
from vibecore.core.paths import PROJECT_ROOT
from vibecore.core.records import Asking, Kind

THINKING = TEMPLATE + "{% if enable_thinking %}<think>{% endif %}"


@pytest.fixture
def model_folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(MODELS_DIR / "1M", tmp_path / "my-model"))


def test_the_demo_models_are_here() -> None:
    [config] = find_configs(["1M-bf16"])
    found = resolve(config, "hub")
    assert found.weights == "demo"
    assert (found.folder / "model.safetensors").is_file()


def test_a_model_that_would_be_left_in_16_bit_is_refused() -> None:
    pytest.importorskip("torchao")
    known = MODELS["1M"].spec
    assert known is not None
    shape = {"hidden_size": 96, "num_attention_heads": 3, "num_key_value_heads": 3, "head_dim": 32}

    def config(intermediate_size: int) -> Config:
        spec = spec_of({**known.raw, **shape, "intermediate_size": intermediate_size})
        return Config(Model("narrow", "a/narrow", "hub", spec), PRECISIONS["int4-torchao"])

    with pytest.raises(InputError, match="narrow-int4-torchao would not be quantised"):
        resolve(config(160), "dummy", "cpu")
    resolve(config(192), "dummy", "cpu")


def test_dummy_weights_need_a_known_shape(tmp_path: Path) -> None:
    [known] = find_configs(["1.5B-4bit"])
    request = load_request(known, resolve(known, "dummy"), "cpu", "eager")
    assert request.folder is None
    assert request.architecture["hidden_size"] == 1536
    with pytest.raises(InputError, match="architecture is not known"):
        resolve(own_configs("someone/something", ["bf16"])[0], "dummy")


def test_a_local_folder_is_taken_as_it_is(model_folder: Path) -> None:
    [config] = own_configs(str(model_folder), ["8bit"])
    found = resolve(config, "hub")
    assert (found.weights, found.folder) == ("local", model_folder)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda f: (f / "config.json").unlink(), "no config.json"),
        (lambda f: (f / "config.json").write_text("{"), "not valid JSON"),
        (lambda f: (f / "model.safetensors").rename(f / "pytorch_model.bin"), "safetensors"),
        (lambda f: [t.unlink() for t in f.glob("tokenizer*")], "tokenizer"),
    ],
)
def test_an_incomplete_folder_says_what_is_missing(model_folder: Path, spoil, says: str) -> None:
    spoil(model_folder)
    with pytest.raises(InputError, match=says):
        resolve(own_configs(str(model_folder), ["bf16"])[0], "hub")


def test_a_folder_says_what_it_is(model_folder: Path) -> None:
    own = own_configs(str(model_folder), ["bf16"])[0]
    found = resolve(own, "hub")
    assert (found.kind, found.stored_as, found.template) == ("base", None, None)
    assert found.sha256 == weights_sha256(MODELS_DIR / "1M")
    (model_folder / "chat_template.jinja").write_text(TEMPLATE)
    asked = resolve(own, "hub")
    assert (asked.kind, asked.template) == ("instruct", TEMPLATE)
    assert asked.sha256 == found.sha256, "the identity is of the weights"
    [demo] = find_configs(["1M-bf16"])
    assert resolve(demo, str(model_folder)).kind == "base", "the catalogue knows better"


def test_bad_weights_are_refused_before_anything_is_loaded(model_folder: Path) -> None:
    [config] = own_configs(str(model_folder), ["bf16"])
    file = model_folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-10])
    with pytest.raises(InputError, match="cut short"):
        resolve(config, "hub")
    (model_folder / "adapter_config.json").write_text("{}")
    with pytest.raises(InputError, match="merge_and_unload"):
        resolve(config, "hub")


def test_a_quantised_folder_runs_as_it_is_and_in_no_other_way(model_folder: Path) -> None:
    plain, as_is = own_configs(str(model_folder), ["bf16"]) + own_configs(
        str(model_folder), ["as-is"]
    )
    with pytest.raises(InputError, match=r"is not quantised.*Choose a precision"):
        resolve(as_is, "hub")
    raw = json.loads((model_folder / "config.json").read_text())
    raw["quantization_config"] = {"quant_method": "bitsandbytes", "load_in_8bit": True}
    (model_folder / "config.json").write_text(json.dumps(raw))
    with pytest.raises(InputError, match=r"quantised already \(bitsandbytes int8\).*as-is"):
        resolve(plain, "hub")
    found = resolve(as_is, "hub")
    assert (found.weights, found.stored_as) == ("local", "bitsandbytes int8")
    request = load_request(as_is, found, "cpu", "eager")
    size = (model_folder / "model.safetensors").stat().st_size
    assert request.estimated_weight_bytes == size
    assert needed_bytes(as_is, "cpu", folder=model_folder) > size
    with pytest.raises(InputError, match="dummy"):
        resolve(as_is, "dummy")


def test_a_format_that_does_not_run_here_is_told_with_what_to_do(
    model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [as_is] = own_configs(str(model_folder), ["as-is"])
    raw = json.loads((model_folder / "config.json").read_text())
    raw["quantization_config"] = {"quant_method": "fp8", "weight_block_size": [128, 128]}
    (model_folder / "config.json").write_text(json.dumps(raw))
    wanted = r"fp8 cannot run here: not on a CPU.*capability 8\.9.*take the original weights"
    with pytest.raises(InputError, match=wanted):
        resolve(as_is, "hub", "cpu")
    raw["quantization_config"] = {"quant_method": "gptq", "bits": 4}
    (model_folder / "config.json").write_text(json.dumps(raw))
    monkeypatch.setattr(Requirement, "is_met", False)
    with pytest.raises(InputError, match=r"gptq-int4 needs gptqmodel.*pip install optimum"):
        resolve(as_is, "hub", "cpu")


def test_a_label_of_folders_is_none_of_a_gguf_file(tmp_path: Path) -> None:
    file = write_gguf(tmp_path / "tiny.gguf")
    [config] = own_configs(str(file), ["bnb-nf4"])
    with pytest.raises(InputError, match=r"is a GGUF file.*--precision as-is"):
        resolve(config, "hub", "cpu")


def test_a_gguf_file_is_read(tmp_path: Path) -> None:
    file = write_gguf(tmp_path / "tiny.gguf")
    [config] = own_configs(str(file), ["bf16"])
    found = resolve(config, "hub")
    assert (found.weights, found.folder, found.stored_as) == ("gguf", file, "gguf Q8_0")
    assert (found.kind, found.sha256) == ("instruct", weights_sha256(file))
    assert load_request(config, found, "cpu", "eager").folder == str(file)


def test_a_gguf_file_as_it_is_is_for_llama_cpp(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_gguf(tmp_path / "tiny.gguf")
    as_is, *others = choose_configs(sources=[str(file)], precisions=["bf16", "as-is"])
    assert (as_is.id, others) == ("tiny-as-is", [])
    found = resolve(as_is, "hub")
    assert (found.weights, found.stored_as) == ("gguf", "gguf Q8_0")
    assert as_is.estimated_weight_bytes == read_gguf(file).tensor_bytes
    assert load_request(as_is, found, "cpu", "graph").engine == "llama.cpp"
    missing = replace(engines.LLAMA_CPP_PACKAGE, package="no-such-package-xllamacpp")
    monkeypatch.setattr(engines, "LLAMA_CPP_PACKAGE", missing)
    with pytest.raises(InputError, match=r"xllamacpp.*pip install -r requirements-llamacpp\.txt"):
        resolve(as_is, "hub")


def test_what_cannot_be_dequantised_runs_as_it_is_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_gguf(tmp_path / "tiny.gguf")
    monkeypatch.setattr(gguf, "_can_be_unpacked", lambda kind: kind == "F32")
    with pytest.raises(InputError, match=r"type Q8_0 .*--precision as-is"):
        resolve(own_configs(str(file), ["bf16"])[0], "hub")
    assert resolve(own_configs(str(file), ["as-is"])[0], "hub").folder == file


@pytest.mark.parametrize(
    ("kind", "template", "asking", "wanted"),
    [
        ("base", TEMPLATE, Asking(), Asking("off")),
        ("base", None, Asking(system="Be brief."), Asking("off")),
        ("base", TEMPLATE, Asking("on"), Asking("on")),
        ("instruct", TEMPLATE, Asking(system="x"), Asking(system="x")),
        ("instruct", TEMPLATE, Asking(thinking="off"), Asking()),
        ("thinking", THINKING, Asking(thinking="off"), Asking(thinking="off")),
        ("instruct", TEMPLATE, Asking("off"), Asking("off")),
    ],
)
def test_each_model_is_asked_as_it_can_be(
    kind: Kind, template: str | None, asking: Asking, wanted: Asking
) -> None:
    found = Resolved("local", Path("somewhere"), None, kind, template=template)
    assert asking_for(asking, found) == wanted
    assert asking_for(asking, Resolved("dummy", None, None, kind)) == Asking("off")


def test_weights_from_a_folder_must_have_the_configs_shape(model_folder: Path) -> None:
    [demo, qwen] = find_configs(["1M-bf16", "0.5B-bf16"])
    assert resolve(demo, str(model_folder)).folder == model_folder
    with pytest.raises(InputError, match="another shape"):
        resolve(qwen, str(model_folder))
    with pytest.raises(InputError, match="not a folder"):
        resolve(demo, str(model_folder / "nothing"))
    raw = json.loads((model_folder / "config.json").read_text())
    # As a copy that went through GGUF has it, with a context of its own.
    raw |= {"rms_norm_eps": 9.999999974752427e-07, "max_position_embeddings": 64}
    (model_folder / "config.json").write_text(json.dumps(raw))
    assert resolve(demo, str(model_folder)).folder == model_folder


def run_offline(home: Path, *arguments: str) -> tuple[subprocess.CompletedProcess[str], float]:
    """The command line with an empty hub cache and a hub address where nothing listens."""
    environment = os.environ | {
        "HF_HOME": str(home / "cache"),
        "HF_ENDPOINT": "http://127.0.0.1:9",
        "HF_HUB_OFFLINE": "0",
    }
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "vibecore", "run", *arguments, "--db", str(home / "new.duckdb")],
        capture_output=True,
        text=True,
        env=environment,
        cwd=PROJECT_ROOT,
    )
    return done, time.monotonic() - started


def test_an_unreachable_hub_is_told_within_seconds(tmp_path: Path) -> None:
    done, seconds = run_offline(tmp_path, "--config", "0.5B-bf16")
    assert done.returncode == 2
    assert seconds < 15
    for part in ("Qwen/Qwen2.5-0.5B", "cannot be reached", "--weights dummy", "--family demo"):
        assert part in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "new.duckdb").exists()


@pytest.mark.parametrize(
    ("config", "says", "not_says"),
    [
        ("0.5B-bf16", ("--weights dummy", "--weights PATH", "--model PATH"), ()),
        ("0.5B-Q8_0", ("--weights PATH", "--model PATH"), ("dummy",)),
        ("someone/something", ("--model PATH", "--family demo"), ("dummy", "--weights")),
    ],
)
def test_what_is_advised_where_the_hub_is_out_of_reach_is_what_that_model_can_do(
    config: str, says: tuple[str, ...], not_says: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub
    from huggingface_hub.errors import LocalEntryNotFoundError

    def fail(*_: object, **__: object) -> None:
        raise LocalEntryNotFoundError("no network")

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", fail)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    monkeypatch.setattr("vibecore.catalog.weights.require_here", lambda *_: None)
    [one] = own_configs(config, ["bf16"]) if "/" in config else find_configs([config])

    def refusal(*instead: str) -> str:
        with pytest.raises(InputError, match="the hub cannot be reached") as refused:
            resolve(one, "hub", "cpu", *instead)
        return str(refused.value)

    told = refusal()
    assert all(part in told for part in says)
    assert not any(part in told for part in not_says)
    assert refusal(GIVE_A_PATH).endswith(GIVE_A_PATH), "what fidelity can do"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[str]:
    folder = tmp_path / "published"
    shutil.copytree(MODELS_DIR / "1M", folder)
    (folder / "chat_template.jinja").write_text("{{ messages[0].content }}")
    with serve(folder) as (address, _):
        yield address


def test_a_gated_model_says_how_to_get_access(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub
    from huggingface_hub.errors import GatedRepoError

    def refuse(*_: object, **__: object) -> None:
        response: Any = SimpleNamespace(headers={}, request=None)
        raise GatedRepoError("gated", response=response)

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", lambda *_, **__: None)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
    [gated] = find_configs(["Llama-3.2-1B-4bit"])
    with pytest.raises(InputError, match=r"is gated\. Accept Meta's terms on https://") as caught:
        resolve(gated, "hub")
    assert "hf auth login" in str(caught.value)
    assert "--family demo" in str(caught.value)


def test_a_hub_model_is_fetched_once_and_its_revision_known(hub: str, tmp_path: Path) -> None:
    code = (
        "from vibecore.catalog.models import find_configs\n"
        "from vibecore.catalog.weights import resolve\n"
        "found = resolve(find_configs(['0.5B-bf16'])[0], 'hub')\n"
        "files = [(found.folder / name).is_file() for name in"
        " ('model.safetensors', 'chat_template.jinja')]\n"
        "print(found.weights, found.revision, *files)"
    )

    def fetch(endpoint: str) -> str:
        environment = os.environ | {"HF_HOME": str(tmp_path), "HF_ENDPOINT": endpoint}
        environment["HF_HUB_DISABLE_XET"] = "1"
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            env=environment,
            cwd=PROJECT_ROOT,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip().splitlines()[-1]

    assert fetch(hub) == f"hub {COMMIT} True True"
    assert fetch("http://127.0.0.1:9") == f"hub {COMMIT} True True", "the cache must serve offline"
