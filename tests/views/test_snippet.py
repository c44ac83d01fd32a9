"""The code that runs a config without Vibe check does just what its run did."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.support.folders import demo_folder, request_for
from tests.support.forked_python import ForkedPython, forked_python
from tests.support.gguf_files import write_gguf
from tests.support.rows import row_of
from vibecore import engine
from vibecore.catalog.demo_models import MODELS_DIR
from vibecore.catalog.precisions import PRECISIONS
from vibecore.core.records import Asking, Decoding, LoadRequest, Protocol
from vibecore.core.rows import RunRow
from vibecore.engine.quantisers import QUANTISERS
from vibecore.views import snippet
from vibecore.views.snippet import snippet_of

PROMPT = 'Write a Python function that prints "a\\n" in München.'
PROTOCOL = Protocol(max_new_tokens=30, weights="demo")
TEMPLATE = (
    "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
    "{% if enable_thinking %}Think.\n{% endif %}"
    "{% if add_generation_prompt %}assistant:{% endif %}<think>"
)
# One thread, as the engine takes for a model so small.
ONE_THREAD = {"OMP_NUM_THREADS": "1"}
ENVIRONMENT = {**os.environ, **ONE_THREAD}
# Behind everything else that the code prints.
PRINT_TOKENS = "\nimport json\nprint(json.dumps(new_tokens.tolist()))\n"


def run_of(source: str, precision: str = "bf16", weights: str = "demo", **known: Any) -> RunRow:
    given = {"source": source, "precision": precision, "weights": weights, "environment": {}}
    return row_of(RunRow, **given | known)


def by_engine(
    source: Path, run: RunRow, protocol: Protocol, asking: Asking
) -> tuple[RunRow, list[int]]:
    """The run with what loading records of it, and the tokens that engine `eager` gives."""
    request = LoadRequest(
        "own", run.precision, "cpu", protocol.engine, folder=str(source), asking=asking
    )
    threads = torch.get_num_threads()
    loaded = engine.load(request)
    [made] = engine.generate(loaded, [PROMPT], protocol.max_new_tokens, decoding=protocol.decoding)
    torch.set_num_threads(threads)
    run.environment = loaded.report.environment
    return run, list(made.token_ids)


@pytest.fixture(scope="module")
def forked() -> Iterator[ForkedPython]:
    with forked_python(**ONE_THREAD) as running:
        yield running


def by_code(code: str, folder: Path, forked: ForkedPython | None) -> list[int]:
    """The tokens that the code gives in a process of its own, started somewhere else; in a fresh
    one without `forked`."""
    file = folder / "run_it.py"
    file.write_text(code + PRINT_TOKENS, encoding="utf-8")
    if forked is not None:
        done = forked.run(file, folder)
    else:
        done = subprocess.run(
            [sys.executable, str(file)],
            capture_output=True,
            text=True,
            cwd=folder,
            env=ENVIRONMENT,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    found: list[int] = json.loads(done.stdout.splitlines()[-1])
    return found


def check(
    source: Path,
    run: RunRow,
    folder: Path,
    forked: ForkedPython | None,
    protocol: Protocol = PROTOCOL,
    asking: Asking = Asking("off"),  # noqa: B008
) -> str:
    """Compare the two, and return the code."""
    run, wanted = by_engine(source, run, protocol, asking)
    made = snippet_of(run, protocol, PROMPT)
    assert made is not None
    assert by_code(made.code, folder, forked) == wanted
    assert len(wanted) > 3, "nothing was compared"
    return made.code


@pytest.mark.parametrize("precision", ["bf16", "8bit", "4bit"])
def test_the_code_of_a_demo_config_gives_the_engines_tokens(
    precision: str, tmp_path: Path, forked: ForkedPython
) -> None:
    # One in a fresh process, which has imported nothing for it.
    fresh = precision == "4bit"
    run = run_of("demo/1M", precision)
    check(MODELS_DIR / "1M", run, tmp_path, None if fresh else forked)


def test_a_chat_template_and_a_loud_generation_config(tmp_path: Path, forked: ForkedPython) -> None:
    """Stop tokens are the recorded ones, and nothing else of the model's own settings is."""
    folder = demo_folder(
        tmp_path / "model",
        generation_config={"eos_token_id": 5, "do_sample": True, "repetition_penalty": 1.7},
    )
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    asking = Asking("on", "Be brief.", "on")
    code = check(folder, run_of(str(folder), weights="local"), tmp_path, forked, asking=asking)
    assert '{"role": "system", "content": "Be brief."}' in code
    assert "enable_thinking=True" in code
    assert "eos_token_id=[0, 5]" in code


@pytest.mark.parametrize("top_p", [0.9, 1.0])
def test_a_sampled_study_is_sampled_alike(
    top_p: float, tmp_path: Path, forked: ForkedPython
) -> None:
    protocol = Protocol(max_new_tokens=30, decoding=Decoding(0.8, top_p, 7))
    check(MODELS_DIR / "1M", run_of("demo/1M"), tmp_path, forked, protocol)


def test_an_earlier_sampled_study_left_it_to_generate() -> None:
    """Whose runs record no sampler."""
    protocol = Protocol(max_new_tokens=30, decoding=Decoding(0.8, 0.9, 7))
    made = snippet_of(run_of("demo/1M"), protocol, PROMPT)
    assert made is not None
    assert "torch.manual_seed(7)" in made.code
    assert "do_sample=True" in made.code
    assert "LogitsProcessor" not in made.code


@pytest.mark.parametrize("precision", ["bf16", "4bit"])
def test_a_gguf_file(precision: str, tmp_path: Path, forked: ForkedPython) -> None:
    path = write_gguf(tmp_path / "Tiny-Q8_0.gguf")
    run = run_of(str(path), precision, "gguf")
    check(path, run, tmp_path, forked, asking=Asking("on"))


@pytest.mark.parametrize("chat", ["on", "off"])
def test_a_gguf_file_as_it_is(chat: str, tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp")
    file = write_gguf(tmp_path / "tiny.gguf", "qwen2")
    protocol = Protocol(max_new_tokens=12, weights="gguf", engine="llama.cpp")
    asking, system = Asking(chat, "Be brief." if chat == "on" else None), "Be brief."
    run, wanted = by_engine(file, run_of(str(file), "as-is", "gguf"), protocol, asking)
    made = snippet_of(run, protocol, PROMPT)
    assert made is not None and (system in made.code) is (chat == "on")
    script = tmp_path / "run_it.py"
    script.write_text(made.code)
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, env=ENVIRONMENT, check=False
    )
    assert done.returncode == 0, done.stderr
    tokenizer = engine.load(request_for(file, "as-is", "llama.cpp")).tokenizer
    assert done.stdout.strip() == tokenizer.decode(wanted, skip_special_tokens=True).strip()
    assert any("chat template" in note for note in made.notes) is (chat == "on")
    sampled = snippet_of(run, replace(protocol, decoding=Decoding(0.5, 0.9, 3)), PROMPT)
    assert sampled is not None and '"seed": 3' in sampled.code
    assert any("random numbers" in note for note in sampled.notes)


def test_a_folder_that_is_quantised_already(tmp_path: Path, forked: ForkedPython) -> None:
    scope: dict[str, Any] = {}
    made = snippet_of(run_of("demo/1M", "4bit"), PROTOCOL)
    assert made is not None
    exec(made.code.partition("\n\n# Of the model's own")[0], scope)
    folder = tmp_path / "quantised"
    scope["model"].save_pretrained(folder)
    scope["tokenizer"].save_pretrained(folder)
    code = check(folder, run_of(str(folder), "as-is", "local"), tmp_path, forked)
    assert "BitsAndBytesConfig" not in code


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("name", [p.name for p in PRECISIONS.values() if p.method in QUANTISERS])
def test_every_precision_is_quantised_as_the_engine_does(name: str, device: str) -> None:
    precision = PRECISIONS[name]
    if precision.requirement is not None:
        pytest.importorskip(
            precision.requirement.package.replace("optimum-quanto", "optimum.quanto")
        )
    wanted = QUANTISERS[precision.method](precision, device)
    make = snippet.QUANTISERS.get(precision.method)
    if wanted is None:
        assert make is None
        return
    assert make is not None
    made = make(precision, device)
    imports = f"import torch\nfrom transformers import {made.from_transformers}\n"
    scope: dict[str, Any] = {}
    exec(imports + "\n".join(made.imports), scope)
    assert str(eval(made.expression, scope).to_dict()) == str(wanted.to_dict())


def test_random_weights_have_nothing_to_run() -> None:
    assert snippet_of(run_of("Qwen/Qwen2.5-0.5B", weights="dummy"), PROTOCOL) is None


@pytest.mark.parametrize(
    ("run", "protocol", "part"),
    [
        (run_of("a/b", weights="hub", published_prompts=30), None, "The report names neither"),
        (run_of("a/b", weights="hub"), PROTOCOL, "does not say which revision"),
        (run_of("/nowhere/x", weights="local", weights_sha256="ab" * 32), PROTOCOL, "abababababab"),
        (run_of("demo/1M"), Protocol(engine="graph"), "Vibe check's engine graph"),
        (run_of("demo/1M"), Protocol(batch_size=30), "30 prompts at a time"),
        (run_of("demo/1M"), Protocol(samples=3), "first of 3 samples"),
    ],
)
def test_what_the_code_does_not_do_is_said(
    run: RunRow, protocol: Protocol | None, part: str
) -> None:
    made = snippet_of(run, protocol)
    assert made is not None
    assert any(part in note for note in made.notes)
    ast.parse(made.code)


def test_what_is_known_leaves_nothing_to_say() -> None:
    hub = snippet_of(run_of("a/b", weights="hub", revision="1a2b"), PROTOCOL)
    demo = snippet_of(run_of("demo/1M"), PROTOCOL)
    assert hub is not None and demo is not None
    assert (hub.notes, demo.notes) == ((), ())
    assert 'revision="1a2b"' in hub.code


@pytest.mark.parametrize("text", ['"""', "\\", "'\n\"", "é\u2028", "${x}{y}"])
def test_any_prompt_is_written_as_it_is(text: str) -> None:
    made = snippet_of(run_of("demo/1M"), PROTOCOL, text)
    assert made is not None
    [line] = [one for one in ast.parse(made.code).body if _names(one) == ["prompt"]]
    assert ast.literal_eval(line.value) == text  # type: ignore[attr-defined]


def _names(statement: ast.stmt) -> list[str]:
    targets: Callable[[Any], list[Any]] = lambda one: getattr(one, "targets", [])  # noqa: E731
    return [each.id for each in targets(statement) if isinstance(each, ast.Name)]
