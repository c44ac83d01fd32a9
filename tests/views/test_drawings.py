"""Charts of a report are drawn by a process that may end; characters that XML forbids do not."""

from __future__ import annotations

import os
import re
from pathlib import Path
from xml.etree import ElementTree

import altair as alt
import pytest

from vibecore.views.report import drawings
from vibecore.views.report.drawings import to_svgs

FORBIDDEN = "".join(
    chr(code) for code in (*range(0x20), 0xD800, 0xDFFF, 0xFFFE, 0xFFFF) if code not in (9, 10, 13)
)


def bars(name: str) -> alt.Chart:
    rows = [{"config": name, "value": 1.0}, {"config": "other", "value": 2.0}]
    return alt.Chart(alt.Data(values=rows), title=name).mark_bar().encode(x="value:Q", y="config:N")


def test_a_name_with_characters_that_xml_forbids_is_drawn() -> None:
    looked_up = bars("\x1b[2J").encode(
        y=alt.Y("config:N", axis=alt.Axis(labelExpr='{"\\u001b[2J": "\\u001bfound"}[datum.label]'))
    )
    named, translated = to_svgs([bars(f"1M{FORBIDDEN}!"), looked_up])
    assert named and translated
    for svg in (named, translated):
        ElementTree.fromstring(re.sub(r"var\(--rule\)", "grey", svg))
    assert "1M" in named and "!" in named
    assert "\ufffdfound" in translated, "a label that an expression looks up is still found"


def test_a_chart_that_ends_the_renderer_costs_that_chart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As vl_convert 1.9 does of itself at a character that XML forbids.
    ending = tmp_path / "renderer.py"
    ending.write_text(
        "import json, os, sys\n"
        "for spec in json.load(sys.stdin):\n"
        "    'fatal' in json.dumps(spec) and os.abort()\n"
        "    print(json.dumps('drawn'), flush=True)\n"
    )
    monkeypatch.setattr(drawings, "RENDERER", ending)
    server = os.getpid()
    charts = [bars(name) for name in ("one", "fatal", "two", "fatal", "fatal")]
    assert to_svgs(charts) == ["drawn", None, "drawn", None, None]
    assert os.getpid() == server


def test_a_renderer_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hanging = tmp_path / "renderer.py"
    hanging.write_text("import time\nprint('\"drawn\"', flush=True)\ntime.sleep(600)\n")
    monkeypatch.setattr(drawings, "RENDERER", hanging)
    monkeypatch.setattr(drawings, "MOST_SECONDS", 1.0)
    assert to_svgs([bars("one"), bars("two")]) == ["drawn", None]


def test_ids_of_charts_stay_apart() -> None:
    first, second = to_svgs([bars("a"), bars("b")])
    assert first and second
    assert set(re.findall(r'id="([^"]+)"', first)).isdisjoint(re.findall(r'id="([^"]+)"', second))


def test_nothing_else_draws_inside_this_process() -> None:
    rooms = Path(drawings.__file__).parents[2]
    users = {f.name for f in rooms.rglob("*.py") if "import vl_convert" in f.read_text("utf-8")}
    assert users == {"renderer.py"}
