"""The audit finds by itself what the published figures do not support, and works on any such
file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vibecore.analysis.claims import AUDIT, Finding, find_findings
from vibecore.analysis.claims.report_file import read_report
from vibecore.analysis.claims.study_data import nearest_count
from vibecore.catalog.gpus import find_gpu
from vibecore.core.errors import InputError
from vibecore.studies.published import DATA

STUDY = DATA / "study.json"


def audit(path: Path = STUDY) -> dict[str, Finding]:
    return {found.id: found for found in find_findings(read_report(path), AUDIT)}


def changed(tmp_path: Path, **changes: object) -> Path:
    """The published file with some of its keys changed; None takes a key away."""
    raw = {**json.loads(STUDY.read_text(encoding="utf-8")), **changes}
    path = tmp_path / "report.json"
    kept = {key: value for key, value in raw.items() if value is not None}
    path.write_text(json.dumps(kept), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("figures", "named"),
    [
        ({"repetitive_percent": 130}, "a-bf16: repetitive_percent 130"),
        ({"adherent_percent": -10}, "a-bf16: adherent_percent -10"),
        ({"adherent_percent": 45}, "a-bf16: adherent_percent 45"),
        ({"adherent_percent": 1e308}, "a-bf16: adherent_percent 1e+308"),
        ({"repetitive_outputs": 45}, "a-bf16: repetitive_outputs 45"),
        ({"repetitive_outputs": -1}, "a-bf16: repetitive_outputs -1"),
        ({"empty_outputs": 3.5}, "a-bf16: empty_outputs 3.5"),
        ({"adherent_percent": 40, "adherent_prompts": 13}, "13 is not adherent_percent 40"),
        ({"repetitive_outputs": 20, "empty_outputs": 20}, "a-bf16: 20 repetitive and 20 empty"),
        ({"adherent_percent": 90, "empty_percent": 20}, "a-bf16: 27 adherent and 6 empty"),
        ({"tokens_per_second": -3}, "a-bf16: tokens_per_second -3"),
        ({"tokens_per_second": 0}, "a-bf16: tokens_per_second 0"),
        ({"tokens_per_second": 1e308}, "a-bf16: tokens_per_second 1e+308"),
        ({"memory_gib": 0}, "a-bf16: memory_gib 0"),
        ({"memory_gib": -2, "tokens_per_second": 5}, "a-bf16: memory_gib -2"),
        ({"memory_gib": 1e308}, "a-bf16: memory_gib 1e+308"),
    ],
)
def test_impossible_figures_are_named_and_left_out(
    tmp_path: Path, figures: dict, named: str
) -> None:
    sound = {"tokens_per_second": 20, "adherent_prompts": 3, "repetitive_outputs": 4}
    rows = [
        {"model": "a", "precision": "bf16", **figures},
        {"model": "a", "precision": "4bit", **sound},
        {"model": "b", "precision": "bf16", **sound},
        {"model": "b", "precision": "4bit", **sound},
    ]
    path = changed(tmp_path, rows=rows, columns=None, captions=None, models=None)
    found = audit(path)
    assert found["possible-figures"].verdict == "contradicted"
    assert found["possible-figures"].reason.startswith("Impossible as ")
    assert named in found["possible-figures"].reason
    others = " ".join(one.reason for name, one in found.items() if name != "possible-figures")
    assert not any(wrong in others for wrong in ("-3", "1e+308", "inf", "nan", "45/30", "39/30"))


UNTESTABLE = "cannot be tested here"
FOUND = {
    "adherence-level": (UNTESTABLE, "whole counts by construction"),
    "repetition-by-size": ("not resolved", "bf16 3.2 times (95 % 1.2 to 8.8); 8bit 5.3 times"),
    "adherence-by-size": ("not resolved", "No gap at equal precision is resolved at n = 30"),
    "4bit-against-8bit-repetitive": (
        "not resolved",
        "2 of 2 comparisons are not resolved, and not shown to be equal either",
    ),
    "4bit-against-bf16-repetitive": ("not resolved", "(13/30 v 13/30) is no evidence of being"),
    "memory-fall": ("contradicted", "2.6×"),
    "memory-tight": ("contradicted", "2.88 GiB of weights"),
    "bandwidth-ceiling": (
        "not resolved",
        "1.4 % to 13.0 % of the ceiling that 448 GB/s sets at batch 1, below the ceiling; why is "
        "not known from these figures",
    ),
    "time-per-layer": ("not resolved", "3.97 v 3.97 ms a layer"),
    "speed-spread": ("not resolved", "are given without a spread"),
    "empties": ("not resolved", "2/30"),
}


@pytest.mark.parametrize("rule", FOUND)
def test_the_published_study(rule: str) -> None:
    verdict, clause = FOUND[rule]
    found = audit()[rule]
    assert found.verdict == verdict
    assert clause in found.reason


def test_a_gap_is_resolved_at_8bit_alone() -> None:
    sentence = audit()["repetition-by-size"].reason
    assert "unresolved for 0.5B-bf16 against 1.5B-bf16, 0.5B-4bit against 1.5B-4bit:" in sentence
    eight = audit()["4bit-against-8bit-repetitive"].evidence[1]
    assert (eight.figures, eight.verdict) == ("8/30 v 3/30", "not resolved")
    assert eight.equivalence_p > 0.05


def test_a_share_of_the_ceiling_does_not_say_what_a_step_waits_for(tmp_path: Path) -> None:
    """An H100 at 23 % was busy with small kernels; host and GPU time tell, a share does not."""
    raw = json.loads(STUDY.read_text(encoding="utf-8"))
    rows = [[*row[:2], 60, *row[3:]] for row in raw["rows"] if row[:2] == ["1.5B", "8bit"]]
    for found in (audit(), audit(changed(tmp_path, rows=rows))):
        for rule in ("bandwidth-ceiling", "time-per-layer"):
            assert "overhead" not in found[rule].reason
            assert "other than its weights" not in found[rule].reason
    assert "All 1 speeds are 23.8 % to 23.8 %" in found["bandwidth-ceiling"].reason


def test_a_ratio_without_a_count_on_one_side_is_named_with_the_others() -> None:
    assert "bf16 no ratio, 4/30 v 0/30 (95 % 0.5 to 160.2); 8bit 5.0 times" in (
        audit()["adherence-by-size"].reason
    )


def test_the_level_of_adherence_is_read_off_percentages_alone(tmp_path: Path) -> None:
    percents = dict(zip(("bf16", "8bit", "4bit", "fp16"), (13, 17, 7, 43), strict=True))
    rows = [{"model": "a", "precision": p, "adherent_percent": v} for p, v in percents.items()]
    found = audit(changed(tmp_path, rows=rows, columns=None))["adherence-level"]
    assert found.verdict == "not resolved"
    # 30 of 100 whole percentages above zero are on the grid, so 0.3 to the fourth.
    assert "with probability 0.0081 (4 of them above zero)" in found.reason
    assert "all constraints met" not in found.reason
    few = audit(changed(tmp_path, rows=rows[:2], columns=None))["adherence-level"]
    assert few.verdict == UNTESTABLE and "too often" in few.reason
    finer = [
        row | {"adherent_percent": v} for row, v in zip(rows, (13.3, 16.7, 6.7, 43.3), strict=True)
    ]
    assert "with probability 8.1e-07" in (
        audit(changed(tmp_path, rows=finer, columns=None))["adherence-level"].reason
    )


def test_figures_follow_from_the_file(tmp_path: Path) -> None:
    raw = json.loads(STUDY.read_text(encoding="utf-8"))
    rows = [[*row[:2], row[2] * 10, *row[3:]] for row in raw["rows"]]
    found = audit(changed(tmp_path, rows=rows))
    assert found["bandwidth-ceiling"].verdict == "contradicted", "over the ceiling"
    rows = [[*row[:4], 20, *row[5:]] for row in raw["rows"]]
    assert audit(changed(tmp_path, rows=rows))["empties"].verdict == "contradicted", "not rare"
    assert "Faster than the memory bandwidth allows" in found["bandwidth-ceiling"].reason
    large = audit(changed(tmp_path, hardware={"gpu": "RTX 2070 Super", "vram_gb": 3}))
    assert large["memory-tight"].verdict == "supported"
    assert "448 GB/s" in large["bandwidth-ceiling"].reason, "from the table of GPUs"


def test_a_caption_and_claims_of_the_file(tmp_path: Path) -> None:
    captions = {"adherent_percent": "share of constraints met"}
    percents = [
        {"model": model, "precision": precision, "adherent_percent": percent}
        for model, precision, percent in (
            ("0.5B", "8bit", 3), ("0.5B", "4bit", 7), ("1.5B", "bf16", 13), ("1.5B", "8bit", 17)
        )
    ]  # fmt: skip
    stated = audit(changed(tmp_path, captions=captions, rows=percents, columns=None))
    assert stated["adherence-level"].verdict == "contradicted"
    claims = {"memory_fall": 2, "repetition_drop": [1, 20]}
    found = audit(changed(tmp_path, claims=claims))
    assert found["memory-fall"].verdict == "supported"
    assert '"1–20×"' in found["repetition-by-size"].reason
    far = audit(changed(tmp_path, claims={"repetition_drop": [20, 30]}))
    assert far["repetition-by-size"].verdict == "contradicted", "4bit's ratio is surely under 20"


def test_percentages_off_the_grid(tmp_path: Path) -> None:
    rows = [
        {"model": "0.5B", "precision": "bf16", "adherent_percent": 13.3},
        {"model": "0.5B", "precision": "4bit", "adherent_percent": 14.9},
    ]
    found = audit(changed(tmp_path, rows=rows, columns=None))
    assert found["possible-figures"].verdict == "contradicted"
    assert "0.5B-4bit: adherent_percent 14.9" in found["possible-figures"].reason
    assert "adherence is not by prompt" in found["adherence-level"].reason
    rows[1] = {"model": "0.5B", "precision": "4bit", "repetitive_outputs": 31}
    found = audit(changed(tmp_path, rows=rows, columns=None))
    assert "repetitive_outputs 31" in found["possible-figures"].reason


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
    found = audit(path)
    assert list(found) == list(AUDIT)
    assert {one.verdict for one in found.values()} == {"cannot be tested here"}
    assert found["time-per-layer"].reason == "It takes speeds of two known shapes."


A, B = {"model": "a", "precision": "8bit"}, {"model": "a", "precision": "4bit"}


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"prompts": None}, "`prompts` is missing"),
        ({"prompts": 0}, "`prompts` must be greater than or equal to 1, not 0"),
        ({"prompts": 3.5}, "`prompts` must be a valid integer, not 3.5"),
        ({"rows": None}, "`rows` is missing"),
        ({"rows": []}, "`rows` must have at least 1 item, not 0"),
        ({"rows": [[1]]}, "row 1 must have one value for each of `columns`"),
        ({"rows": [5]}, "row 1 must be an object, not 5"),
        ({"rows": [A, {"model": "a"}]}, "row 2: `precision` is missing"),
        (
            {"rows": [A, B | {"empty_outputs": "x"}]},
            "row 2: `empty_outputs` must be a valid number",
        ),
        (
            {"rows": [A | {"empty_outputs": float("nan")}]},
            "row 1: `empty_outputs` must be a finite number",
        ),
        ({"rows": [A, B, A]}, "`rows`: a model is at the same precision twice"),
        ({"hardware": 5}, "`hardware` must be an object, not 5"),
        ({"hardware": {"vram_gb": -8}}, "`hardware.vram_gb` must be greater than 0, not -8"),
        (
            {"claims": {"x": 1}},
            "`claims.x` must be 'repetition_drop', 'adherence_gain' or 'memory_fall'",
        ),
        ({"claims": {"memory_fall": [4, True]}}, "claims.memory_fall 2 must be a valid number"),
    ],
)
def test_a_malformed_file_is_explained(tmp_path: Path, changes: dict, fault: str) -> None:
    path = changed(tmp_path, **changes)
    with pytest.raises(InputError) as raised:
        read_report(path)
    assert str(raised.value).startswith(f"{path}: {fault}")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("nonsense", "is not JSON"),
        ("[1]", "must hold one JSON object"),
        (None, "cannot be read"),
    ],
)
def test_what_is_no_report_is_explained(tmp_path: Path, text: str | None, fault: str) -> None:
    path = tmp_path / "bad.json"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=fault):
        read_report(path)


def test_gpus_are_found_by_any_usual_name() -> None:
    assert find_gpu("NVIDIA GeForce RTX 2070 SUPER").bandwidth == 448
    assert find_gpu("RTX 2070").bandwidth == 448
    assert find_gpu("Voodoo 2") is None
