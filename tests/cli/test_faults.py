"""Whatever is wrong outside, a command says it in a sentence and ends; never with a traceback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.bench_report import make_report
from tests.support.commands import called
from vibecore.catalog.architectures import ARCHITECTURES, MOST_SIZES, rough_spec, spec_of
from vibecore.core.errors import InputError
from vibecore.core.paths import PROJECT_ROOT

REPORT = make_report()
LONG = "a" * 5_000
SHAPE = {
    **dict.fromkeys(MOST_SIZES, 4),
    "sliding_window_pattern": 2,
    "use_sliding_window": True,
    "rope_theta": 1e4,
    "rope_scaling": None,
    "rope_parameters": None,
    "layer_types": None,
    "hidden_act": "silu",
    "rms_norm_eps": 1e-6,
    "query_pre_attn_scalar": 4,
}
ODD = [None, True, -1, 1.5, float("nan"), float("inf"), 10**30, 10**400, "x", [1], {}, {"a": [3]}]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_odd_values_in_config_json_are_no_architecture(architecture: str, tmp_path: Path) -> None:
    assert spec_of({**SHAPE, "model_type": architecture}) is not None
    for name in SHAPE:
        for value in ODD:
            raw = {**SHAPE, "model_type": architecture, name: value}
            spec = spec_of(raw)
            if spec is not None:
                assert 0 <= spec.parameters < 10**30 and len(spec.windows) == spec.layers
    (tmp_path / "config.json").write_text("[" * 100_000, encoding="utf-8")
    assert rough_spec(tmp_path) is None


@pytest.mark.parametrize(
    "arguments",
    [
        ("inspect", LONG),
        ("inspect", f"/tmp/{LONG}"),
        ("inspect", "~nobody-of-this-name/model"),
        ("run", "--model", LONG),
        ("run", "--suite", LONG, "--config", "1M-bf16"),
        ("run", "--weights", f"/{LONG}", "--config", "1M-bf16"),
        ("run", "--config", "1M-bf16", "--study", ""),
        ("run", "--config", "1M-bf16", "--study", "  "),
        ("summary", "--study", "s", "--db", LONG),
        ("score", "--suite", LONG, "--responses", "none"),
        ("score", "--suite", "vibe30", "--responses", LONG),
        ("audit", LONG),
        ("export", "--study", "published", "--out", LONG),
        ("import", LONG),
        ("bench", "--config", "1M-bf16", "--out", LONG),
        ("fidelity", "--model", LONG, "--against", "1M"),
    ],
    ids=lambda arguments: " ".join(arguments)[:40],
)
def test_a_path_that_cannot_be_is_bad_input(published_db: Path, arguments: tuple[str, ...]) -> None:
    db = () if "--db" in arguments or arguments[0] in (
        "inspect", "score", "audit", "bench"
    ) or "--against" in arguments else ("--db", str(published_db))  # fmt: skip
    done = called(*arguments, *db)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert done.stderr.startswith("Error: ")


@pytest.mark.parametrize("text", ["a\0b", "a\0/b"])
def test_a_zero_byte_in_a_page_s_model_field_is_bad_input(text: str) -> None:
    from vibecore.catalog.models import own_models

    with pytest.raises(InputError, match="cannot be looked up"):
        own_models((text,))


def test_a_name_that_is_not_utf_8_is_bad_input(tmp_path: Path) -> None:
    from vibecore.catalog.models import own_models
    from vibecore.catalog.suites import own_suites_folder, suite_names

    folder = os.fsdecode(os.fsencode(tmp_path) + b"/model\xff")
    Path(folder).mkdir()
    with pytest.raises(InputError, match="not UTF-8"):
        own_models((folder,))
    own_suites_folder().mkdir()
    (own_suites_folder() / os.fsdecode(b"s\xff.yaml")).write_text("x", encoding="utf-8")
    assert suite_names() == ["vibe30"]


def test_a_report_that_is_cut_short_or_odd_is_refused(tmp_path: Path, db: Path) -> None:
    file, whole = tmp_path / "report.json", json.dumps(REPORT)
    for length in range(0, len(whole), max(1, len(whole) // 6)):
        file.write_text(whole[:length], encoding="utf-8")
        assert called("import", str(file), "--db", str(db)).returncode == 2
    for environment in (None, 3, "x", [], {"machine": "x"}, {"machine": {"gpus": 3}}, {"a": {}}):
        results = [{**REPORT["results"][0], "environment": environment}]
        file.write_text(json.dumps({**REPORT, "results": results}), encoding="utf-8")
        name = f"s{len(str(environment))}{environment!r}"[:20]
        done = called("import", str(file), "--study", name, "--db", str(db))
        assert done.returncode in (0, 2) and "Traceback" not in done.stderr
        if done.returncode == 0:
            for command in ("summary",):
                read = called(command, "--study", name, "--db", str(db))
                assert read.returncode in (0, 2), read.stderr


def test_lines_that_score_an_output_again_are_counted(tmp_path: Path) -> None:
    file = tmp_path / "responses.jsonl"
    line = json.dumps({"prompt_id": "code_001", "text": "x"})
    file.write_text(f"{line}\n{line}\n", encoding="utf-8")
    done = called("score", "--suite", "vibe30", "--responses", str(file))
    assert done.returncode == 0 and len(done.stdout.splitlines()) == 2
    assert "1 of 2 lines repeat the prompt_id of an earlier one, 'code_001' first" in done.stderr
    one = json.dumps({"prompt_id": "code_001", "text": "x", "sample": 1})
    file.write_text(f"{line}\n{one}\n", encoding="utf-8")
    assert "repeat" not in called("score", "--suite", "vibe30", "--responses", str(file)).stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_run_as_ctrl_c_does_and_says_so(db: Path, number: signal.Signals) -> None:
    running = subprocess.Popen(
        [sys.executable, "-m", "vibecore", "run", "--config", "1M-bf16", "--study", "s",
         "--suite", "tests/data/two_prompts.yaml", "--max-new-tokens", "400", "--db", str(db)],
        stderr=subprocess.PIPE, text=True, cwd=PROJECT_ROOT,
        # The tests themselves may run under nohup, whose children ignore SIGHUP.
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),
    )  # fmt: skip
    assert running.stderr is not None
    running.stderr.readline()
    running.send_signal(number)
    told = running.communicate(timeout=120)[1]
    assert running.returncode == 128 + number, told
    assert "Stopped" in told and f"Ended by {number.name}." in told
    assert "Traceback" not in told


def test_an_address_with_a_run_of_3000_letters_names_no_run() -> None:
    from vibecore.live.launch import find

    with pytest.raises(InputError, match="There is no launched run"):
        find("a" * 3_000)
