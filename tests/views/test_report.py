"""A report says what the study says, and nothing in it can run, fetch or become markup."""

from __future__ import annotations

import errno
import os
import re
import threading
from html.parser import HTMLParser
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.support import dashboard_database as made
from vibecore.analysis import Rule
from vibecore.analysis.claims import REPORTED
from vibecore.cli import app
from vibecore.core.errors import InputError
from vibecore.views.export import export_study
from vibecore.views.report import make_report, write_report

LARGEST = 5_000_000


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made.build(tmp_path_factory.mktemp("report") / "report.duckdb")


@pytest.fixture(scope="module")
def pages(studies: Path) -> dict[str, str]:
    return {
        name: make_report(studies, name, ".html") for name in ("published", "varied", "speed-only")
    }


class Elements(HTMLParser):
    """Every start tag with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attributes)))


@pytest.mark.parametrize("name", ["published", "varied", "speed-only"])
def test_nothing_runs_and_nothing_is_fetched(pages: dict[str, str], name: str) -> None:
    assert len(pages[name].encode()) < LARGEST
    ids = {attributes.get("id") for _, attributes in Elements(pages[name]).found}
    for tag, attributes in Elements(pages[name]).found:
        assert tag not in ("script", "iframe", "link", "img", "image", "object"), tag
        if tag == "a":
            # A place on this page, and nothing else.
            assert attributes["href"].removeprefix("#") in ids, attributes
            continue
        for key, value in attributes.items():
            assert not key.startswith("on") and key not in ("src", "href", "xlink:href"), key
            if value and key not in ("aria-label", "xmlns", "xmlns:xlink"):
                assert "http" not in value, (tag, key, value)
    assert "default-src 'none'" in pages[name]


def test_the_published_page_says_it_all(pages: dict[str, str]) -> None:
    page = pages["published"]
    assert "Sweet spot: 1.5B-4bit" in page
    assert "resampled studies" in page
    assert "Speed floor (now 85 %)" in page
    assert page.count("<svg") >= 12
    assert "def is_palindrome" in page, "a sample"
    assert "RTX 2070 Super" in page
    assert "How sure:" in page and "AutoModelForCausalLM" in page, "the answer and how to run it"
    headings = re.findall(r"<summary>(.*?)</summary>", page)
    assert sum(": not resolved" in heading for heading in headings) == 9
    assert sum(": contradicted" in heading for heading in headings) == 2
    assert REPORTED == 14


def test_the_answer_is_first_and_the_details_are_folded(pages: dict[str, str]) -> None:
    for page in pages.values():
        assert page.count("<h1") == 1
        title = re.search(r"<title>(.*?)</title>", page)
        heading = re.search(r"<h1[^>]*>(.*?)</h1>", page)
        assert title and heading and title[1] == heading[1]
        assert page.index('class="spot"') < page.index('id="decided"') < page.index("<table>")
        assert len(re.findall(r"<details", page)) == len(re.findall(r"</details>", page))
    answer = pages["published"].split('class="spot"')[1].split('id="decided"')[0]
    assert not re.search(r"Fisher|Holm|McNemar|\bp [=<]", answer), "no test in the answer"


def test_ids_within_the_page_are_its_own(pages: dict[str, str]) -> None:
    ids = [a["id"] for _, a in Elements(pages["varied"]).found if a.get("id")]
    assert len(ids) == len(set(ids))


def test_hostile_texts_stay_text(pages: dict[str, str], studies: Path) -> None:
    page = pages["varied"]
    assert "&lt;script&gt;document.title" in page
    assert "<script" not in page
    assert f"<img src=http://{made.CANARY}" not in page
    markdown = make_report(studies, "varied", ".md")
    outside = re.sub(r"(?ms)^(`{3,})text\n.*?^\1$", "", markdown)
    assert "<img" not in outside and "<script" not in outside
    assert "![t](" not in outside


def test_no_quality_no_claims_on_it(pages: dict[str, str]) -> None:
    assert "No sweet spot" in pages["speed-only"]
    assert "random numbers" in pages["speed-only"]
    assert (
        ">supported<"
        not in pages["speed-only"]
        .split("What the published report")[1]
        .split("8bit is the slowest")[0]
    )


def test_the_rule_is_the_reports(studies: Path) -> None:
    page = make_report(studies, "published", ".html", Rule(vram_gib=1.0))
    answer = page.split('class="spot"')[1].split('id="decided"')[0]
    assert "No sweet spot" in answer and "1 GiB" in answer


def test_markdown_for_a_pull_request(studies: Path, tmp_path: Path) -> None:
    out = tmp_path / "report.md"
    write_report(studies, "published", out)
    text = out.read_text(encoding="utf-8")
    assert text.startswith("# Qwen2.5 vibe check")
    assert "**Sweet spot: 1.5B-4bit.**" in text
    assert text.count("| not resolved |") == 9
    assert "````text" in text, "a fence longer than the sample's own"


def test_a_report_without_a_name_is_named_by_its_study(
    studies: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["report", "--study", "varied", "--db", str(studies)])
    assert (done.exit_code, done.output.strip()) == (0, "varied-report.html")
    assert "How to run it" in (tmp_path / "varied-report.html").read_text(encoding="utf-8")


def test_what_cannot_be_written_is_said(studies: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"must end in \.html or \.md"):
        write_report(studies, "published", tmp_path / "report.pdf")
    # Before anything of the study is read.
    with pytest.raises(InputError, match=r"cannot be written: the folder .*none does not exist"):
        write_report(tmp_path / "none.duckdb", "published", tmp_path / "none" / "report.html")
    (tmp_path / "folder.md").mkdir()
    with pytest.raises(InputError, match="cannot be written: Is a directory"):
        write_report(studies, "speed-only", tmp_path / "folder.md")
    with pytest.raises(InputError, match="no study 'none'"):
        write_report(studies, "none", tmp_path / "report.html")


def test_a_full_disk_leaves_the_older_report_and_the_older_export(
    studies: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, folder = tmp_path / "report.md", tmp_path / "export"
    write_report(studies, "published", out)
    export_study(studies, "published", folder)
    before = {file: file.read_bytes() for file in (out, *folder.iterdir())}

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="No space left"):
        write_report(studies, "speed-only", out)
    with pytest.raises(InputError, match="No space left"):
        export_study(studies, "speed-only", folder)
    assert {file: file.read_bytes() for file in (out, *folder.iterdir())} == before


def test_a_report_goes_into_a_pipe_that_stays_one(studies: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "report.md"
    os.mkfifo(pipe)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    write_report(studies, "published", pipe)
    reader.join()
    assert read[0].startswith(b"#")
    assert pipe.is_fifo()
