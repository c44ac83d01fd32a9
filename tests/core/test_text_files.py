"""Text files of people: byte-order marks, other encodings, and half of a surrogate pair."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from vibecore.analysis.claims.report_file import read_report
from vibecore.core.errors import InputError
from vibecore.core.text_files import no_character, read_text
from vibecore.scoring import load_suite
from vibecore.studies.bench.report_file import read_report as read_bench
from vibecore.studies.responses import read_responses

BOM = b"\xef\xbb\xbf"
HALF = "\\ud800"
SUITE = """name: s
title: S
description: One prompt.
prompts:
  - id: p1
    category: creative
    prompt: "Say {}."
    constraints:
      - {{check: starts_with, prefix: hi}}
"""


def all_responses(path: Path) -> list:
    return list(read_responses(path))


RESPONSE = '{"prompt_id": "p1", "text": "hi"}'
IFEVAL = (
    '{"key": 1, "prompt": "Say hi.", "instruction_id_list": ["punctuation:no_comma"], '
    '"kwargs": [{}]}'
)
AUDIT = '{"prompts": 30, "rows": [{"model": "a", "precision": "bf16", "empty_outputs": 1}]}'
READERS = {
    "responses.jsonl": (all_responses, RESPONSE),
    "suite.yaml": (load_suite, SUITE.format("hi")),
    "ifeval.jsonl": (load_suite, IFEVAL),
    "audit.json": (read_report, AUDIT),
}
BROKEN = {
    "responses.jsonl": (
        all_responses,
        RESPONSE + "\n" + RESPONSE.replace("hi", f"a{HALF}"),
        r"line 2: `text` holds the lone surrogate \\ud800 \(character 2\)",
    ),
    "passed on": (
        all_responses,
        RESPONSE[:-1] + f', "note": ["{HALF}"]}}',
        "line 1: `note` holds",
    ),
    "as a key": (all_responses, RESPONSE[:-1] + f', "{HALF}": 1}}', "line 1: it holds"),
    "suite.yaml": (
        load_suite,
        SUITE.format("\\uDC00"),
        r"line 7: it holds the lone surrogate \\udc00",
    ),
    "ifeval.jsonl": (load_suite, IFEVAL.replace("hi", HALF), "line 1 cannot be used: `prompt`"),
    "audit.json": (read_report, AUDIT.replace('"a"', f'"{HALF}"'), "`rows.model` holds"),
    "bench.json": (read_bench, f'{{"format": "{HALF}"}}', "`format` holds"),
}


@pytest.mark.parametrize("name", READERS)
def test_a_byte_order_mark_is_accepted(tmp_path: Path, name: str) -> None:
    read, text = READERS[name]
    plain, marked = tmp_path / name, tmp_path / f"marked-{name}"
    plain.write_bytes(text.encode())
    marked.write_bytes(BOM + text.encode())
    if name in ("responses.jsonl", "audit.json"):
        assert read(marked) == read(plain)
    else:
        assert read(marked).prompts == read(plain).prompts


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_other_encodings_are_named(tmp_path: Path, name: str, encoding: str) -> None:
    read, text = READERS[name]
    path = tmp_path / name
    path.write_bytes(text.encode(encoding))
    with pytest.raises(InputError, match="save it as UTF-8"):
        read(path)


@pytest.mark.parametrize("name", BROKEN)
def test_half_of_a_surrogate_pair_is_named(tmp_path: Path, name: str) -> None:
    read, text, says = BROKEN[name]
    path = tmp_path / (name if "." in name else "some.jsonl")
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=says) as raised:
        read(path)
    str(raised.value).encode("utf-8")


def test_whole_pairs_and_replacement_characters_are_characters() -> None:
    assert no_character(json.loads('["\\ud83d\\ude00", "\ufffd", {"a": null}]')) is None


def test_what_is_no_file(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(InputError, match="cannot be read"):
            read_text(path)


@pytest.mark.parametrize("format", ["jsonl", "json", "csv", "md"])
def test_score_names_the_line_in_every_format(tmp_path: Path, format: str) -> None:
    path = tmp_path / "r.jsonl"
    row = '{"prompt_id": "code_001", "text": "' + HALF + '"}'
    path.write_text(row, encoding="utf-8")
    command = [sys.executable, "-m", "vibecore", "score", "--suite", "vibe30"]
    command += ["--responses", str(path)]
    done = subprocess.run([*command, "--format", format], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert "line 1: `text` holds" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_argument_of_other_bytes_is_refused() -> None:
    command = [sys.executable, "-m", "vibecore", "try", b"Say \xff.", "--config", "1M-bf16"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Argument 2 is not UTF-8 text" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_terminal_of_another_encoding_gets_escapes(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text('{"prompt_id": "code_001", "text": "喜欢"}', encoding="utf-8")
    command = [sys.executable, "-m", "vibecore", "score", "--suite", "vibe30"]
    command += ["--responses", str(path)]
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "PYTHONIOENCODING": "ascii"}
    )
    assert (done.returncode, "Traceback" in done.stderr) == (0, False)
    assert json.loads(done.stdout)["text"] == "喜欢"
