"""`sweet-spot` and `summary` as a user meets them: every format, and how lightly they start."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.support.commands import called
from vibecore.cli import app
from vibecore.cli.base import share_of
from vibecore.core.errors import InputError
from vibecore.core.paths import PROJECT_ROOT


def vibecore(*arguments: str) -> str:
    done = called(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def sweet_spot(db: Path, *arguments: str) -> str:
    return vibecore("sweet-spot", "--study", "published", "--db", str(db), *arguments)


def test_the_terminal_says_the_answer_in_plain_words_and_then_the_statistics(
    published_db: Path,
) -> None:
    answer, _, statistics = sweet_spot(published_db).partition("How this was decided")
    lines = answer.splitlines()
    assert lines[0] == "Sweet spot: 1.5B-4bit"
    assert lines[1].startswith("Qwen/Qwen2.5-1.5B, a base model, with 4-bit weights (NF4")
    assert lines[2].startswith("On the 30 prompts it looped on 8, left 2 empty")
    assert "9.0 tok/s is under 85 %" in answer
    for word in ("resampled", "Fisher", "Holm", " α"):
        assert word not in answer
    for part in (
        "1.5B-4bit is the choice in 56 % of 2,000 resampled studies",
        "Speed floor (now 85 %): above 91.0 %, 1.5B-bf16 takes over.",
        "Each config against the one that did best",
        "not resolved at n = 30",
    ):
        assert part in statistics


def test_the_summary_begins_with_the_answer(published_db: Path) -> None:
    words = vibecore("summary", "--study", "published", "--db", str(published_db))
    assert words.startswith("Sweet spot: 1.5B-4bit\nQwen/Qwen2.5-1.5B")
    assert "How sure" not in words


def test_the_code_alone_is_printed(published_db: Path) -> None:
    code = sweet_spot(published_db, "--code")
    compile(code, "code", "exec")
    assert code.startswith("# pip install torch transformers accelerate bitsandbytes\n")
    assert 'source = "Qwen/Qwen2.5-1.5B"' in code
    command = ["sweet-spot", "--study", "published", "--db", str(published_db), "--code"]
    result = CliRunner().invoke(app, [*command, "--vram-gb", "0.3"])
    assert isinstance(result.exception, InputError)
    assert str(result.exception).startswith("There is no config to run. No sweet spot: ")


def test_json_has_every_judgement(published_db: Path) -> None:
    record = json.loads(sweet_spot(published_db, "--alpha", "0.1", "--format", "json"))
    assert record["stability"]["resamples"] == 2_000
    assert {switch["direction"] for switch in record["switches"]} == {"up", "down"}
    assert {pair["metric"] for pair in record["judgements"]} == {
        "broken outputs",
        "adherence",
        "speed",
        "memory",
    }


@pytest.mark.parametrize("alpha", ["0", "1", "-1", "nan", "0.00000000000000001"])
def test_an_alpha_that_decides_nothing_is_refused(published_db: Path, alpha: str) -> None:
    command = ["sweet-spot", "--study", "published", "--db", str(published_db), f"--alpha={alpha}"]
    result = CliRunner().invoke(app, command)
    assert isinstance(result.exception, InputError)
    assert "--alpha must be from" in str(result.exception)


@pytest.mark.parametrize("format", ["csv", "md"])
def test_rows_have_the_share_of_resamples(published_db: Path, format: str) -> None:
    text = sweet_spot(published_db, "--format", format)
    assert "chosen_share" in text
    if format == "csv":
        rows = list(csv.DictReader(io.StringIO(text)))
        assert len(rows) == 6
        assert sum(float(row["chosen_share"]) for row in rows) == pytest.approx(1)


def test_nothing_fits_is_an_answer(published_db: Path) -> None:
    words = sweet_spot(published_db, "--vram-gb", "0.3")
    assert words.startswith("No sweet spot\n")
    assert "No sweet spot is the answer in all 2,000" in words
    assert "Memory cap (now 0.3 GiB): from " in words


def test_the_summary_starts_light(published_db: Path) -> None:
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from vibecore import read_summary\n"
        f"read_summary(Path({str(published_db)!r}), 'published')\n"
        "assert not {'pandas', 'scipy', 'torch', 'altair'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=PROJECT_ROOT, check=True)


@pytest.mark.parametrize(
    ("given", "share"),
    [("0.85", 0.85), ("85", 0.85), ("85%", 0.85), (" 85 % ", 0.85), ("0.5%", 0.005), ("1", 1.0),
     ("100", 1.0), ("0", 0.0), (0.85, 0.85)],
)  # fmt: skip
def test_a_speed_floor_is_a_share_or_percent(given: str | float, share: float) -> None:
    assert share_of(given) == pytest.approx(share)


@pytest.mark.parametrize("given", ["1.05", "101", "101%", "-1", "-5%", "nan", "fast", "%", "8%5"])
def test_a_speed_floor_that_is_no_share_is_refused(published_db: Path, given: str) -> None:
    command = ["summary", "--study", "published", "--db", str(published_db)]
    result = CliRunner().invoke(app, [*command, f"--speed-floor={given}"])
    assert isinstance(result.exception, InputError)
    assert "--speed-floor must be a share" in str(result.exception)


def test_percent_and_share_give_the_same_answer(published_db: Path) -> None:
    def answer(floor: str) -> str:
        return sweet_spot(published_db, "--speed-floor", floor, "--format", "json")

    assert answer("95 %") == answer("0.95") != answer("0.85")


def test_a_kld_cap_is_asked_only_where_it_is_given(published_db: Path) -> None:
    """Nothing of the published study was held against 16 bit, so only that passes a cap."""
    found = json.loads(sweet_spot(published_db, "--kld-cap", "0.1", "--format", "json"))
    assert found["config"] == "1.5B-bf16"
    assert "is not known" in found["excluded"]["1.5B-4bit"]
    words = vibecore("summary", *("--study", "published", "--db", str(published_db)), "--kld-cap=0")
    assert words.startswith("Sweet spot: 1.5B-bf16")
    assert "is within 0 nats of 16 bit" in words or "are within 0 nats of 16 bit" in words


@pytest.mark.parametrize("cap", ["nan", "inf", "-1", "little"])
def test_a_kld_cap_that_is_no_number_of_nats_is_refused(published_db: Path, cap: str) -> None:
    command = ["sweet-spot", "--study", "published", "--db", str(published_db), f"--kld-cap={cap}"]
    assert CliRunner().invoke(app, command).exit_code == 2
