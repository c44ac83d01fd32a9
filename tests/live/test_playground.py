"""The live panel with fake workers: order, warmth, memory, stopping, and what each failure says."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.panel_fakes import Script, wait_until
from vibecore.catalog.suites import Constraint, Prompt
from vibecore.core.errors import RunError
from vibecore.live.playground import (
    Panel,
    Try,
    cards,
    choose_configs,
    make_wish,
    manager,
    own_prompt,
    tries,
)
from vibecore.live.playground.cards import pane_card, pane_row, verdict_table
from vibecore.live.playground.fit import PROCESS_BYTES
from vibecore.runtime.device_queue import Residency, tickets, turn

PLENTY = 2**40
THREE = ("1M-bf16", "1M-8bit", "1M-4bit")


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def make(script: Script) -> Iterator[Callable[..., Panel]]:
    made: list[Panel] = []

    def panel(**options: Any) -> Panel:
        options.setdefault("free_bytes", lambda device: PLENTY)
        made.append(Panel(start_worker=script.start, **options))
        return made[-1]

    yield panel
    for one in made:
        one.close()
    assert script.alive == [], "a closed panel leaves no worker"


def wish(*ids: str, **options: Any) -> Any:
    return make_wish(own_prompt("Name a colour."), choose_configs(ids), device="cpu", **options)


def run(panel: Panel, *ids: str, **options: Any) -> Try:
    tried = panel.submit(wish(*ids, **options))
    assert tried.finished.wait(20)
    return tried


def statuses(tried: Try) -> list[str]:
    return [pane.status for pane in tried.panes]


def test_panes_run_one_after_another_in_order(make, script: Script) -> None:
    tried = run(make(), *THREE)
    assert statuses(tried) == ["done"] * 3
    assert script.loads == list(THREE)
    assert script.most_at_once == 1
    assert [pane.text for pane in tried.panes] == ["word0 word1 word2 word3 word4 "] * 3
    assert all(pane.score is not None and pane.score.words == 5 for pane in tried.panes)


def test_a_config_stays_warm_and_leaves_when_asked(make, script: Script) -> None:
    panel = make()
    run(panel, "1M-bf16", "1M-4bit")
    again = run(panel, "1M-4bit")
    assert again.panes[0].was_warm
    assert script.loads == ["1M-bf16", "1M-4bit"]
    assert [one.config for one in panel.loaded()] == ["1M-4bit", "1M-bf16"]
    panel.unload("1M-bf16")
    assert [one.config for one in panel.loaded()] == ["1M-4bit"]
    panel.unload()
    assert panel.loaded() == []
    assert script.alive == []


def test_the_same_name_in_another_folder_is_another_model(make, script: Script, tmp_path) -> None:
    from vibecore.catalog.demo_models import MODELS_DIR

    panel = make()
    run(panel, "1M-bf16")
    folder = tmp_path / "copies" / "1M"
    folder.parent.mkdir()
    folder.symlink_to(MODELS_DIR / "1M")
    tried = run(panel, "1M-bf16", weights=str(folder.parent))
    assert not tried.panes[0].was_warm
    assert len(panel.loaded()) == 2


def test_the_least_recently_used_leaves_when_memory_is_short(
    make, script: Script, monkeypatch
) -> None:
    each = 2 * PROCESS_BYTES
    room = 2 * each
    monkeypatch.setattr("vibecore.live.playground.pool._own_bytes", lambda pid: each)
    panel = make(free_bytes=lambda device: room - each * len(panel.loaded()))
    run(panel, "1M-bf16", "1M-8bit")
    run(panel, "1M-bf16")
    run(panel, "1M-4bit")
    assert [one.config for one in panel.loaded()] == ["1M-4bit", "1M-bf16"]


def test_what_cannot_fit_is_refused_with_what_would(make, script: Script) -> None:
    panel = make(free_bytes=lambda device: 2 * PROCESS_BYTES)
    run(panel, "1M-bf16")
    tried = run(panel, "1.5B-bf16", "5M-4bit", weights="dummy")
    assert statuses(tried) == ["failed", "done"]
    assert "needs about 6.25 GiB in memory" in tried.panes[0].error
    assert "would fit" in tried.panes[0].error
    assert [one.config for one in panel.loaded()] == ["5M-4bit", "1M-bf16"], "nothing left for it"


def test_a_failing_config_says_why_and_the_next_goes_on(make, script: Script) -> None:
    script.broken = {"1M-bf16": "no luck with the file"}
    script.dies_at = {"1M-8bit": 2}
    panel = make()
    tried = run(panel, *THREE)
    assert statuses(tried) == ["failed", "failed", "done"]
    assert tried.panes[0].error == "no luck with the file"
    assert "signal 9" in tried.panes[1].error
    assert tried.panes[1].text == "word0 word1 ", "what was written stays"
    assert [one.config for one in panel.loaded()] == ["1M-4bit"]
    script.dies_at = {}
    assert statuses(run(panel, "1M-8bit")) == ["done"]


def test_an_unexpected_error_ends_the_pane_in_words(make, monkeypatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("what a surprise")

    monkeypatch.setattr(manager, "score_output", fail)
    tried = run(make(), "1M-bf16")
    assert statuses(tried) == ["failed"]
    assert tried.panes[0].error == "ZeroDivisionError: what a surprise"


def test_cuda_without_a_gpu_is_explained_in_every_pane(make, script: Script) -> None:
    tried = make().submit(
        make_wish(own_prompt("Hello"), choose_configs(["1M-bf16", "5M-bf16"]), device="cuda")
    )
    assert tried.finished.wait(10)
    assert statuses(tried) == ["failed", "failed"]
    assert "--device cpu" in tried.panes[1].error


def test_stop_ends_the_pane_under_way_and_those_after_it(make, script: Script) -> None:
    script.tokens, script.pause = 10_000, 0.005
    panel = make()
    tried = panel.submit(wish(*THREE, max_new_tokens=10_000))
    wait_until(lambda: len(tried.panes[0].pieces) > 3)
    panel.stop(tried)
    assert tried.finished.wait(5)
    assert statuses(tried) == ["stopped"] * 3
    assert 3 < tried.panes[0].generation.new_tokens < 1000
    assert tried.panes[0].score is not None
    assert script.loads == ["1M-bf16"]
    script.tokens = 3
    assert statuses(run(panel, "1M-bf16")) == ["done"], "its worker is as good as before"


def test_a_stop_that_came_too_early_is_said_again(make, script: Script) -> None:
    """A stop before `generate` is under way is lost on the worker; the watcher repeats it."""
    script.tokens, script.pause = 10_000, 0.005
    panel = make()
    tried = panel.submit(wish("1M-bf16", max_new_tokens=10_000))
    wait_until(lambda: tried.panes[0].pieces)
    tried.cancelled.set()
    assert tried.finished.wait(5)
    assert statuses(tried) == ["stopped"]


def test_stop_while_loading_does_not_wait_for_it(make, script: Script) -> None:
    script.load_pause = 60
    panel = make()
    tried = panel.submit(wish("1M-bf16"))
    wait_until(lambda: script.loads)
    panel.stop(tried)
    assert tried.finished.wait(5)
    assert statuses(tried) == ["stopped"]
    assert (script.alive, panel.loaded()) == ([], [])


def test_a_try_that_nobody_looks_at_ends(make, script: Script, monkeypatch) -> None:
    monkeypatch.setattr(tries, "ABANDONED_SECONDS", 0.2)
    script.tokens, script.pause = 10_000, 0.005
    panel = make()
    left = panel.submit(wish("1M-bf16", max_new_tokens=10_000))
    assert left.finished.wait(5)
    assert statuses(left) == ["stopped"]
    watched = panel.submit(wish("1M-bf16", max_new_tokens=10_000), is_watched=lambda: True)
    assert not watched.finished.wait(1)
    panel.stop(watched)


def test_two_tries_share_the_device_and_know_their_place(make, script: Script) -> None:
    script.tokens, script.pause = 10_000, 0.005
    panel = make()
    first = panel.submit(wish("1M-bf16", max_new_tokens=10_000))
    wait_until(lambda: first.panes[0].pieces)
    second = panel.submit(wish("1M-4bit"))
    wait_until(lambda: second.panes[0].ahead)
    assert second.panes[0].ahead == ("a try of 1M-bf16",)
    assert pane_card(second, second.panes[0])["facts"] == ["place 1 in the queue"]
    panel.stop(second)
    assert second.finished.wait(5), "who waits can stop waiting"
    third = panel.submit(wish("1M-4bit", max_new_tokens=3))
    panel.stop(first)
    assert third.finished.wait(5)
    assert statuses(third) == ["done"]
    assert script.most_at_once == 1
    assert tickets("cpu") == []


def test_a_run_gets_the_device_empty_and_the_users_are_told(make, script: Script) -> None:
    panel = make()
    run(panel, "1M-bf16", "1M-4bit")
    began = time.monotonic()
    with turn("cpu", "study night", clear=True) as remained:
        assert time.monotonic() - began < 2
        assert remained == []
        assert (panel.loaded(), script.alive) == ([], [])
        waiting = panel.submit(wish("1M-bf16"))
        wait_until(lambda: waiting.panes[0].ahead)
        assert waiting.panes[0].ahead == ("study night",)
    assert waiting.finished.wait(5)
    wait_until(lambda: panel.notices)
    assert "because study night waits for the cpu" in panel.notices[-1][1]


def test_a_generation_under_way_is_finished_before_a_run_begins(make, script: Script) -> None:
    script.tokens, script.pause = 60, 0.01
    panel = make()
    tried = panel.submit(wish("1M-bf16", "1M-4bit", max_new_tokens=60))
    wait_until(lambda: tried.panes[0].pieces)
    found: list[list[str]] = []

    def study() -> None:
        with turn("cpu", "study night", clear=True):
            found.append(statuses(tried))

    thread = threading.Thread(target=study)
    thread.start()
    thread.join(10)
    assert found == [["done", "queued"]], "the run comes between two panes"
    assert tried.finished.wait(10)
    assert statuses(tried) == ["done", "done"]


def test_what_is_loaded_is_marked_for_other_processes(make) -> None:
    panel = make()
    run(panel, "1M-bf16")
    ahead: list[Any] = []
    with turn("cpu", "a run", clear=True, on_wait=ahead.append):
        pass
    assert [ticket.what for ticket in ahead[0]] == ["the live panel (1M-bf16)"]
    assert Residency("cpu", "x").wanted() is None


def test_idle_and_dead_workers_leave(make, script: Script) -> None:
    panel = make(idle_seconds=0.2)
    run(panel, "1M-bf16")
    wait_until(lambda: not panel.loaded())
    wait_until(lambda: panel.notices)
    assert "1M-bf16 left after" in panel.notices[-1][1]
    steady = make()
    run(steady, "1M-bf16")
    script.started[-1].ended.set()
    wait_until(lambda: not steady.loaded())


def test_a_closed_panel_stops_everything_and_takes_no_more(make, script: Script) -> None:
    script.tokens, script.pause = 10_000, 0.005
    panel = make()
    tried = panel.submit(wish("1M-bf16", max_new_tokens=10_000))
    wait_until(lambda: tried.panes[0].pieces)
    panel.close()
    assert tried.finished.is_set()
    assert script.alive == []
    with pytest.raises(RunError, match="closed"):
        panel.submit(wish("1M-bf16"))


def test_sampling_reaches_the_worker_and_is_marked(make, script: Script) -> None:
    tried = run(make(), "1M-bf16", temperature=0.7, top_p=0.9, seed=4)
    assert vars(script.decodings[0]) == {"temperature": 0.7, "top_p": 0.9, "seed": 4}
    assert "not comparable" in pane_card(tried, tried.panes[0])["label"]
    assert pane_row(tried, tried.panes[0])["comparable"] is False


def test_cards_say_what_each_pane_is_doing(make, script: Script) -> None:
    script.tokens, script.pause = 10_000, 0.005
    panel = make()
    tried = panel.submit(wish("1M-bf16", "1M-4bit", max_new_tokens=10_000))
    wait_until(lambda: len(tried.panes[0].pieces) > 5)
    running, queued = (pane_card(tried, pane) for pane in tried.panes)
    assert running["status"] == "running"
    assert running["busy"]
    assert running["facts"][0] == "running"
    assert any("tok/s" in fact for fact in running["facts"])
    assert {score["label"] for score in running["scores"]} >= {"repetition", "words"}
    assert queued["instead"] == "Its turn comes after the panes before it."
    panel.stop(tried)
    assert tried.finished.wait(5)
    stopped, never = (pane_card(tried, pane) for pane in tried.panes)
    assert stopped["facts"][0] == "stopped"
    assert stopped["text"].startswith("word0 ")
    assert never["instead"] == "Stopped before it began to write."


def test_an_ended_pane_is_judged_once_a_constraint(make, monkeypatch) -> None:
    def counted(text: str, constraint: Constraint, **options: Any) -> Any:
        judged.append(constraint.arguments["count"])
        return judge(text, constraint, **options)

    judged: list[int] = []
    judge = cards.judge
    monkeypatch.setattr(cards, "judge", counted)
    four, five, six = (
        Constraint("word_count", {"relation": "eq", "count": count}) for count in (4, 5, 6)
    )
    prompt = Prompt("one", "instruction", "Name five words.", (five,))
    configs = choose_configs(["1M-bf16", "1M-4bit"])
    tried = make().submit(make_wish(prompt, configs, device="cpu"))
    assert tried.finished.wait(20)
    for constraints in ([five, four], [five, four], [six, four]):
        table = verdict_table(tried, constraints)
    assert judged == [4, 4, 6, 6], "each pane once; with the prompt's own they were scored"
    assert [[cell["text"] for cell in row["cells"][2:]] for row in table["rows"]] == [
        ["× not met"] * 2
    ] * 2
    assert verdict_table(tried, [five])["rows"][0]["cells"][2]["text"] == "✓ met"
