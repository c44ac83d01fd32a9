"""How fast the dashboard opens and changes page, beside Streamlit's own hello app.

    python -m benchmarks.pages [--db results.duckdb] [--million] [--rounds 3]

Each server is started fresh. "First view" is from the browser's request to the finished page, on
a server that has served nobody yet; "page change" is a click in the menu after that. `--million`
adds a generated database of a million generations, with the server's memory. Needs Chromium.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from playwright.sync_api import Browser, Page, sync_playwright

from vibecore import store
from vibecore.core.paths import DATABASE_VARIABLE, DEFAULT_DB, PROJECT_ROOT

DASHBOARD = ("-m", "streamlit", "run", "app.py")
PROMPTS = 166_667
MILLION_CONFIGS = [(m, p) for m in ("1M", "5M") for p in ("bf16", "8bit", "4bit")]
READY = '[data-testid="stApp"][data-test-script-state="notRunning"]'
MILLION_PROMPT = "outputs?study=million&prompt=p_100000"


@dataclass(frozen=True)
class Case:
    """A page to open cold, then the menu entries to change to, each with what shows it is there."""

    name: str
    command: tuple[str, ...]
    path: str
    shown: str
    changes: tuple[tuple[str, str], ...]


def cases() -> dict[str, Case]:
    """The two apps."""
    return {
        "dashboard": Case(
            "dashboard",
            DASHBOARD,
            "",
            "tr.marked",
            (("Outputs", "article"), ("About", "table"), ("Metrics", "tr.marked")),
        ),
        "hello": Case(
            "streamlit hello",
            ("-m", "streamlit", "hello"),
            "",
            "h1",
            (
                ("Plotting demo", "h1:has-text('Plotting')"),
                ("DataFrame demo", "h1:has-text('DataFrame')"),
                ("Hello", "h1:has-text('Welcome')"),
            ),
        ),
    }


@contextmanager
def serving(command: tuple[str, ...], db: Path) -> Iterator[tuple[str, psutil.Process]]:
    """A fresh server on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    flags = ["--server.port", str(port), "--server.headless", "true"]
    process = subprocess.Popen(
        [sys.executable, *command, *flags, "--browser.gatherUsageStats", "false"],
        cwd=PROJECT_ROOT,
        env={**os.environ, DATABASE_VARIABLE: str(db)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(200):
            try:
                with urllib.request.urlopen(f"{address}/_stcore/health", timeout=2):
                    break
            except OSError:
                time.sleep(0.1)
        yield address, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(timeout=20)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless Chromium; ends the benchmark where there is none."""
    path = shutil.which("chromium")
    if path is None:
        sys.exit("This benchmark needs chromium.")
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-gpu"]
        )


def wait_shown(page: Page, shown: str) -> None:
    """Until the element is there and the script has ended."""
    page.wait_for_selector(shown, timeout=60_000)
    page.wait_for_selector(READY, timeout=60_000)


def measure(browser: Browser, case: Case, db: Path) -> dict[str, float]:
    """Seconds of the first view on a fresh server, and the median of its page changes."""
    with serving(case.command, db) as (address, _):
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        begin = time.perf_counter()
        page.goto(f"{address}/{case.path}")
        wait_shown(page, case.shown)
        first = time.perf_counter() - begin
        changes = []
        for label, shown in case.changes:
            page.wait_for_timeout(300)
            begin = time.perf_counter()
            page.get_by_test_id("stSidebarNavLink").filter(has_text=label).click()
            wait_shown(page, shown)
            changes.append(time.perf_counter() - begin)
        page.close()
        return {"first view": first, "page change": statistics.median(changes)}


def make_million(db: Path) -> None:
    """A study of six configs by 166,667 prompts: a million generations, scored."""
    store.prepare(db)
    with store.writing(db) as connection:
        connection.execute(
            """INSERT INTO study VALUES (1, 'million', 'measured', 'A million generations',
               'generated', 'generated', NULL, ?, '{}', NULL, NULL, NULL)""",
            [PROMPTS],
        )
        connection.execute(
            """INSERT INTO prompt
               SELECT 1, format('p_{:06d}', i), i,
                      ['code', 'creative', 'reasoning', 'instruction'][1 + i % 4],
                      'Write about the number ' || i,
                      '[{"check": "word_count", "at_least": 3}, {"check": "code_parses"}]'
               FROM range(?) numbers(i)""",
            [PROMPTS],
        )
        for run_id, (model, precision) in enumerate(MILLION_CONFIGS, start=1):
            connection.execute(
                """INSERT INTO run (run_id, study_id, position, config, model, precision, source,
                                    weights, status, weight_bytes, dtype, environment)
                   VALUES ($run, 1, $run, $config, $model, $precision, 'generated', 'demo',
                           'complete', $run * 10000000, 'bfloat16', '{"device": "cpu"}')""",
                {
                    "run": run_id,
                    "config": f"{model}-{precision}",
                    "model": model,
                    "precision": precision,
                },
            )
            connection.execute(
                """INSERT INTO generation (
                       run_id, prompt_id, text, token_ids, prompt_tokens, new_tokens, finish_reason,
                       batch_index, batch_size, first_token_seconds, total_seconds,
                       tokens_per_second, decode_tokens_per_second, peak_memory_bytes
                   ) SELECT $run, prompt_id,
                          repeat('words of an answer about ' || position || ' ', 10),
                          range(40)::INTEGER[], 20, 60 + position % 140, 'eos', position, 1, 0.01,
                          0.5 + $run * 0.01, 100.0, 100.0, 100000000
                   FROM prompt""",
                {"run": run_id},
            )
            connection.execute(
                """INSERT INTO score (
                       run_id, prompt_id, scorer_version, words, characters, sentences, lines,
                       empty, repetition_ratio, repetitive, garbage, distinct_1, distinct_2, rep_4,
                       zlib_ratio, loop_onset, constraints_met, constraints_total,
                       constraints_judged, adherent
                   ) SELECT $run, prompt_id, 1, 60, 300, 3, 3, position % 97 = 0, 0.1,
                          hash(position * 7 + $run) % 10 < 3, NULL, 0.5, 0.5, 0.1, 1.5, NULL,
                          (hash(position + $run) % 3)::INTEGER, 2, 2, hash(position + $run) % 3 = 2
                   FROM prompt""",
                {"run": run_id},
            )
            connection.execute(
                """INSERT INTO verdict (
                       run_id, prompt_id, position, check_name, arguments, status, explanation
                   ) SELECT $run, prompt_id, place, ['word_count', 'code_parses'][place + 1], '{}',
                          CASE WHEN hash(position + $run + place) % 3 = 0 THEN 'fail'
                               ELSE 'pass' END, 'found something'
                   FROM prompt, range(2) places(place)""",
                {"run": run_id},
            )


def measure_million(browser: Browser, folder: Path) -> None:
    """Metrics, and one prompt's outputs, each on a fresh server; and the server's memory."""
    db = folder / "million.duckdb"
    make_million(db)
    print(f"\na million generations, {db.stat().st_size / 1e6:.0f} MB on disk")
    for name, path, shown in (
        ("Metrics", "?study=million", "tr.marked"),
        ("Outputs", MILLION_PROMPT, "article"),
    ):
        with serving(DASHBOARD, db) as (address, server):
            page = browser.new_page(viewport={"width": 1400, "height": 900})
            page.goto(f"{address}/about?study=million")
            wait_shown(page, "table")
            page.wait_for_timeout(500)
            begin = time.perf_counter()
            page.get_by_test_id("stSidebarNavLink").filter(has_text=name).click()
            wait_shown(page, shown)
            seconds = time.perf_counter() - begin
            begin = time.perf_counter()
            page.goto(f"{address}/{path}")
            wait_shown(page, shown)
            reload = time.perf_counter() - begin
            memory = server.memory_info().rss / 1024**2
            page.close()
        print(
            f"{name}: {seconds:.2f} s by the menu, nothing read before; {reload:.2f} s as a link "
            f"opened anew; server memory {memory:.0f} MiB"
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--db", type=Path, default=DEFAULT_DB)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--million", action="store_true")
    options = parser.parse_args()
    with chromium() as browser, tempfile.TemporaryDirectory() as folder:
        found: dict[str, list[dict[str, float]]] = {"dashboard": [], "hello": []}
        for _ in range(options.rounds):
            for name, case in cases().items():
                found[name].append(measure(browser, case, options.db.resolve()))
        for what in ("first view", "page change"):
            ours, theirs = (
                statistics.median(run[what] for run in found[name])
                for name in ("dashboard", "hello")
            )
            print(f"{what}: {ours:.2f} s; hello {theirs:.2f} s; {ours / theirs:.2f} times")
        if options.million:
            measure_million(browser, Path(folder))


if __name__ == "__main__":
    main()
