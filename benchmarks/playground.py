"""What watching costs: tokens/s of a pane on the page compared with the same config without one.

    python -m benchmarks.playground [--config 5M-8bit] [--rounds 5]

One dashboard, one Chromium. Rounds alternate: a prompt tried on the page, which shows the text as
it grows; the same prompt on a worker of this script's own while the page is idle. Prints the
medians and their ratio (target: at least 0.9), then the server's memory and processes before and
after 20 sessions over changing configs, all unloaded (target: within 5 %).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
from pathlib import Path
from statistics import median

import psutil
from playwright.sync_api import Page

from benchmarks.pages import DASHBOARD, READY, chromium, serving
from vibecore.catalog.models import family_configs, find_configs
from vibecore.catalog.weights import load_request, resolve
from vibecore.core.paths import DEFAULT_DB, STATE_VARIABLE
from vibecore.runtime.worker import Worker

# 5M-8bit answers it to the last token it may; a short answer would measure its first token.
PROMPT = "aaaa aaaa aaaa"
TOKENS = 450
SESSIONS = 20
PATIENCE = 120_000
SETTLE_MILLISECONDS = 1_500


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", default="5M-8bit")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        os.environ[STATE_VARIABLE] = folder
        database = Path(folder) / "playground.duckdb"
        shutil.copy(DEFAULT_DB, database)
        with serving(DASHBOARD, database) as (address, server):
            page = browser.new_page(viewport={"width": 1400, "height": 1000})
            _overhead(page, address, options.config, options.rounds)
            _leftovers(page, address, server)


def _overhead(page: Page, address: str, config_id: str, rounds: int) -> None:
    [config] = find_configs([config_id])
    _open(page, address, config_id, TOKENS)
    _attempt(page)
    watched, alone = [], []
    with Worker() as worker:
        worker.load(load_request(config, resolve(config, "hub"), "cpu", "eager"))
        worker.generate([PROMPT], TOKENS)
        for _ in range(rounds):
            watched.append(_attempt(page))
            [generation] = worker.generate([PROMPT], TOKENS)
            alone.append(generation.tokens_per_second or 0.0)
    print(f"{config_id}, {rounds} rounds of {TOKENS} tokens:")
    print(f"  with the page    {_spread(watched)} tok/s")
    print(f"  without a page   {_spread(alone)} tok/s")
    print(f"  ratio            {median(watched) / median(alone):.3f}")


def _leftovers(page: Page, address: str, server: psutil.Process) -> None:
    configs = [config.id for config in family_configs("demo")]

    def attempts(count: int) -> tuple[int, int]:
        for number in range(count):
            _open(page, address, configs[number % len(configs)], 40)
            _attempt(page)
        page.get_by_role("button", name="Unload all").click()
        page.get_by_role("heading", name="Loaded").wait_for(state="detached")
        return server.memory_info().rss, len(server.children(recursive=True))

    before, after = attempts(len(configs)), attempts(SESSIONS)
    print(f"{SESSIONS} sessions over {len(configs)} configs, then unloaded:")
    print(
        f"  server memory    {before[0] / 1e6:.1f} → {after[0] / 1e6:.1f} MB "
        f"({100 * (after[0] / before[0] - 1):+.1f} %)"
    )
    print(f"  its processes    {before[1]} → {after[1]}")


def _open(page: Page, address: str, config: str, tokens: int) -> None:
    page.goto(f"{address}/try?study=demo&try_configs={config}&try_tokens={tokens}")
    page.wait_for_selector(READY, timeout=PATIENCE)
    page.get_by_label("Prompt", exact=True).fill(PROMPT)
    page.keyboard.press("Control+Enter")
    page.wait_for_selector(READY, timeout=PATIENCE)


def _attempt(page: Page) -> float:
    """Press Try it, wait for the pane, and read its speed from the downloaded figures."""
    page.locator("article").evaluate_all("all => all.forEach(e => e.setAttribute('data-old', ''))")
    page.get_by_role("button", name="Try it").click()
    page.locator("article:not([data-old])[data-status=done]").wait_for(timeout=PATIENCE)
    page.get_by_role("button", name="Download JSON").wait_for(timeout=PATIENCE)
    # The page draws itself once more when a try has ended; a click before that is lost.
    page.wait_for_timeout(SETTLE_MILLISECONDS)
    page.wait_for_selector(READY, timeout=PATIENCE)
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download JSON").click()
    [row] = json.loads(Path(waiting.value.path()).read_text("utf-8"))
    return row["tokens_per_second"]


def _spread(values: list[float]) -> str:
    return f"{median(values):.1f} ({min(values):.1f} to {max(values):.1f})"


if __name__ == "__main__":
    main()
