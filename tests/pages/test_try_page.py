"""The page Try a prompt, driven by AppTest with fake workers: what it shows and refuses."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from pages.parts import page_table, playground_view
from tests.support import pages
from tests.support.pages import buttons, component, errors, html, press, warnings
from tests.support.playground_fakes import Script, wait_until
from vibecore import store
from vibecore.catalog.demo_models import MODELS_DIR as DEMO_MODELS_DIR
from vibecore.catalog.memory import needed_bytes
from vibecore.catalog.models import family_configs, find_configs
from vibecore.catalog.suites import Prompt
from vibecore.core.formats import memory
from vibecore.core.paths import DATABASE_VARIABLE
from vibecore.core.records import Asking
from vibecore.live.playground import Playground
from vibecore.scoring import load_suite, runs_code
from vibecore.scoring.sandbox import isolation
from vibecore.studies.own_suites import save_prompt

PLENTY = 2**40


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture(autouse=True)
def playground(
    script: Script, studies: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Playground]:
    monkeypatch.setenv(DATABASE_VARIABLE, str(studies))
    one = Playground(start_worker=script.start, free_bytes=lambda device: PLENTY)
    monkeypatch.setattr(playground_view, "playground", lambda: one)
    yield one
    one.close()


def visit(**query: str | list[str]) -> AppTest:
    return pages.visit("try", **query)


def attempt(app: AppTest, text: str = "Name a colour.") -> AppTest:
    """Session a text, and look again once it has ended."""
    app.text_area(key="try_text").set_value(text)
    press(app, "Try it")
    session = app.session_state["session of the playground"]
    assert session.finished.wait(60)
    return app.run()


def test_a_prompt_is_tried_on_the_chosen_configs(playground: Playground) -> None:
    app = visit()
    app.multiselect(key="try_configs").set_value(["5M-bf16", "1M-4bit"])
    attempt(app)
    assert not app.exception
    cards = component(app, "panes")["cards"]
    assert [(card["config"], card["status"]) for card in cards] == [
        ("5M-bf16", "done"),
        ("1M-4bit", "done"),
    ]
    assert cards[0]["text"].startswith("word0 ")
    assert "load 0.50 s" in cards[0]["facts"]
    assert "Loaded" in html(app)
    assert sorted(one.config for one in playground.loaded()) == ["1M-4bit", "5M-bf16"]
    press(app, "Unload all")
    assert playground.loaded() == []
    assert "Try it" in buttons(app)


def test_a_suites_prompt_brings_its_constraints(playground: Playground) -> None:
    app = visit()
    app.selectbox(key="try_suite").set_value("vibe30").run()
    app.selectbox(key="try_prompt").set_value("instruction_002").run()
    press(app, "Try it")
    assert app.session_state["session of the playground"].finished.wait(60)
    app.run()
    wanted = load_suite("vibe30").prompts
    prompt = next(prompt for prompt in wanted if prompt.id == "instruction_002")
    card = component(app, "panes")["cards"][0]
    assert len(card["verdicts"]) == len(prompt.constraints) > 0
    assert len(component(app, "verdicts")["rows"]) == len(prompt.constraints)
    assert "instruction_002" in app.query_params["try_prompt"]
    press(app, "Edit as my own text")
    assert app.text_area(key="try_text").value == prompt.text


def test_code_is_judged_by_what_it_does_where_that_is_asked_for(
    playground: Playground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(isolation, "find_isolation", lambda: isolation.Isolation("namespaces"))

    def verdicts(execute: bool) -> list[str]:
        app = visit()
        app.selectbox(key="try_suite").set_value("vibe30").run()
        app.selectbox(key="try_prompt").set_value(prompt.id).run()
        app.checkbox(key="try_execute").set_value(execute)
        press(app, "Try it")
        assert app.session_state["session of the playground"].finished.wait(60)
        [card, *_] = component(app.run(), "panes")["cards"]
        below = [row["cells"][2]["text"] for row in component(app, "verdicts")["rows"]]
        return [*(verdict["status"] for verdict in card["verdicts"]), below[place]]

    prompt = next(prompt for prompt in load_suite("vibe30").prompts if runs_code([prompt]))
    place = [constraint.check for constraint in prompt.constraints].index("code_cases")
    skipped, judged = verdicts(execute=False), verdicts(execute=True)
    assert (skipped[place], skipped[-1]) == ("skipped", "– skipped")
    # What the fake worker writes is no code.
    assert (judged[place], judged[-1]) == ("fail", "× not met")


def test_a_whole_family_is_one_choice() -> None:
    app = visit()
    app.selectbox(key="try_family").select("demo").run()
    assert len(app.multiselect(key="try_configs").value) == 6
    assert "The first 6" not in html(app)
    app.selectbox(key="try_family").select("smollm2-instruct").run()
    assert app.multiselect(key="try_configs").value[-1] == "SmolLM2-360M-4bit"
    assert "The first 6 of 9 configs of smollm2-instruct" in html(app)
    assert app.selectbox(key="try_family").value is None, "or it could not be taken again"
    # Of formats that no other list offers, too.
    app.selectbox(key="try_family").select("qwen2.5-coder-formats").run()
    taken = app.multiselect(key="try_configs").value
    assert taken == [config.id for config in family_configs("qwen2.5-coder-formats")][:6]
    assert "0.5B-Coder-Q4_K_M" in app.multiselect(key="try_configs").options
    assert "Q4_K_M" in app.multiselect(key="try_precisions").options


@pytest.mark.parametrize(
    ("text", "tokens", "configs", "says"),
    [
        (" ", 200, ["1M-bf16"], "The prompt is empty"),
        ("Hello", 0, ["1M-bf16"], "from 1 to 32768, not 0"),
        ("Hello", 10**6, ["1M-bf16"], "not 1000000"),
        ("Hello", 200, [], "enter a model of your own: its field is empty"),
    ],
)
def test_bad_input_is_told_and_the_page_works_on(
    script: Script, text: str, tokens: int, configs: list[str], says: str
) -> None:
    app = visit()
    app.text_area(key="try_text").set_value(text)
    app.number_input(key="try_tokens").set_value(tokens)
    app.multiselect(key="try_configs").set_value(configs)
    press(app, "Try it")
    assert says in errors(app)
    assert not app.exception
    assert script.started == []
    app.number_input(key="try_tokens").set_value(5)
    app.multiselect(key="try_configs").set_value(["1M-bf16"])
    attempt(app)
    assert component(app, "panes")["cards"][0]["status"] == "done"


def test_a_path_that_is_no_model_is_told(tmp_path: Path) -> None:
    app = visit()
    app.text_input(key="try_model_0").set_value("/no/such/model").run()
    app.multiselect(key="try_precisions").set_value(["bf16"])
    app.text_area(key="try_text").set_value("Hello")
    press(app, "Try it")
    assert "neither a model folder, nor a GGUF file, nor a hub id" in errors(app)
    app.text_input(key="try_model_0").set_value(str(tmp_path)).run()
    attempt(app)
    cards = component(app, "panes")["cards"]
    assert "has no config.json" in cards[-1]["instead"]
    assert cards[0]["status"] == "done"


def test_a_folder_that_is_asked_for_and_not_entered_is_refused(script: Script) -> None:
    app = visit()
    app.selectbox(key="try_weights").set_value("from a folder …").run()
    app.text_area(key="try_text").set_value("Hello")
    press(app, "Try it")
    assert "Enter the folder of the weights" in errors(app)
    assert script.started == [], "or real weights would run in its place"


def test_what_cannot_fit_is_said_before_it_is_tried(playground: Playground, monkeypatch) -> None:
    monkeypatch.setattr(playground, "available_bytes", lambda device: 2**30)
    app = visit()
    app.multiselect(key="try_configs").set_value(["1.5B-bf16"]).run()
    [config] = find_configs(["1.5B-bf16"])
    assert f"1.5B-bf16 needs about {memory(needed_bytes(config, 'cpu'))}" in warnings(app)
    assert "would fit" in app.warning[0].value


def test_a_failing_pane_says_why(script: Script) -> None:
    script.dies_at = {"5M-bf16": 2}
    app = attempt(visit())
    cards = component(app, "panes")["cards"]
    assert [card["status"] for card in cards] == ["failed", "done"]
    assert "signal 9" in cards[0]["notice"]
    assert cards[0]["text"] == "word0 word1 "


def test_stop_is_there_while_it_runs(script: Script, playground: Playground) -> None:
    script.tokens, script.pause = 10_000, 0.01
    app = visit()
    app.number_input(key="try_tokens").set_value(10_000)
    app.text_area(key="try_text").set_value("Tell me a story.")
    press(app, "Try it")
    session = app.session_state["session of the playground"]
    wait_until(lambda: session.panes[0].pieces)
    app.run()
    assert "Try it" not in buttons(app)
    assert component(app, "panes")["cards"][0]["status"] == "running"
    press(app, "Stop")
    assert session.finished.wait(60)
    app.run()
    assert [card["status"] for card in component(app, "panes")["cards"]] == ["stopped", "stopped"]


def test_a_thinking_models_reasoning_is_folded_above_its_answer(script: Script) -> None:
    script.reasoning = 2
    app = visit()
    app.selectbox(key="try_chat").set_value("on").run()
    app.selectbox(key="try_thinking").set_value("on").run()
    app.text_input(key="try_system").set_value("Answer in French.").run()
    attempt(app)
    assert script.askings[0] == Asking("on", "Answer in French.", "on")
    card = component(app, "panes")["cards"][0]
    assert [fold["name"] for fold in card["folds"]] == ["prompt", "reasoning"]
    assert card["folds"][1]["text"] == "word0 word1 "
    assert card["text"] == "word2 word3 word4 "
    assert any(fact.startswith("base model, ") for fact in card["facts"])


def test_a_generation_without_an_answer_says_so(script: Script) -> None:
    script.reasoning, script.ends = 5, "thinking"
    app = attempt(visit())
    card = component(app, "panes")["cards"][0]
    assert card["instead"].startswith("No answer")
    assert card["scores"] == []
    assert not app.exception


def test_the_address_keeps_models_and_how_they_are_asked(tmp_path: Path, script: Script) -> None:
    folder = tmp_path / "a=b"
    other = tmp_path / "other"
    shutil.copytree(DEMO_MODELS_DIR / "1M", folder)
    shutil.copytree(DEMO_MODELS_DIR / "1M", other)
    app = visit()
    app.multiselect(key="try_configs").set_value(["1M-4bit"]).run()
    app.text_input(key="try_model_0").set_value(str(folder)).run()
    app.text_input(key="try_name_0").set_value("mine").run()
    app.text_input(key="try_model_1").set_value(str(other)).run()
    app.multiselect(key="try_precisions").set_value(["bf16"]).run()
    app.selectbox(key="try_chat").set_value("on").run()
    app.selectbox(key="try_thinking").set_value("off").run()
    app.text_input(key="try_system").set_value("Be brief & kind.").run()
    query = {name: values for name, values in app.query_params.items() if name != "study"}
    assert query["try_model"] == [f"mine={folder}", str(other)]
    again = visit(**query)
    assert again.text_input(key="try_model_0").value == str(folder)
    assert again.text_input(key="try_name_0").value == "mine"
    assert again.text_input(key="try_model_2").value == ""
    attempt(again)
    assert [card["config"] for card in component(again, "panes")["cards"]] == [
        "1M-4bit",
        "mine-bf16",
        "other-bf16",
    ]
    assert set(script.askings) == {Asking("on", "Be brief & kind.", "off")}
    unusable = visit(try_chat="loud", try_model="/somewhere")
    assert "try_chat=loud" in warnings(unusable)
    assert unusable.text_input(key="try_model_0").value == "/somewhere"


def test_sampling_is_marked(script: Script) -> None:
    app = visit()
    app.selectbox(key="try_decoding").set_value("sampled").run()
    assert "not comparable with studies" in html(app)
    attempt(app)
    assert script.decodings[0].temperature == 0.7
    assert "not comparable" in component(app, "panes")["cards"][0]["label"]


def test_a_try_becomes_a_prompt_of_an_own_suite_with_verdicts_at_once(state: Path) -> None:
    app = attempt(visit(), "Name five words.")
    app.selectbox(key="keep-check").set_value("word_count").run()
    app.selectbox(key="keep-word_count-relation").set_value("eq")
    app.number_input(key="keep-word_count-count").set_value(5)
    press(app, "Add constraint")
    app.selectbox(key="keep-check").set_value("contains_all").run()
    app.text_area(key="keep-contains_all-phrases").set_value("word9\n")
    press(app, "Add constraint")
    rows = component(app, "verdicts")["rows"]
    assert [row["cells"][2]["text"] for row in rows] == ["✓ met", "× not met"]
    press(app, "Drop 2")
    assert len(component(app, "verdicts")["rows"]) == 1
    app.text_input(key="keep-name").set_value("mine")
    app.text_input(key="keep-id").set_value("five")
    app.selectbox(key="keep-category").set_value("instruction")
    press(app, "Save prompt")
    assert "Saved as five" in app.success[0].value.replace("\\", "")
    [kept] = load_suite("mine").prompts
    assert (kept.text, len(kept.constraints)) == ("Name five words.", 1)
    app.text_input(key="keep-name").set_value("mine")
    press(app, "Save prompt")
    assert "already" in errors(app)
    app.selectbox(key="keep-suite").set_value("mine").run()
    app.text_input(key="keep-id").set_value("six")
    press(app, "Save prompt")
    assert [prompt.id for prompt in load_suite("mine").prompts] == ["five", "six"]


def test_a_constraint_that_cannot_be_is_told() -> None:
    app = attempt(visit())
    app.selectbox(key="keep-check").set_value("contains_all").run()
    press(app, "Add constraint")
    assert 'key "phrases"' in errors(app)


def test_an_own_suite_runs_on_the_configs_of_a_study(monkeypatch: pytest.MonkeyPatch) -> None:
    from types import SimpleNamespace

    from vibecore.live import launch

    started: list[Any] = []

    def start(options: Any, db: Path) -> Any:
        started.append(options)
        return SimpleNamespace(id="run-1")

    monkeypatch.setattr(launch, "start", start)
    app = attempt(visit(study="varied"))
    app.text_input(key="keep-name").set_value("mine")
    app.text_input(key="keep-id").set_value("one")
    press(app, "Save prompt")
    assert "--suite=mine" in app.code[-1].value
    press(app, "Run it")
    assert not app.exception
    [options] = started
    assert (options.suite, options.study) == ("mine", "varied-mine")
    assert len(options.configs) > 1
    assert "has started" in app.success[0].value


def test_a_broken_own_suite_is_told_and_left_out(state: Path) -> None:
    (state / "suites").mkdir()
    (state / "suites" / "broken.yaml").write_text("name: [", encoding="utf-8")
    app = visit()
    assert "broken.yaml" in warnings(app)
    attempt(app)
    assert component(app, "panes")["cards"][0]["status"] == "done"


def test_an_address_with_a_prompt_that_the_suite_lacks_is_told() -> None:
    save_prompt("mine", Prompt("one", "code", "Hello", ()))
    app = visit()
    app.query_params.update({"try_suite": "vibe30", "try_prompt": "code_999"})
    app.run()
    assert "vibe30 has no prompt 'code_999'" in warnings(app)
    assert app.selectbox(key="try_prompt").value == load_suite("vibe30").prompts[0].id
    assert not app.run().warning
    app.selectbox(key="try_suite").set_value("mine").run()
    assert app.selectbox(key="try_prompt").value == "one"
    assert not app.warning, "whoever chooses another suite asks for none of its prompts"


def test_it_works_without_any_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "empty.duckdb"
    store.prepare(path)
    monkeypatch.setenv(DATABASE_VARIABLE, str(path))
    app = attempt(visit())
    assert component(app, "panes")["cards"][0]["status"] == "done"


def test_the_switch_turns_it_off(monkeypatch: pytest.MonkeyPatch, script: Script) -> None:
    monkeypatch.setenv(page_table.ACTING_VARIABLE, "off")
    app = visit()
    assert "Switched off" in html(app)
    assert not app.text_area
    assert script.started == []


def test_precisions_of_a_model_that_is_not_entered_are_told() -> None:
    app = visit()
    app.text_area(key="try_text").set_value("Hello")
    app.multiselect(key="try_precisions").set_value(["bf16", "4bit"])
    press(app, "Try it")
    assert "The model field is empty: enter a folder, .gguf file or hub id for bf16, 4bit" in (
        errors(app)
    )
