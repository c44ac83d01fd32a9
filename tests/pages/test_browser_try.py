"""Trying prompts in a real Chromium, on real workers and the demo models; no fakes.

A server of its own, on a free port, a temporary database and state folder. Skipped where there
is no Chromium, unless VIBECHECK_REQUIRE_CHROMIUM is set.
"""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import psutil
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support import processes
from tests.support.chromium import needs_chromium
from tests.support.playground_fakes import wait_until
from tests.support.real_study import NEW_TOKENS, demo_outputs
from tests.support.server import LOG, Server, serve
from tests.support.visitor import Tab, Visitor
from vibecore.catalog.demo_models import MODELS_DIR as DEMO_MODELS_DIR
from vibecore.core.paths import DEFAULT_DB, STATE_VARIABLE
from vibecore.live.playground import suite_prompt

pytestmark = needs_chromium

# Six workers import torch, on a machine that may be busy with other tests.
PATIENCE = 180_000
PROMPT = "code_001"
# The answer in a pane; what is folded above it has a body of its own.
ANSWER = ":scope > .body pre"
# The demo models answer it to the last token they may.
LONG = "aaaa aaaa aaaa"


def workers(server: Server) -> list[psutil.Process]:
    """The worker processes that the server has started."""
    return processes.workers(server.process.pid)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("try")
    database = folder / "try.duckdb"
    shutil.copy(DEFAULT_DB, database)
    with serve(folder, database, **{STATE_VARIABLE: str(folder / "state")}) as running:
        yield running
        left = psutil.Process(running.process.pid).children(recursive=True)
    _, alive = psutil.wait_procs(left, timeout=10)
    assert alive == [], "the server left a process behind"
    assert "Traceback" not in (folder / LOG).read_text()


@pytest.fixture
def visitor(tab: Tab, server: Server) -> Iterator[Visitor]:
    opened = tab.open(server.address, height=1000)
    yield opened
    tab.leave(opened)
    assert opened.problems == []


def pane(page: Page, config: str, status: str = "") -> str:
    return f'article[data-config="{config}"]' + (f'[data-status="{status}"]' if status else "")


def fill_in(visitor: Visitor, text: str, *configs: str, tokens: int = 200) -> Page:
    chosen = "&".join(f"try_configs={config}" for config in configs)
    page = visitor.go(f"try?study=demo&{chosen}&try_tokens={tokens}")
    page.get_by_label("Prompt", exact=True).fill(text)
    page.keyboard.press("Control+Enter")
    visitor.settle()
    return page


def unload_all(visitor: Visitor, server: Server) -> None:
    visitor.settle()
    visitor.page.get_by_role("button", name="Unload all").click()
    # Six workers, on a machine that may be busy.
    wait_until(lambda: not workers(server), seconds=PATIENCE / 1000)


def test_six_streamed_answers_are_those_of_a_study(
    visitor: Visitor, server: Server, tmp_path: Path
) -> None:
    stored = demo_outputs(tmp_path, PROMPT)
    constraints = len(suite_prompt("vibe30", PROMPT).constraints)
    page = visitor.go(
        f"try?study=demo&try_suite=vibe30&try_prompt={PROMPT}&try_tokens={NEW_TOKENS}"
    )
    page.get_by_role("combobox", name="Take the configs of a family").click()
    page.get_by_role("option", name="demo", exact=True).click()
    for config in stored:
        # The form offers three of them before the family is taken.
        expect(page.locator(".stMultiSelect").first).to_contain_text(config)
    visitor.settle()
    page.get_by_role("button", name="Try it").click()
    expect(page.locator(pane(page, "5M-4bit", "done"))).to_be_visible(timeout=PATIENCE)
    for config, row in stored.items():
        shown = page.locator(pane(page, config, "done"))
        # Loops are announced where they begin; the text stands around that.
        text = shown.locator(ANSWER).evaluate(
            "pre => { const copy = pre.cloneNode(true);"
            " copy.querySelectorAll('.here').forEach(e => e.remove()); return copy.textContent; }"
        )
        assert text == row.text, config
        expect(shown.locator(".verdicts li")).to_have_count(constraints)
        for word in ("load", "TTFT", "tok/s", "tokens", "peak"):
            expect(shown.locator("header")).to_contain_text(word)
    visitor.settle()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download JSON").click()
    rows = json.loads(Path(waiting.value.path()).read_text("utf-8"))
    assert {r["config"]: r["token_ids"] for r in rows} == {
        config: list(row.token_ids) for config, row in stored.items()
    }
    assert len(workers(server)) == 6
    expect(page.get_by_role("heading", name="Loaded")).to_be_visible()
    unload_all(visitor, server)


def test_stop_and_kill_in_mid_stream(visitor: Visitor, server: Server) -> None:
    page = fill_in(visitor, LONG, "5M-8bit", "5M-bf16", tokens=450)
    page.get_by_role("button", name="Try it").click()
    running = page.locator(pane(page, "5M-8bit", "running"))
    expect(running.locator(ANSWER)).not_to_be_empty(timeout=PATIENCE)
    first = running.locator(ANSWER).text_content() or ""
    expect(running.locator(ANSWER)).not_to_have_text(first, timeout=PATIENCE)
    assert (running.locator(ANSWER).text_content() or "").startswith(first), "it grows"
    page.locator(".st-key-try-stop button").click()
    stopped = page.locator(pane(page, "5M-8bit", "stopped"))
    expect(stopped.locator("header")).to_contain_text("stopped", timeout=PATIENCE)
    expect(page.locator(pane(page, "5M-bf16"))).to_contain_text("Stopped before it began")
    tokens = int((stopped.locator("header").text_content() or "").split(" token")[-2].split()[-1])
    assert 0 < tokens < 450

    expect(page.get_by_role("button", name="Try it")).to_be_visible(timeout=PATIENCE)
    visitor.settle()
    page.get_by_role("button", name="Try it").click()
    expect(running.locator(ANSWER)).not_to_be_empty(timeout=PATIENCE)
    [worker] = workers(server)[:1]
    worker.send_signal(signal.SIGKILL)
    failed = page.locator(pane(page, "5M-8bit", "failed"))
    expect(failed.locator(".notice")).to_contain_text("killed (signal 9)", timeout=PATIENCE)
    assert failed.locator(ANSWER).text_content()
    expect(page.locator(pane(page, "5M-bf16", "done"))).to_be_visible(timeout=PATIENCE)
    assert "Traceback" not in page.content()


def test_reasoning_streams_into_a_fold_that_stays_open(
    visitor: Visitor, server: Server, tmp_path: Path
) -> None:
    folder = tmp_path / "thinker"
    shutil.copytree(DEMO_MODELS_DIR / "5M", folder)
    # The template opens the reasoning with what the demo model goes on with to the last token.
    template = f"{{{{ messages[0].content }}}}<think>\n{LONG}"
    (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
    query = urlencode({"study": "demo", "try_model": folder, "try_precisions": "8bit"})
    page = visitor.go(f"try?{query}&try_configs=1M-bf16&try_tokens=400")
    page.get_by_label("Prompt", exact=True).fill("Hello")
    page.keyboard.press("Control+Enter")
    visitor.settle()
    page.get_by_role("button", name="Try it").click()
    thinker = page.locator(pane(page, "thinker-8bit"))
    fold = thinker.locator("details[data-fold=reasoning]")
    fold.locator("summary").click(timeout=PATIENCE)
    reasoning = fold.locator("pre")
    first = reasoning.text_content() or ""
    expect(reasoning).not_to_have_text(first, timeout=PATIENCE)
    assert (reasoning.text_content() or "").startswith(first), "it grows, and stays open"
    done = page.locator(pane(page, "thinker-8bit", "done"))
    expect(done).to_contain_text("No answer", timeout=PATIENCE)
    expect(done.locator("header")).to_contain_text("thinking model, chat template")
    expect(done.locator("details[data-fold=reasoning] pre")).to_be_visible()
    expect(done.locator("dl")).to_be_empty()
    done.locator("details[data-fold=prompt] summary").click()
    expect(done.locator("details[data-fold=prompt] pre")).to_have_text(f"Hello<think>\n{LONG}")


def test_two_tabs_share_one_device(visitor: Visitor, server: Server, browser: Browser) -> None:
    context = browser.new_context()
    second = Visitor(context.new_page(), server.address)
    other = fill_in(second, "Name a colour.", "5M-8bit", tokens=5)
    page = fill_in(visitor, LONG, "5M-8bit", tokens=450)
    page.get_by_role("button", name="Try it").click()
    expect(page.locator(pane(page, "5M-8bit", "running"))).to_be_visible(timeout=PATIENCE)
    other.get_by_role("button", name="Try it").click()
    expect(other.locator(pane(other, "5M-8bit"))).to_contain_text(
        "a prompt on 5M-8bit", timeout=PATIENCE
    )
    expect(other.locator(pane(other, "5M-8bit", "done"))).to_contain_text(
        "was loaded", timeout=PATIENCE
    )
    expect(page.locator(pane(page, "5M-8bit"))).not_to_contain_text("Name a colour")
    context.close()
    unload_all(visitor, server)
