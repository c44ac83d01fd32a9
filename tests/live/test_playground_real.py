"""The live playground on real workers and the demo models; the `try` command; and that nothing of
them is left behind."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import psutil
import pytest

from tests.support.commands import called
from tests.support.playground_fakes import wait_until
from tests.support.processes import own_processes, workers
from tests.support.real_study import NEW_TOKENS, demo_outputs
from vibecore.catalog.models import family_configs
from vibecore.core.paths import PROJECT_ROOT
from vibecore.core.rows import OutputRow
from vibecore.live.playground import (
    Playground,
    Request,
    Session,
    choose_configs,
    make_request,
    own_prompt,
    suite_prompt,
)
from vibecore.runtime import fork_server

PROMPT = "code_003"
# Llm.int8() of the larger demo model is the slowest: some 100 tokens a second.
SLOW = "5M-8bit"
# The demo models answer it to the last token they may.
LONG = "aaaa aaaa aaaa"


@pytest.fixture(scope="module", autouse=True)
def forks() -> Iterator[None]:
    """One fork server for all of these, which ends where nobody else holds it."""
    with fork_server.kept_running():
        yield
    assert own_processes() == []


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> dict[str, OutputRow]:
    return demo_outputs(tmp_path_factory.mktemp("study"), PROMPT)


@pytest.fixture
def playground() -> Iterator[Playground]:
    before = {process.pid for process in workers()}
    made = Playground()
    yield made
    made.close()
    assert {process.pid for process in workers()} == before, "a worker was left behind"


def long_story() -> Request:
    """What takes some seconds."""
    prompt = own_prompt(LONG)
    return make_request(prompt, choose_configs([SLOW]), device="cpu", max_new_tokens=450)


def run(
    playground: Playground, *ids: str, text: str = "Name a colour.", **options: object
) -> Session:
    request = make_request(own_prompt(text), choose_configs(ids), device="cpu", **options)  # type: ignore[arg-type]
    session = playground.submit(request, is_watched=lambda: True)
    assert session.finished.wait(120)
    return session


def wait_for_pieces(session: Session, count: int) -> None:
    """Until the first pane shows that many pieces of text, or has ended without them."""
    pane = session.panes[0]
    wait_until(
        lambda: len(pane.pieces) >= count or session.finished.is_set(),
        seconds=150,
        told=lambda: (pane.status, pane.ahead, pane.error),
    )
    assert len(pane.pieces) >= count, (pane.status, pane.error)


def test_six_configs_write_what_the_study_has_stored(
    playground: Playground, stored: dict[str, OutputRow]
) -> None:
    prompt, configs = suite_prompt("vibe30", PROMPT), family_configs("demo")
    request = make_request(prompt, configs, device="cpu", max_new_tokens=NEW_TOKENS)
    session = playground.submit(request, is_watched=lambda: True)
    assert session.finished.wait(180)
    assert [pane.error for pane in session.panes] == [None] * 6
    assert {pane.config.id: list(pane.generation.token_ids) for pane in session.panes} == {
        config: row.token_ids for config, row in stored.items()
    }
    assert ["".join(p.pieces) for p in session.panes] == [p.generation.text for p in session.panes]
    assert all(p.score.constraints for p in session.panes)
    assert len(workers()) >= 6


def test_bad_input_is_a_sentence_and_the_worker_lives_on(playground: Playground) -> None:
    session = run(playground, "1M-bf16", text="word " * 2000)
    assert "context is 512" in session.panes[0].error
    assert len(playground.loaded()) == 1
    again = run(playground, "1M-bf16", max_new_tokens=5)
    assert (again.panes[0].status, again.panes[0].was_warm) == ("done", True)
    session = run(playground, "1M-bf16", max_new_tokens=30_000)
    assert "context is 512" in session.panes[0].error


def test_a_killed_worker_is_told_and_replaced(playground: Playground) -> None:
    request = long_story()
    session = playground.submit(request, is_watched=lambda: True)
    wait_for_pieces(session, 1)
    os.kill(playground.loaded()[0].pid, signal.SIGKILL)
    assert session.finished.wait(60)
    assert session.panes[0].status == "failed"
    assert "signal 9" in session.panes[0].error
    assert session.panes[0].text
    assert playground.loaded() == []
    assert run(playground, SLOW, max_new_tokens=5).panes[0].status == "done"


def test_stop_works_within_a_token(playground: Playground) -> None:
    run(playground, SLOW, max_new_tokens=5)
    request = long_story()
    session = playground.submit(request, is_watched=lambda: True)
    wait_for_pieces(session, 5)
    playground.stop(session)
    had = len(session.panes[0].pieces)
    assert session.finished.wait(60)
    assert session.panes[0].status == "stopped"
    # The token under way, and what was between the processes when the stop was sent.
    assert session.panes[0].generation.new_tokens <= had + 15


def test_twenty_tries_leave_memory_and_processes_as_they_were(playground: Playground) -> None:
    """Panes of changing configs: the memory of server and workers comes back to its start."""
    configs = [config.id for config in family_configs("demo")]

    def round_of_tries(count: int) -> None:
        for index in range(count):
            run(playground, configs[index % 2 * 3], max_new_tokens=40, text=f"Count to {index}.")

    round_of_tries(2)
    gc.collect()
    held = {process.pid: process.memory_info().rss for process in workers()}
    own, threads = psutil.Process().memory_info().rss, threading.active_count()
    round_of_tries(20)
    gc.collect()
    assert len(playground.loaded()) == len(workers()) == 2
    assert psutil.Process().memory_info().rss < own * 1.05
    assert threading.active_count() <= threads
    for process in workers():
        assert process.memory_info().rss < held[process.pid] * 1.05
    playground.unload()
    assert workers() == []


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "vibecore", "try", *words, "--device", "cpu"]


def test_the_command_streams_texts_and_tells_figures(stored: dict[str, OutputRow]) -> None:
    done = subprocess.run(
        command(
            *("--suite", "vibe30", "--prompt", PROMPT, "--config", "1M-bf16"),
            f"--max-new-tokens={NEW_TOKENS}",
        ),
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{stored['1M-bf16'].text}\n"
    assert "tok/s" in done.stderr
    assert "pass    code_parses" in done.stderr or "fail    code_parses" in done.stderr


def test_the_command_writes_json_alone_and_fails_by_its_kind(tmp_path) -> None:
    done = subprocess.run(
        command("Hello", "--config=1M-4bit,5M-bf16", "--max-new-tokens=4", "--format=json"),
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
    )
    rows = json.loads(done.stdout)
    assert [(row["config"], row["status"], len(row["token_ids"])) for row in rows] == [
        ("1M-4bit", "done", 4),
        ("5M-bf16", "done", 4),
    ]
    wrong = [
        ("  ", "--config", "1M-bf16"),
        ("Hello",),
        ("Hello", "--config", "1M-bf16", "--max-new-tokens", "0"),
        ("Hello", "--model", str(tmp_path), "--precision", "bf16"),
    ]
    for words in wrong:
        failed = called("try", *words, "--device", "cpu")
        assert failed.returncode == 2, words
        assert "Traceback" not in failed.stderr
        assert failed.stdout == ""


def test_ctrl_c_stops_the_command_cleanly() -> None:
    process = subprocess.Popen(
        command(LONG, "--config", SLOW, "--max-new-tokens", "450"),
        cwd=PROJECT_ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.read(20)
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=20)
    assert process.returncode == 130
    assert b"Traceback" not in told
    assert not any(child.is_running() for child in children)
