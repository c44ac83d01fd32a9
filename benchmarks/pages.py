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
MILLION_STUDY = "million"
MILLION_PROMPT = f"outputs?study={MILLION_STUDY}&prompt=p_100000"


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


def make_million(db: Path, prompts: int = PROMPTS) -> None:
    """A study of six configs by so many prompts, 166,667 for a million generations, scored.

    Every value stands beside the name of its column, so a column that the schema gains is NULL.
    """
    store.prepare(db)
    with store.writing(db) as connection:
        connection.execute(
            """INSERT INTO study BY NAME
               SELECT 1 AS study_id, $name AS name, 'measured' AS source,
                      'A million generations' AS title, 'generated' AS hardware,
                      'generated' AS suite, $prompts AS prompt_count, '{}' AS protocol""",
            {"name": MILLION_STUDY, "prompts": prompts},
        )
        connection.execute(
            """INSERT INTO prompt BY NAME
               SELECT 1 AS study_id, format('p_{:06d}', i) AS prompt_id, i AS position,
                      ['code', 'creative', 'reasoning', 'instruction'][1 + i % 4] AS category,
                      'Write about the number ' || i AS text,
                      '[{"check": "word_count", "at_least": 3}, {"check": "code_parses"}]'
                          AS constraints
               FROM range($prompts) numbers(i)""",
            {"prompts": prompts},
        )
        for run_id, (model, precision) in enumerate(MILLION_CONFIGS, start=1):
            run = {"run": run_id}
            connection.execute(
                """INSERT INTO run BY NAME
                   SELECT $run AS run_id, 1 AS study_id, $run AS position, $config AS config,
                          $model AS model, $precision AS precision, 'generated' AS source,
                          'demo' AS weights, 'complete' AS status,
                          $run * 10000000 AS weight_bytes, 'bfloat16' AS dtype,
                          '{"device": "cpu"}' AS environment""",
                run | {"config": f"{model}-{precision}", "model": model, "precision": precision},
            )
            connection.execute(
                """INSERT INTO generation BY NAME
                   SELECT $run AS run_id, prompt_id,
                          repeat('words of an answer about ' || position || ' ', 10) AS text,
                          range(40)::INTEGER[] AS token_ids, 20 AS prompt_tokens,
                          60 + position % 140 AS new_tokens, 'eos' AS finish_reason,
                          position AS batch_index, 1 AS batch_size, 0.01 AS first_token_seconds,
                          0.5 + $run * 0.01 + 0.001 * (hash(position + $run) % 100)
                              AS total_seconds,
                          100.0 AS tokens_per_second, 100.0 AS decode_tokens_per_second,
                          100000000 AS peak_memory_bytes
                   FROM prompt""",
                run,
            )
            connection.execute(
                """INSERT INTO score BY NAME
                   SELECT $run AS run_id, prompt_id, 1 AS scorer_version, 60 AS words,
                          300 AS characters, 3 AS sentences, 3 AS lines,
                          position % 97 = 0 AS empty, 0.1 AS repetition_ratio,
                          hash(position * 7 + $run) % 10 < 3 AS repetitive, false AS garbage,
                          0.5 AS distinct_1, 0.5 AS distinct_2, 0.1 AS rep_4, 1.5 AS zlib_ratio,
                          (hash(position + $run) % 3)::INTEGER AS constraints_met,
                          2 AS constraints_total, 2 AS constraints_judged,
                          hash(position + $run) % 3 = 2 AS adherent,
                          hash(position * 5 + $run) % 20 = 0 AS degenerate
                   FROM prompt""",
                run,
            )
            connection.execute(
                """INSERT INTO verdict BY NAME
                   SELECT $run AS run_id, prompt_id, place AS position,
                          ['word_count', 'code_parses'][place + 1] AS check_name,
                          '{}' AS arguments,
                          CASE WHEN hash(position + $run + place) % 3 = 0 THEN 'fail'
                               ELSE 'pass' END AS status,
                          'found something' AS explanation
                   FROM prompt, range(2) places(place)""",
                run,
            )


def measure_million(browser: Browser, folder: Path) -> None:
    """Metrics, one prompt's outputs and the grid of all, each on a fresh server; and its memory."""
    db = folder / "million.duckdb"
    make_million(db)
    print(f"\na million generations, {db.stat().st_size / 1e6:.0f} MB on disk")
    for name, view, path, shown in (
        ("Metrics", "", f"?study={MILLION_STUDY}", "tr.marked"),
        ("Outputs", "", MILLION_PROMPT, "article"),
        ("Outputs", "grid", f"outputs?study={MILLION_STUDY}&view=grid", "table.grid td"),
    ):
        with serving(DASHBOARD, db) as (address, server):
            page = browser.new_page(viewport={"width": 1400, "height": 900})
            page.goto(f"{address}/about?study={MILLION_STUDY}")
            wait_shown(page, "table")
            page.wait_for_timeout(500)
            begin = time.perf_counter()
            page.get_by_test_id("stSidebarNavLink").filter(has_text=name).click()
            if view:
                wait_shown(page, "article")
                begin = time.perf_counter()
                page.get_by_test_id("stRadio").get_by_text(view).click()
            wait_shown(page, shown)
            seconds = time.perf_counter() - begin
            begin = time.perf_counter()
            page.goto(f"{address}/{path}")
            wait_shown(page, shown)
            reload = time.perf_counter() - begin
            memory = server.memory_info().rss / 1024**2
            page.close()
        print(
            f"{' '.join(filter(None, (name, view)))}: {seconds:.2f} s by a click, not seen before; "
            f"{reload:.2f} s as a link opened anew; server memory {memory:.0f} MiB"
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
