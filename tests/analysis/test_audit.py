"""The audit finds by itself what the published figures do not carry, and works on any such file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vibecore.analysis.claims.audit import Note, audit_file, read_report
from vibecore.analysis.claims.audit.report_file import nearest_count
from vibecore.catalog.gpus import find_gpu
from vibecore.core.errors import InputError
from vibecore.studies.published import DATA

STUDY = DATA / "study.json"


def notes(path: Path = STUDY) -> dict[str, Note]:
    return {note.rule: note for note in audit_file(path)}


def changed(tmp_path: Path, **changes: object) -> Path:
    """The published file with some of its keys changed; None takes a key away."""
    raw = {**json.loads(STUDY.read_text(encoding="utf-8")), **changes}
    path = tmp_path / "report.json"
    kept = {key: value for key, value in raw.items() if value is not None}
    path.write_text(json.dumps(kept), encoding="utf-8")
    return path


FOUND = {
    "adherence-level": ("not carried", "adherence by prompt, all constraints met"),
    "repetition-by-size": ("not carried", '"3–4×" less repetition with size is 1.6× to 5.3×'),
    "adherence-by-size": ("not carried", "No gap at equal precision is resolved at n = 30"),
    "4bit-against-8bit-repetitive": (
        "not carried",
        "2 of 2 comparisons are not resolved, and not shown to be equal either",
    ),
    "4bit-against-bf16-repetitive": ("not carried", "(13/30 v 13/30) is no evidence of being"),
    "memory-fall": ("contradicted", "2.6×"),
    "memory-tight": ("contradicted", "2.88 GiB of weights"),
    "bandwidth-ceiling": ("not carried", "1.4 % to 13.0 % of the ceiling that 448 GB/s sets"),
    "time-per-layer": ("not carried", "3.97 v 3.97 ms a layer"),
    "speed-spread": ("not carried", "stand without a spread"),
    "empties": ("not carried", "2/30"),
}


@pytest.mark.parametrize("rule", FOUND)
def test_the_published_study(rule: str) -> None:
    verdict, clause = FOUND[rule]
    note = notes()[rule]
    assert note.verdict.startswith(verdict)
    assert clause in note.sentence


def test_the_unresolved_gap_is_that_of_4bit() -> None:
    sentence = notes()["repetition-by-size"].sentence
    assert "unresolved for 0.5B-4bit against 1.5B-4bit:" in sentence
    eight = notes()["4bit-against-8bit-repetitive"].evidence[1]
    assert (eight["figures"], eight["verdict"]) == ("8/30 v 3/30", "not resolved")
    assert eight["equivalence_p"] > 0.05


def test_figures_follow_from_the_file(tmp_path: Path) -> None:
    raw = json.loads(STUDY.read_text(encoding="utf-8"))
    rows = [[*row[:2], row[2] * 10, *row[3:]] for row in raw["rows"]]
    found = notes(changed(tmp_path, rows=rows))
    assert found["bandwidth-ceiling"].verdict == "contradicted", "over the ceiling"
    assert "Faster than the memory bandwidth allows" in found["bandwidth-ceiling"].sentence
    large = notes(changed(tmp_path, hardware={"gpu": "RTX 2070 Super", "vram_gb": 3}))
    assert large["memory-tight"].verdict.startswith("carried")
    assert "448 GB/s" in large["bandwidth-ceiling"].sentence, "from the table of GPUs"


def test_a_caption_and_claims_of_the_file(tmp_path: Path) -> None:
    captions = {"adherent_prompts": "share of constraints met"}
    assert notes(changed(tmp_path, captions=captions))["adherence-level"].verdict == "contradicted"
    claims = {"memory_fall": 2, "repetition_drop": [1, 20]}
    found = notes(changed(tmp_path, claims=claims))
    assert found["memory-fall"].verdict.startswith("carried")
    assert '"1–20×"' in found["repetition-by-size"].sentence


def test_percentages_off_the_grid(tmp_path: Path) -> None:
    rows = [
        {"model": "0.5B", "precision": "bf16", "adherent_percent": 13.3},
        {"model": "0.5B", "precision": "4bit", "adherent_percent": 14.9},
    ]
    found = notes(changed(tmp_path, rows=rows, columns=None))
    assert found["possible-figures"].verdict == "contradicted"
    assert "0.5B-4bit: adherent_percent 14.9" in found["possible-figures"].sentence
    assert "not prompt-level" in found["adherence-level"].sentence
    rows[1] = {"model": "0.5B", "precision": "4bit", "repetitive_outputs": 31}
    found = notes(changed(tmp_path, rows=rows, columns=None))
    assert "repetitive_outputs 31" in found["possible-figures"].sentence


@pytest.mark.parametrize(
    ("percent", "count"), [(43, 13), (43.3, 13), (43.33, 13), (42, None), (0, 0), (100, 30)]
)
def test_a_percentage_is_a_count_or_none(percent: float, count: int | None) -> None:
    assert nearest_count(percent, 30) == count


def test_what_is_missing_is_not_testable(tmp_path: Path) -> None:
    path = tmp_path / "bare.json"
    path.write_text(
        json.dumps({"prompts": 30, "rows": [{"model": "mine", "precision": "int4"}]}), "utf-8"
    )
    found = audit_file(path)
    assert len(found) == 11
    assert {note.verdict for note in found} == {"not testable from this file"}


@pytest.mark.parametrize(
    ("text", "clause"),
    [
        ("nonsense", "is not JSON"),
        ("[1]", "one JSON object"),
        ('{"rows": []}', "`prompts`"),
        ('{"prompts": 0, "rows": []}', "`prompts`"),
        ('{"prompts": 1e99, "rows": []}', "`prompts`"),
        ('{"prompts": 30, "rows": []}', "`rows`"),
        ('{"prompts": 30, "rows": [[1]], "columns": ["model", "precision"]}', "one value a column"),
        ('{"prompts": 30, "rows": [5]}', "neither a list nor an object"),
        ('{"prompts": 30, "rows": [{"model": "a"}]}', "no `precision`"),
        (
            '{"prompts": 30, "rows": [{"model": "a", "precision": "b", "empty_outputs": "x"}]}',
            "must be a number",
        ),
        (
            '{"prompts": 30, "rows": [{"model": "a", "precision": "b", "empty_outputs": NaN}]}',
            "must be a number",
        ),
        (
            '{"prompts": 3, "rows": [{"model":"a","precision":"b"},{"model":"a","precision":"b"}]}',
            "twice",
        ),
        (
            '{"prompts": 3, "hardware": 5, "rows": [{"model": "a", "precision": "b"}]}',
            "`hardware`",
        ),
        (
            '{"prompts": 3, "claims": {"x": 1}, "rows": [{"model": "a", "precision": "b"}]}',
            "no claim 'x'",
        ),
    ],
)
def test_a_malformed_file_is_explained(tmp_path: Path, text: str, clause: str) -> None:
    path = tmp_path / "bad.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=clause):
        read_report(path)


def test_no_file_is_explained(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_report(tmp_path / "none.json")


def test_gpus_are_found_by_any_usual_name() -> None:
    assert find_gpu("NVIDIA GeForce RTX 2070 SUPER") == (448, 8)
    assert find_gpu("RTX 2070") == (448, 8)
    assert find_gpu("Voodoo 2") is None
