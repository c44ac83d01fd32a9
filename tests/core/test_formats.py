"""Numbers as a person reads them, and files that are safe to open."""

from __future__ import annotations

import csv
import io
import json
from datetime import datetime

import pytest

from vibecore.core import formats


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (formats.count_and_rate(13, 30), "13/30 · 43 %"),
        (formats.count_and_rate(None, 30), "–"),
        (formats.count_and_rate(0, 0), "–"),
        (formats.percent(-0.555, signed=True), "−56 %"),
        (formats.percent(0.09, signed=True), "+9 %"),
        (formats.percent(None), "–"),
        # A share that is not nothing, and one that is not all, are not told as if they were.
        (formats.percent(0.004), "0.4 %"),
        (formats.percent(0.00041), "0 %"),
        (formats.percent(0.997), "99.7 %"),
        (formats.percent(-0.998, signed=True), "−99.8 %"),
        (formats.percent(0.007), "0.7 %"),
        (formats.percent(0.9995), "100 %"),
        (formats.percent(-0.0001), "0 %"),
        (formats.percent(float("nan")), "–"),
        (formats.percent(0.0), "0 %"),
        (formats.percent(0.0, signed=True), "±0 %"),
        (formats.percent(-0.0001, signed=True), "±0 %"),
        (formats.percent(1 - 1e-9), "100 %"),
        (formats.count_and_rate(1, 300), "1/300 · 0.3 %"),
        (formats.memory(988_065_536), "0.92 GiB"),
        (formats.memory(2_102_784), "2.0 MiB"),
        (formats.number(18.84), "18.8"),
        (formats.number(None), "–"),
        (formats.divergence(0.0), "0"),
        (formats.divergence(3.1e-7), "3.10e-7"),
        (formats.divergence(9.996e-5), "0.000100"),
        (formats.divergence(0.04523), "0.0452"),
        (formats.divergence(0.9999), "1.00"),
        (formats.divergence(12.345), "12.3"),
        (formats.divergence(1234.5), "1,230"),
        (formats.divergence(float("inf")), "inf"),
        (formats.divergence(float("nan")), "–"),
        (formats.divergence(None), "–"),
        (formats.divergence_range(0.0, 0.00136), "0–0.00136"),
        (formats.divergence_range(None, 1.0), "–"),
        (formats.duration(None), "not known yet"),
        (formats.duration(0), "0 s"),
        (formats.duration(0.4), "under 1 s"),
        (formats.duration(59.4), "59 s"),
        (formats.duration(59.6), "1 min 0 s"),
        (formats.duration(380), "6 min 20 s"),
        (formats.duration(7500), "2 h 5 min"),
    ],
)
def test_numbers(text: str, wanted: str) -> None:
    assert text == wanted


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t"])
def test_a_cell_a_spreadsheet_would_run_is_made_harmless(start: str) -> None:
    rows = [{"text": start + "cmd|' /C calc'!A0", "change": -0.5, "nothing": None}]
    [row] = csv.DictReader(io.StringIO(formats.to_csv(rows)))
    assert row["text"].startswith("'" + start)
    assert (row["change"], row["nothing"]) == ("-0.5", "")


def test_markup_in_a_markdown_cell_is_escaped() -> None:
    table = formats.to_markdown([{"text": "![x](http://e) <script> a|b\nc"}])
    assert "<script>" not in table
    assert "![" not in table
    assert len(table.splitlines()) == 3
    assert "a\\|b<br>c" in table


def test_json_knows_times_and_keeps_characters() -> None:
    text = formats.to_json({"when": datetime(2026, 11, 23, 12), "text": "é"})
    assert json.loads(text) == {"when": "2026-11-23 12:00:00 UTC", "text": "é"}
    assert "é" in text
    with pytest.raises(TypeError):
        formats.to_json(object)


@pytest.mark.parametrize(
    ("number", "shown"), [(0, "0 tokens"), (1, "1 token"), (2, "2 tokens"), (4096, "4,096 tokens")]
)
def test_a_count_has_its_noun_in_the_right_number(number: int, shown: str) -> None:
    assert formats.counted(number, "token") == shown
