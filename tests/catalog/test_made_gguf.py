"""GGUF files that llama.cpp's tools make of a model: once, whole or not at all, and of one source.

The tools are scripts here that copy files made beforehand; the real ones were tried by hand."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.importorskip("gguf")

from gguf import GGMLQuantizationType, LlamaFileType

from tests.support.folders import demo_folder
from tests.support.gguf_files import write_gguf
from vibecore.catalog import made_gguf
from vibecore.catalog.engines import LLAMA_CPP
from vibecore.catalog.models import Config, own_configs, own_models
from vibecore.catalog.precisions import PRECISIONS, Precision
from vibecore.catalog.requirements import Requirement
from vibecore.catalog.weights import load_request, resolve
from vibecore.core.errors import InputError
from vibecore.core.paths import state_folder

FAILS = "print('loading'); raise SystemExit('the vocabulary is not known')"


def script(file: Path, body: str) -> None:
    file.write_text(f"#!{sys.executable}\nimport shutil, sys\n{body}\n")
    file.chmod(0o755)


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """A GGUF file in 16 bit."""
    f16 = {"file_type": LlamaFileType.MOSTLY_F16, "type": GGMLQuantizationType.F16}
    return write_gguf(tmp_path / "plain.gguf", "qwen2", **f16)


@pytest.fixture
def tools(tmp_path: Path, plain: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of llama.cpp, whose tools count their calls."""
    folder = tmp_path / "llama.cpp"
    (folder / "build" / "bin").mkdir(parents=True)
    made = write_gguf(tmp_path / "made.gguf", "qwen2")
    count = f"open({str(tmp_path / 'calls')!r}, 'a').write(' '.join(sys.argv[1:]) + '\\n')"
    script(
        folder / made_gguf.CONVERTER,
        f"{count}\nshutil.copy({str(plain)!r}, sys.argv[sys.argv.index('--outfile') + 1])",
    )
    script(
        folder / "build" / "bin" / made_gguf.QUANTISER,
        f"{count}\nshutil.copy({str(made)!r}, sys.argv[2])",
    )
    monkeypatch.setenv(made_gguf.LLAMA_CPP_VARIABLE, str(folder))
    monkeypatch.setattr(Requirement, "is_met", True)
    return folder


def config_of(source: Path, precision: str = "Q8_0") -> Config:
    return Config(own_models((str(source),))[0], PRECISIONS[precision])


def test_a_folder_is_converted_and_quantised_once(tools: Path, tmp_path: Path) -> None:
    folder = demo_folder(tmp_path / "model")
    found = resolve(config_of(folder), "hub", "cpu")
    assert found.folder is not None and found.folder.parent == state_folder() / "gguf"
    assert (found.weights, found.origin, found.source) == ("local", folder, folder)
    plain = resolve(config_of(folder, "bf16"), "hub", "cpu")
    assert found.sha256 == plain.sha256, "one source, so one identity"
    assert found.stored_as is None, "the checkpoint itself is in 16 bit"
    assert load_request(config_of(folder), found, "cpu", "graph").engine == LLAMA_CPP
    assert resolve(config_of(folder), "hub", "cpu") == found
    calls = (tmp_path / "calls").read_text().splitlines()
    assert [line.split()[-1] for line in calls if not line.startswith(str(folder))] == ["Q8_0"]
    assert len(calls) == 2
    assert sorted(file.name for file in found.folder.parent.glob("*.gguf")) == sorted(
        f"{plain.sha256[:16]}-{type_}.gguf" for type_ in ("BF16", "Q8_0")
    ), "nothing half made is left"


def test_a_file_in_16_bit_is_quantised_and_one_of_that_type_is_itself(
    tools: Path, plain: Path, tmp_path: Path
) -> None:
    found = resolve(config_of(plain), "hub", "cpu")
    assert (found.weights, found.origin) == ("gguf", plain)
    assert len((tmp_path / "calls").read_text().splitlines()) == 1, "there is nothing to convert"
    own = tmp_path / "made.gguf"
    found = resolve(config_of(own), "hub", "cpu")
    assert (found.folder, found.origin) == (own, None)
    with pytest.raises(InputError, match=r"quantised already \(Q8_0\).*--precision as-is"):
        resolve(config_of(own, "Q4_K_M"), "hub", "cpu")


@pytest.mark.parametrize("tool", ["convert_hf_to_gguf.py", "build/bin/llama-quantize"])
def test_a_tool_that_fails_says_why_and_leaves_nothing(
    tool: str, tools: Path, tmp_path: Path
) -> None:
    script(tools / tool, FAILS)
    with pytest.raises(InputError, match=f"{Path(tool).name} could not make .*vocabulary"):
        resolve(config_of(demo_folder(tmp_path / "model")), "hub", "cpu")
    left = [file.name for file in (state_folder() / "gguf").glob("*.gguf")]
    assert not [name for name in left if name.startswith("new") or "Q8_0" in name]


@pytest.mark.parametrize(
    ("tool", "missing"),
    [
        ("convert_hf_to_gguf.py", "needs llama.cpp's convert_hf_to_gguf.py"),
        ("build/bin/llama-quantize", "needs llama.cpp's llama-quantize"),
    ],
)
def test_a_missing_tool_is_named_with_where_to_get_it(
    tool: str, missing: str, tools: Path, tmp_path: Path
) -> None:
    (tools / tool).unlink()
    folder = demo_folder(tmp_path / "model")
    assert made_gguf.why_not_made(folder) == missing
    with pytest.raises(InputError, match=f"{missing}.*brew install.*VIBECHECK_LLAMA_CPP"):
        resolve(config_of(folder), "hub", "cpu")


def test_tools_are_found_on_path_and_beside_what_is_there(
    tools: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(made_gguf.LLAMA_CPP_VARIABLE)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert made_gguf.why_not_made(tmp_path) == (
        "needs llama.cpp's llama-quantize and convert_hf_to_gguf.py"
    )
    monkeypatch.setenv("PATH", str(tools / "build" / "bin"))
    assert made_gguf.why_not_made(tmp_path) is None


def test_random_weights_have_no_file() -> None:
    config = Config(own_models(("demo/1M",))[0], PRECISIONS["Q4_K_M"])
    with pytest.raises(InputError, match="dummy"):
        resolve(config, "dummy", "cpu")


def test_the_package_is_asked_for_first(tools: Path, tmp_path: Path) -> None:
    missing: Precision = PRECISIONS["Q8_0"]
    assert missing.requirement is not None
    assert missing.requirement.package == "xllamacpp"
    assert own_configs(str(demo_folder(tmp_path / "model")), ["Q8_0"])[0].id == "model-Q8_0"
