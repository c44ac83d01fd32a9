"""Outputs made elsewhere: good rows scored, bad ones named by line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vibecore.core.errors import InputError
from vibecore.core.formats import to_json
from vibecore.studies.published import DATA
from vibecore.studies.responses import score_responses, write_scores


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_other_keys_pass_through_and_token_ids_are_used(tmp_path: Path) -> None:
    row = {"prompt_id": "code_001", "text": "a b " * 40, "token_ids": [1, 2] * 40, "who": "me"}
    [scored] = score_responses("vibe30", write(tmp_path / "r.jsonl", "", json.dumps(row), ""))
    assert scored["who"] == "me"
    assert scored["rep_4"] > 0.9
    assert scored["loop_onset"] == 0
    assert scored["repetitive"] is True
    assert [c["status"] for c in scored["constraints"]] == ["fail"] * 4 + ["skipped"]


def test_what_the_token_limit_decided_is_in_a_row(tmp_path: Path) -> None:
    row = {"prompt_id": "creative_001", "text": "The storm", "finish_reason": "length"}
    whole = {**row, "finish_reason": "eos"}
    unknown = {**row, "finish_reason": None}
    lines = (json.dumps(row), json.dumps(whole), json.dumps(unknown))
    cut, ended, silent = score_responses("vibe30", write(tmp_path / "r.jsonl", *lines))
    assert cut["constraints_cut"] == sum(one["cut"] for one in cut["constraints"]) > 0
    assert (cut["adherent"], ended["adherent"]) == (False, False)
    assert isinstance(cut["adherent_cut"], bool)
    assert (ended["constraints_cut"], ended["adherent_cut"]) == (0, False)
    assert not any(one["cut"] for one in ended["constraints"])
    assert (silent["constraints_cut"], silent["adherent_cut"]) == (None, None)
    assert {one["cut"] for one in silent["constraints"]} == {None}


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("not json", "line 2 is not JSON"),
        ("[1]", "line 2 is not a JSON object"),
        ('{"text": "x"}', "line 2: `prompt_id` is missing.*A line is: "),
        (
            '{"prompt_id": "code_001", "text": null}',
            "`text` must be a valid string, not None",
        ),
        ('{"prompt_id": "nope", "text": "x"}', "line 2: suite 'vibe30' has no prompt 'nope'"),
        (
            '{"prompt_id": "code_001", "text": "x", "token_ids": ["a"]}',
            "line 2: token_id 1 must",
        ),
        ("[" * 100_000, "line 2 is not JSON"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, says: str) -> None:
    good = json.dumps({"prompt_id": "code_001", "text": "x"})
    with pytest.raises(InputError, match=says):
        list(score_responses("vibe30", write(tmp_path / "r.jsonl", good, line)))


@pytest.mark.parametrize(
    ("content", "says"), [(None, "cannot be read"), (b"", "no responses"), (b"\xff\xfe", "UTF-8")]
)
def test_an_unreadable_file_is_named(tmp_path: Path, content: bytes | None, says: str) -> None:
    path = tmp_path / "r.jsonl"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=says):
        list(score_responses("vibe30", path))


@pytest.mark.parametrize("format", ["jsonl", "json", "csv", "md"])
def test_every_format_holds_every_row(capsys, format: str) -> None:
    write_scores(score_responses("vibe30", DATA / "samples.jsonl"), format)
    out = capsys.readouterr().out
    assert out.count("0.5B-bf16") >= 1
    assert out.count("1.5B-4bit") >= 1


def test_a_row_is_scored_before_the_next_line_is_read(tmp_path: Path) -> None:
    good = json.dumps({"prompt_id": "code_001", "text": "x"})
    rows = score_responses("vibe30", write(tmp_path / "r.jsonl", good, "no JSON", good))
    assert next(rows)["prompt_id"] == "code_001"
    with pytest.raises(InputError, match="line 2 is not JSON"):
        next(rows)


def test_bytes_that_are_no_text_are_found_on_their_line(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    good = json.dumps({"prompt_id": "code_001", "text": "é"}, ensure_ascii=False).encode()
    path.write_bytes(good + b"\n" + good[:-2] + b"\xff\n")
    rows = score_responses("vibe30", path)
    next(rows)
    with pytest.raises(InputError, match=rf"UTF-8 text \(line 2, byte {2 * len(good) - 1}\)"):
        next(rows)


def test_json_is_one_list_as_elsewhere(tmp_path: Path, capsys) -> None:
    lines = [json.dumps({"prompt_id": "code_001", "text": text}) for text in ("a\nb", "c")]
    rows = list(score_responses("vibe30", write(tmp_path / "r.jsonl", *lines)))
    write_scores(rows, "json")
    assert capsys.readouterr().out == to_json(rows) + "\n"
    write_scores([], "json")
    assert json.loads(capsys.readouterr().out) == []
