"""The playground with fake workers: order, warmth, memory, stopping, and failures in words."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.support.playground_fakes import Script, wait_until
from vibecore.catalog.memory import RUNTIME_BYTES
from vibecore.catalog.models import Config
from vibecore.catalog.suites import Constraint, Prompt
from vibecore.catalog.weights import Resolved, resolve
from vibecore.core.errors import RunError
from vibecore.core.records import Asking, FinishReason
from vibecore.live.playground import (
    Playground,
    Session,
    cards,
    choose_configs,
    make_request,
    own_prompt,
)
from vibecore.live.playground.cards import (
    asked_facts,
    pane_card,
    pane_row,
    verdict_table,
    why_no_answer,
)
from vibecore.runtime.device_queue import Residency, acquire, queue_of
from vibecore.scoring import score_output

PLENTY = 2**40
THREE = ("1M-bf16", "1M-8bit", "1M-4bit")


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def make(script: Script) -> Iterator[Callable[..., Playground]]:
    made: list[Playground] = []

    def playground(**options: Any) -> Playground:
        options.setdefault("free_bytes", lambda device: PLENTY)
        made.append(Playground(start_worker=script.start, **options))
        return made[-1]

    yield playground
    for one in made:
        one.close()
    assert script.alive == [], "a closed playground leaves no worker"


def request(*ids: str, **options: Any) -> Any:
    return make_request(own_prompt("Name a colour."), choose_configs(ids), device="cpu", **options)


def run(playground: Playground, *ids: str, **options: Any) -> Session:
    session = playground.submit(request(*ids, **options))
    assert session.finished.wait(60)
    return session


@pytest.fixture
def begin(make, script: Script) -> Callable[..., tuple[Playground, Session]]:
    """Begins a session that writes until it is stopped, and returns while it writes."""

    def begun(*ids: str) -> tuple[Playground, Session]:
        script.tokens, script.pause = 10_000, 0.005
        playground = make()
        session = playground.submit(request(*ids, max_new_tokens=10_000))
        wait_until(lambda: len(session.panes[0].pieces) > 5)
        return playground, session

    return begun


def statuses(session: Session) -> list[str]:
    return [pane.status for pane in session.panes]


def test_panes_run_one_after_another_in_order(make, script: Script) -> None:
    session = run(make(), *THREE)
    assert statuses(session) == ["done"] * 3
    assert script.loads == list(THREE)
    assert script.most_at_once == 1
    assert [pane.text for pane in session.panes] == ["word0 word1 word2 word3 word4 "] * 3
    assert all(pane.score is not None and pane.score.words == 5 for pane in session.panes)


def test_a_config_stays_warm_and_leaves_when_asked(make, script: Script) -> None:
    playground = make()
    run(playground, "1M-bf16", "1M-4bit")
    again = run(playground, "1M-4bit")
    assert again.panes[0].was_warm
    assert script.loads == ["1M-bf16", "1M-4bit"]
    assert [one.config for one in playground.loaded()] == ["1M-4bit", "1M-bf16"]
    playground.unload("1M-bf16")
    assert [one.config for one in playground.loaded()] == ["1M-4bit"]
    playground.unload()
    assert playground.loaded() == []
    assert script.alive == []


def test_the_same_name_in_another_folder_is_another_model(make, script: Script, tmp_path) -> None:
    from vibecore.catalog.demo_models import MODELS_DIR

    playground = make()
    run(playground, "1M-bf16")
    folder = tmp_path / "copies" / "1M"
    folder.parent.mkdir()
    folder.symlink_to(MODELS_DIR / "1M")
    session = run(playground, "1M-bf16", weights=str(folder.parent))
    assert not session.panes[0].was_warm
    assert len(playground.loaded()) == 2


def test_the_least_recently_used_leaves_when_memory_is_short(
    make, script: Script, monkeypatch
) -> None:
    each = 2 * RUNTIME_BYTES["cpu"]
    room = 2 * each
    monkeypatch.setattr("vibecore.live.playground.worker_pool._own_bytes", lambda pid: each)
    playground = make(free_bytes=lambda device: room - each * len(playground.loaded()))
    run(playground, "1M-bf16", "1M-8bit")
    run(playground, "1M-bf16")
    run(playground, "1M-4bit")
    assert [one.config for one in playground.loaded()] == ["1M-4bit", "1M-bf16"]


def test_what_cannot_fit_is_refused_with_what_would(make, script: Script) -> None:
    playground = make(free_bytes=lambda device: 2 * RUNTIME_BYTES["cpu"])
    run(playground, "1M-bf16")
    session = run(playground, "1.5B-bf16", "5M-4bit", weights="dummy")
    assert statuses(session) == ["failed", "done"]
    assert "needs about 6.25 GiB in memory" in session.panes[0].error
    assert "would fit" in session.panes[0].error
    assert [one.config for one in playground.loaded()] == ["5M-4bit", "1M-bf16"], (
        "nothing left for it"
    )


def test_a_failing_config_says_why_and_the_next_goes_on(make, script: Script) -> None:
    script.broken = {"1M-bf16": "no luck with the file"}
    script.dies_at = {"1M-8bit": 2}
    playground = make()
    session = run(playground, *THREE)
    assert statuses(session) == ["failed", "failed", "done"]
    assert session.panes[0].error == "no luck with the file"
    assert "signal 9" in session.panes[1].error
    assert session.panes[1].text == "word0 word1 ", "what was written stays"
    assert [one.config for one in playground.loaded()] == ["1M-4bit"]
    script.dies_at = {}
    assert statuses(run(playground, "1M-8bit")) == ["done"]


def test_an_unexpected_error_ends_the_pane_in_words(make, monkeypatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("what a surprise")

    monkeypatch.setattr("vibecore.live.playground.playground.score_output", fail)
    session = run(make(), "1M-bf16")
    assert statuses(session) == ["failed"]
    assert session.panes[0].error == "ZeroDivisionError: what a surprise"


def test_cuda_without_a_gpu_is_explained_in_every_pane(make, script: Script) -> None:
    session = make().submit(
        make_request(own_prompt("Hello"), choose_configs(["1M-bf16", "5M-bf16"]), device="cuda")
    )
    assert session.finished.wait(60)
    assert statuses(session) == ["failed", "failed"]
    assert "--device cpu" in session.panes[1].error


def test_the_worker_that_told_the_device_is_the_first_to_load(
    make, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vibecore.live.playground.playground.likely_device", lambda asked: "cuda")
    script.has_gpu = True
    playground = make()
    prompt, configs = own_prompt("Hello"), choose_configs(["1M-bf16", "5M-bf16"])
    session = playground.submit(make_request(prompt, configs, device="auto"))
    assert session.finished.wait(60)
    assert statuses(session) == ["done", "done"]
    assert [worker.config for worker in script.started] == ["1M-bf16", "5M-bf16"]


def test_a_worker_that_told_the_device_and_had_nothing_to_load_is_ended(
    make, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vibecore.live.playground.playground.likely_device", lambda asked: "cuda")
    script.has_gpu = True
    playground = make(free_bytes=lambda device: 1)
    session = playground.submit(
        make_request(own_prompt("Hello"), choose_configs(["1M-bf16"]), device="auto")
    )
    assert session.finished.wait(60)
    assert statuses(session) == ["failed"] and script.loads == []
    assert len(script.started) == 1 and script.alive == []


def test_stop_ends_the_pane_under_way_and_those_after_it(begin, script: Script) -> None:
    playground, session = begin(*THREE)
    playground.stop(session)
    assert session.finished.wait(60)
    assert statuses(session) == ["stopped"] * 3
    assert 3 < session.panes[0].generation.new_tokens < 1000
    assert session.panes[0].score is not None
    assert script.loads == ["1M-bf16"]
    script.tokens = 3
    assert statuses(run(playground, "1M-bf16")) == ["done"], "its worker is as good as before"


def test_a_stop_that_came_too_early_is_said_again(begin) -> None:
    """A stop before `generate` is under way is lost on the worker; the watcher repeats it."""
    _, session = begin("1M-bf16")
    session.cancelled.set()
    assert session.finished.wait(60)
    assert statuses(session) == ["stopped"]


def test_stop_while_loading_does_not_wait_for_it(make, script: Script) -> None:
    script.load_pause = 60
    playground = make()
    session = playground.submit(request("1M-bf16"))
    wait_until(lambda: script.loads)
    playground.stop(session)
    assert session.finished.wait(60)
    assert statuses(session) == ["stopped"]
    assert (script.alive, playground.loaded()) == ([], [])


def test_a_try_that_nobody_looks_at_ends(make, script: Script, monkeypatch) -> None:
    monkeypatch.setattr("vibecore.live.playground.session.ABANDONED_SECONDS", 0.2)
    script.tokens, script.pause = 10_000, 0.005
    playground = make()
    left = playground.submit(request("1M-bf16", max_new_tokens=10_000))
    assert left.finished.wait(60)
    assert statuses(left) == ["stopped"]
    watched = playground.submit(request("1M-bf16", max_new_tokens=10_000), is_watched=lambda: True)
    assert not watched.finished.wait(1)
    playground.stop(watched)


def test_two_tries_share_the_device_and_know_their_place(begin, script: Script) -> None:
    playground, first = begin("1M-bf16")
    second = playground.submit(request("1M-4bit"))
    wait_until(lambda: second.panes[0].ahead)
    assert second.panes[0].ahead == ("a prompt on 1M-bf16",)
    assert pane_card(second, second.panes[0])["facts"] == ["place 1 in the queue"]
    playground.stop(second)
    assert second.finished.wait(60), "who waits can stop waiting"
    third = playground.submit(request("1M-4bit", max_new_tokens=3))
    playground.stop(first)
    assert third.finished.wait(60)
    assert statuses(third) == ["done"]
    assert script.most_at_once == 1
    assert queue_of("cpu") == []


def test_a_run_gets_the_device_empty_and_the_users_are_told(make, script: Script) -> None:
    playground = make()
    run(playground, "1M-bf16", "1M-4bit")
    began = time.monotonic()
    with acquire("cpu", "study night", clear=True) as remained:
        assert time.monotonic() - began < 2
        assert remained == []
        assert (playground.loaded(), script.alive) == ([], [])
        waiting = playground.submit(request("1M-bf16"))
        wait_until(lambda: waiting.panes[0].ahead)
        assert waiting.panes[0].ahead == ("study night",)
    assert waiting.finished.wait(60)
    wait_until(lambda: playground.notices)
    assert "because study night waits for the cpu" in playground.notices[-1][1]


def test_a_generation_under_way_is_finished_before_a_run_begins(make, script: Script) -> None:
    script.tokens, script.pause = 60, 0.01
    playground = make()
    session = playground.submit(request("1M-bf16", "1M-4bit", max_new_tokens=60))
    wait_until(lambda: session.panes[0].pieces)
    found: list[list[str]] = []

    def study() -> None:
        with acquire("cpu", "study night", clear=True):
            found.append(statuses(session))

    thread = threading.Thread(target=study)
    thread.start()
    thread.join(10)
    assert found == [["done", "queued"]], "the run comes between two panes"
    assert session.finished.wait(60)
    assert statuses(session) == ["done", "done"]


def test_what_is_loaded_is_marked_for_other_processes(make) -> None:
    playground = make()
    run(playground, "1M-bf16")
    ahead: list[Any] = []
    with acquire("cpu", "a run", clear=True, on_wait=ahead.append):
        pass
    assert [ticket.what for ticket in ahead[0]] == ["the playground (1M-bf16)"]
    assert Residency("cpu", "x").wanted() is None


def test_idle_and_dead_workers_leave(make, script: Script) -> None:
    playground = make(idle_seconds=0.2)
    run(playground, "1M-bf16")
    wait_until(lambda: not playground.loaded())
    wait_until(lambda: playground.notices)
    assert "1M-bf16 unloaded after" in playground.notices[-1][1]
    steady = make()
    run(steady, "1M-bf16")
    script.started[-1].ended.set()
    wait_until(lambda: not steady.loaded())


def test_a_closed_panel_stops_everything_and_takes_no_more(begin, script: Script) -> None:
    playground, session = begin("1M-bf16")
    playground.close()
    assert session.finished.is_set()
    assert script.alive == []
    with pytest.raises(RunError, match="closed"):
        playground.submit(request("1M-bf16"))


def test_sampling_reaches_the_worker_and_is_marked(make, script: Script) -> None:
    session = run(make(), "1M-bf16", temperature=0.7, top_p=0.9, seed=4)
    assert vars(script.decodings[0]) == {"temperature": 0.7, "top_p": 0.9, "seed": 4}
    # What a GPU replays is recorded for it before the answer is timed.
    assert script.prepared == script.decodings
    assert "not comparable" in pane_card(session, session.panes[0])["label"]
    assert pane_row(session, session.panes[0])["comparable"] is False


def test_how_a_model_is_asked_reaches_the_worker_and_is_said(make, script: Script) -> None:
    playground = make()
    session = run(playground, "1M-bf16", chat="on", system="Be brief.", thinking="off")
    assert script.askings == [Asking("on", "Be brief.", "off")]
    [fact] = asked_facts(session.panes[0])
    assert fact.startswith("base model, ")
    assert "chat template" in fact
    assert "system text" in fact
    assert fact in pane_card(session, session.panes[0])["facts"]
    row = pane_row(session, session.panes[0])
    assert (row["kind"], row["chat_template"], row["system"]) == ("base", True, "Be brief.")
    assert row["rendered_prompt"] == "<|user|>Name a colour.<|end|>"
    plain = run(playground, "1M-bf16", chat="off")
    assert "plain text" in asked_facts(plain.panes[0])[0]


def test_how_weights_were_stored_is_said(make, monkeypatch: pytest.MonkeyPatch) -> None:
    def from_gguf(config: Config, weights: str, device: str = "auto") -> Resolved:
        return replace(resolve(config, weights, device), stored_as="gguf Q4_K_M")

    monkeypatch.setattr("vibecore.live.playground.playground.resolve", from_gguf)
    session = run(make(), "1M-4bit")
    assert asked_facts(session.panes[0])[1] == "gguf Q4_K_M → 4bit"
    assert pane_row(session, session.panes[0])["stored_as"] == "gguf Q4_K_M"


def test_a_model_asked_otherwise_is_loaded_again_in_the_place_of_itself(
    make, script: Script
) -> None:
    playground = make()
    run(playground, "1M-bf16", chat="on", system="Be brief.")
    run(playground, "1M-bf16", chat="on", system="Be polite.")
    assert [asking.system for asking in script.askings] == ["Be brief.", "Be polite."]
    assert len(playground.loaded()) == 1, "one model is not held twice for two system texts"
    assert run(playground, "1M-bf16", chat="on", system="Be polite.").panes[0].was_warm
    run(playground, "1M-4bit", system="Be brief.")
    again = run(playground, "1M-4bit", system="Be polite.")
    assert again.panes[0].was_warm, "it has no template that a system text would reach"


def test_reasoning_is_apart_from_the_answer_and_not_scored(make, script: Script) -> None:
    script.reasoning = 3
    session = run(make(), "1M-bf16")
    [pane] = session.panes
    assert "".join(pane.reasoning_pieces) == pane.reasoning == "word0 word1 word2 "
    assert "".join(pane.pieces) == pane.text == "word3 word4 "
    assert pane.score.words == 2
    folds = {fold["name"]: fold["text"] for fold in pane_card(session, pane)["folds"]}
    assert folds == {"prompt": "<|user|>Name a colour.<|end|>", "reasoning": pane.reasoning}
    row = pane_row(session, pane)
    assert (row["text"], row["reasoning"], row["reasoning_tokens"]) == (
        "word3 word4 ",
        "word0 word1 word2 ",
        3,
    )


def test_reasoning_under_way_is_shown_and_can_be_stopped(make, script: Script) -> None:
    script.tokens, script.pause, script.reasoning = 10_000, 0.005, 10_000
    playground = make()
    session = playground.submit(request("1M-bf16", max_new_tokens=10_000))
    [pane] = session.panes
    wait_until(lambda: len(pane.reasoning_pieces) > 5)
    card = pane_card(session, pane)
    assert [fold["name"] for fold in card["folds"]] == ["reasoning"]
    assert card["folds"][0]["text"].startswith("word0 word1 ")
    assert card["instead"] == "Thinking; no answer yet."
    assert any("tok/s" in fact for fact in card["facts"])
    playground.stop(session)
    assert session.finished.wait(60)
    assert (pane.status, pane.score) == ("stopped", None)
    assert "Stopped while it was thinking" in pane_card(session, pane)["instead"]


@pytest.mark.parametrize(
    ("ends", "reasoning", "says"),
    [
        ("thinking", 5, "still reasoning"),
        ("non_finite", 0, "not scored"),
    ],
)
def test_what_is_no_answer_is_said_and_has_no_scores(
    make, script: Script, ends: FinishReason, reasoning: int, says: str
) -> None:
    script.ends, script.reasoning = ends, reasoning
    session = run(make(), "1M-bf16")
    [pane] = session.panes
    assert (pane.status, pane.score) == ("done", None)
    card = pane_card(session, pane)
    assert says in f"{card['instead']} {card['notice']}"
    assert says in (why_no_answer(pane) or "")
    assert card["scores"] == []
    assert (
        verdict_table(session, [Constraint("word_count", {"relation": "ge", "count": 1})])[
            "columns"
        ][2:]
        == []
    )
    row = pane_row(session, pane)
    assert (row["finish_reason"], row["repetition_ratio"]) == (ends, None)


def test_cards_say_what_each_pane_is_doing(begin) -> None:
    playground, session = begin("1M-bf16", "1M-4bit")
    running, queued = (pane_card(session, pane) for pane in session.panes)
    assert running["status"] == "running"
    assert running["busy"]
    assert running["facts"][0] == "running"
    assert any("tok/s" in fact for fact in running["facts"])
    assert {score["label"] for score in running["scores"]} >= {"repetition", "words"}
    assert queued["instead"] == "Runs after the configs before it."
    playground.stop(session)
    assert session.finished.wait(60)
    stopped, never = (pane_card(session, pane) for pane in session.panes)
    assert stopped["facts"][0] == "stopped"
    assert stopped["text"].startswith("word0 ")
    assert never["instead"] == "Stopped before it began to write."


def test_an_ended_pane_is_judged_once_a_constraint(make, monkeypatch) -> None:
    def counted(text: str, constraint: Constraint, *how: Any, **options: Any) -> Any:
        judged.append(constraint.arguments["count"])
        return judge_output(text, constraint, *how, **options)

    judged: list[int] = []
    judge_output = cards.judge_output
    monkeypatch.setattr(cards, "judge_output", counted)
    four, five, six = (
        Constraint("word_count", {"relation": "eq", "count": count}) for count in (4, 5, 6)
    )
    prompt = Prompt("one", "instruction", "Name five words.", (five,))
    configs = choose_configs(["1M-bf16", "1M-4bit"])
    session = make().submit(make_request(prompt, configs, device="cpu"))
    assert session.finished.wait(60)
    for constraints in ([five, four], [five, four], [six, four]):
        table = verdict_table(session, constraints)
    assert judged == [4, 4, 6, 6], "each pane once; with the prompt's own they were scored"
    assert [[cell["text"] for cell in row["cells"][2:]] for row in table["rows"]] == [
        ["× not met"] * 2
    ] * 2
    assert verdict_table(session, [five])["rows"][0]["cells"][2]["text"] == "✓ met"


def test_a_constraint_typed_later_knows_that_the_answer_was_cut(make, script) -> None:
    script.ends = "length"
    prompt = Prompt("one", "instruction", "Name five words.", ())
    request = make_request(prompt, choose_configs(["1M-bf16"]), device="cpu")
    session = make().submit(request)
    assert session.finished.wait(60)
    more = Constraint("word_count", {"relation": "ge", "count": 500})
    [row] = verdict_table(session, [more])["rows"]
    assert "(fails so far: the answer was cut off at " in row["cells"][2]["note"]
    script.ends = "eos"
    session = make().submit(request)
    assert session.finished.wait(60)
    [row] = verdict_table(session, [more])["rows"]
    assert "so far" not in row["cells"][2]["note"]


def test_a_constraint_typed_later_is_judged_as_one_of_the_prompt_where_the_answer_loops(
    make, script
) -> None:
    """What stands whole is judged there too: a function, then a string that goes on and on."""
    script.ends = "length"
    parses = Constraint("code_parses", {})
    prompt = Prompt("one", "code", "Write f.", ())
    session = make().submit(make_request(prompt, choose_configs(["1M-bf16"]), device="cpu"))
    assert session.finished.wait(60)
    [pane] = session.panes
    text = "```python\ndef f(x):\n    return x\n\n\nassert f('" + "ab" * 200
    pane.generation = replace(pane.generation, text=text)
    asked = Prompt("one", "code", "Write f.", (parses,))
    scored = score_output(asked, text, finish_reason="length")
    assert scored.broken_by == ("loop",)
    pane.score = replace(scored, constraints=())
    [row] = verdict_table(session, [parses])["rows"]
    assert scored.constraints[0].status == "pass"
    assert row["cells"][2] == {
        "text": "✓ met",
        "note": scored.constraints[0].explanation,
    }
