"""How prompts are put to a model: its template, BOS once, and what a template may do wrong."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from tests.support import chat_templates as templates
from tests.support.chat_templates import chat_folder
from vibecore.catalog.demo_models import MODELS_DIR
from vibecore.core.errors import RunError
from vibecore.core.records import Asking, LoadRequest
from vibecore.engine import chat
from vibecore.engine.chat import (
    PromptFormat,
    encode_prompts,
    prompt_format,
    render,
    turn_end_tokens,
)
from vibecore.runtime.worker import Worker

THINK = ("<think>", "</think>")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "model"


def asked(
    folder: Path, template: str | None, asking: Asking | None = None, **tokenizer: Any
) -> tuple[PreTrainedTokenizerBase, PromptFormat]:
    path = chat_folder(folder, template, **tokenizer)
    found = AutoTokenizer.from_pretrained(path)
    request = LoadRequest("m-bf16", "bf16", "cpu", folder=str(path), asking=asking or Asking())
    return found, prompt_format(found, request)


def text(tokenizer: PreTrainedTokenizerBase, ask: PromptFormat, prompt: str = "Hi there") -> str:
    [ids] = encode_prompts(tokenizer, ask, [prompt])
    return str(tokenizer.decode(ids, skip_special_tokens=False))


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        (
            templates.QWEN25,
            "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
            "<|im_start|>user\nHi there<|im_end|>\n<|im_start|>assistant\n",
        ),
        (
            templates.SMOLLM2,
            "<|im_start|>system\nYou are a helpful AI assistant named SmolLM<|im_end|>\n"
            "<|im_start|>user\nHi there<|im_end|>\n<|im_start|>assistant\n",
        ),
        (templates.QWEN3, "<|im_start|>user\nHi there<|im_end|>\n<|im_start|>assistant\n"),
        (
            templates.GEMMA3,
            "<s><start_of_turn>user\nHi there<end_of_turn>\n<start_of_turn>model\n",
        ),
        (templates.DEEPSEEK, "<s><|User|>Hi there<|Assistant|><think>\n"),
        (templates.MISTRAL, "<s>[INST] Hi there [/INST]"),
        (None, "Hi there"),
    ],
)
def test_a_prompt_is_asked_as_its_template_says(
    folder: Path, template: str | None, expected: str
) -> None:
    tokenizer, ask = asked(folder, template, markers=THINK)
    assert text(tokenizer, ask) == expected
    assert ask.environment() == {
        "chat_template": template is not None,
        "system": None,
        "thinking": None,
    }


def test_a_template_may_ask_for_the_date(folder: Path) -> None:
    tokenizer, ask = asked(folder, templates.LLAMA32, adds_bos=True)
    written = text(tokenizer, ask)
    assert written.startswith("<s><|start_header_id|>system<|end_header_id|>\n\nToday Date: ")
    assert written.count("<s>") == 1
    assert written.endswith("<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n")


def test_off_asks_a_checkpoint_that_has_a_template_without_it(folder: Path) -> None:
    tokenizer, ask = asked(folder, templates.QWEN25, Asking(chat="off"))
    assert text(tokenizer, ask) == "Hi there"
    assert ask.environment()["chat_template"] is False


def test_on_without_a_template_says_what_to_do(folder: Path) -> None:
    with pytest.raises(RunError, match=r"m-bf16 .* no chat template\. Use --chat off"):
        asked(folder, None, Asking(chat="on"))


def test_dummy_weights_are_never_asked_through_a_template() -> None:
    tokenizer = AutoTokenizer.from_pretrained(MODELS_DIR / "1M")
    tokenizer.chat_template = templates.QWEN25
    ask = prompt_format(tokenizer, LoadRequest("m-bf16", "bf16", "cpu"))
    assert ask == PromptFormat()


def test_a_multimodal_checkpoints_template_is_found_beside_its_tokenizer(folder: Path) -> None:
    path = chat_folder(folder, None)
    (path / "chat_template.json").write_text('{"chat_template": "Q: {{ messages[0].content }}"}')
    tokenizer = AutoTokenizer.from_pretrained(path)
    ask = prompt_format(tokenizer, LoadRequest("m", "bf16", "cpu", folder=str(path)))
    assert text(tokenizer, ask) == "Q: Hi there"


# --- The system prompt.


def test_a_system_prompt_takes_the_place_of_the_templates_own(folder: Path) -> None:
    tokenizer, ask = asked(folder, templates.QWEN25, Asking(system="Be brief."))
    assert text(tokenizer, ask).startswith("<|im_start|>system\nBe brief.<|im_end|>\n")
    assert "helpful" not in text(tokenizer, ask)
    assert ask.environment()["system"] == "Be brief."


def test_a_template_may_fold_the_system_prompt_into_the_users_turn(folder: Path) -> None:
    tokenizer, ask = asked(folder, templates.GEMMA3, Asking(system="Be brief."))
    assert text(tokenizer, ask).startswith("<s><start_of_turn>user\nBe brief.\n\nHi there")


def test_the_templates_own_system_prompt_may_be_given(folder: Path) -> None:
    own = "You are a helpful assistant."
    tokenizer, ask = asked(folder, templates.QWEN25, Asking(system=own))
    assert text(tokenizer, ask).count(own) == 1


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        (templates.GEMMA2, "with a system prompt .* System role not supported.*Leave out --system"),
        (templates.MISTRAL, "roles must alternate.*Leave out --system"),
        (templates.IGNORES_SYSTEM, "leaves out the system prompt. Leave out --system"),
    ],
)
def test_a_template_that_takes_no_system_prompt_says_so(
    folder: Path, template: str, reason: str
) -> None:
    with pytest.raises(RunError, match=reason):
        asked(folder, template, Asking(system="Be brief."))
    tokenizer, ask = asked(folder, template)
    assert "Hi there" in text(tokenizer, ask)


def test_a_system_prompt_without_the_template_is_refused(folder: Path) -> None:
    with pytest.raises(RunError, match="needs the chat template"):
        asked(folder, templates.QWEN25, Asking(chat="off", system="Be brief."))


# --- Thinking.


@pytest.mark.parametrize(
    ("template", "thinking", "ending", "begins"),
    [
        (templates.QWEN3, "auto", "<|im_start|>assistant\n", "free"),
        (templates.QWEN3, "on", "<|im_start|>assistant\n", "free"),
        (templates.QWEN3, "off", "<|im_start|>assistant\n<think>\n\n</think>\n\n", "closed"),
        (templates.DEEPSEEK_V31, "auto", "<|Assistant|></think>", "closed"),
        (templates.DEEPSEEK_V31, "on", "<|Assistant|><think>", "open"),
        (templates.DEEPSEEK, "auto", "<|Assistant|><think>\n", "open"),
        (templates.DEEPSEEK_FIRST, "auto", "<|Assistant|>", "free"),
    ],
)
def test_thinking_is_passed_to_a_template_that_knows_the_switch(
    folder: Path, template: str, thinking: str, ending: str, begins: str
) -> None:
    tokenizer, ask = asked(folder, template, Asking(thinking=thinking), markers=THINK)
    assert text(tokenizer, ask).endswith(ending)
    assert ask.begins == begins
    assert ask.environment()["thinking"] == (None if thinking == "auto" else thinking)


@pytest.mark.parametrize("thinking", ["on", "off"])
def test_thinking_needs_a_template_that_knows_it(folder: Path, thinking: str) -> None:
    with pytest.raises(RunError, match=r"no switch for thinking.*Use --thinking auto"):
        asked(folder, templates.DEEPSEEK, Asking(thinking=thinking), markers=THINK)


def test_a_switch_that_changes_nothing_is_none(folder: Path) -> None:
    idle = templates.QWEN25 + "{% if enable_thinking %}{% endif %}"
    with pytest.raises(RunError, match="the same with thinking on and off"):
        asked(folder, idle, Asking(thinking="off"))


# --- BOS.


@pytest.mark.parametrize("adds_eos", [False, True])
@pytest.mark.parametrize("adds_bos", [False, True])
@pytest.mark.parametrize("template", [None, templates.QWEN25, templates.GEMMA3, templates.MISTRAL])
@pytest.mark.parametrize("prompt", ["Hi there", "<s>Hi there", "<s><s>Hi there"])
def test_bos_stands_exactly_once_before_a_prompt(
    folder: Path, template: str | None, prompt: str, adds_bos: bool, adds_eos: bool
) -> None:
    tokenizer, ask = asked(folder, template, adds_bos=adds_bos, adds_eos=adds_eos)
    written = text(tokenizer, ask, prompt)
    assert "</s>" not in written, "a tokenizer's EOS must not end a prompt"
    if adds_bos:
        assert written.startswith("<s>")
        assert written.count("<s>") == 1
    elif template in (None, templates.QWEN25):
        # Of a tokenizer that adds none it is no beginning, and a user's text is left as it is.
        assert written.count("<s>") == prompt.count("<s>")


# --- What a template may do wrong.


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        (templates.FAILS, "TemplateError: this checkpoint has no template yet"),
        (templates.UNDEFINED, "UndefinedError: 'conversation' is undefined"),
        (templates.SYNTAX, "TemplateSyntaxError"),
        (templates.WRONG_TYPE, "TypeError"),
        (templates.DEEP, "RecursionError"),
        ("{{ messages[0].content.__class__.__mro__ }}", "SecurityError"),
        (templates.VAST, "takes more memory"),
        (templates.HUGE, "takes more memory"),
        (templates.PARTS, "leaves out the user's text"),
    ],
)
def test_a_template_that_fails_is_one_line_that_says_what_to_do(
    folder: Path, template: str, reason: str
) -> None:
    with pytest.raises(RunError, match=reason) as failure:
        asked(folder, template)
    message = str(failure.value)
    assert "\n" not in message
    assert "m-bf16" in message and "chat template" in message and "--chat off" in message
    tokenizer, ask = asked(folder, template, Asking(chat="off"))
    assert text(tokenizer, ask) == "Hi there"


@pytest.mark.parametrize("template", [templates.ENDLESS, templates.ENDLESS_CONSTANT])
def test_a_template_that_never_ends_is_ended(
    folder: Path, monkeypatch: pytest.MonkeyPatch, template: str
) -> None:
    monkeypatch.setattr(chat, "RENDER_SECONDS", 0.3)
    started = time.monotonic()
    with pytest.raises(RunError, match=r"does not end within 0\.3 s.*--chat off"):
        asked(folder, template)
    assert time.monotonic() - started < 5


def test_a_workers_template_is_ended_too(folder: Path) -> None:
    """By an alarm, which rings on a main thread only: a worker has to decode on its own."""
    path = chat_folder(folder, templates.ENDLESS)
    with Worker() as worker:
        started = time.monotonic()
        with pytest.raises(RunError, match="does not end"):
            worker.load(LoadRequest("m-bf16", "bf16", "cpu", folder=str(path)))
        assert time.monotonic() - started < 60
        asking = Asking(chat="off")
        worker.load(LoadRequest("m-bf16", "bf16", "cpu", folder=str(path), asking=asking))
        [generation] = worker.generate(["Hi there"], 2)
        assert generation.rendered_prompt == "Hi there"


def test_the_alarm_that_was_set_before_goes_on(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import signal

    rung: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda number, _: rung.append(number))
    timer = signal.setitimer(signal.ITIMER_REAL, 600)
    try:
        asked(folder, templates.QWEN25)
        left, _ = signal.getitimer(signal.ITIMER_REAL)
        assert 500 < left < 600
        signal.raise_signal(signal.SIGALRM)
        assert rung == [signal.SIGALRM]
    finally:
        signal.signal(signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, *timer)


def test_a_prompt_that_its_template_fails_on_is_explained(folder: Path) -> None:
    picky = templates.QWEN25 + "{% if 'zebra' in messages[-1].content %}{{ 1 + 'a' }}{% endif %}"
    tokenizer, ask = asked(folder, picky)
    with pytest.raises(RunError, match=r"chat template fails \(TypeError.*--chat off"):
        render(tokenizer, ask, "A zebra")


# --- The end of a turn.


@pytest.mark.parametrize(
    ("template", "token"),
    [
        (templates.QWEN25, "<|im_end|>"),
        (templates.QWEN3, "<|im_end|>"),
        (templates.SMOLLM2, "<|im_end|>"),
        (templates.LLAMA32, "<|eot_id|>"),
        (templates.GEMMA3, "<end_of_turn>"),
        (templates.GEMMA2, "<end_of_turn>"),
        (templates.DEEPSEEK, "</s>"),
        (templates.MISTRAL, "</s>"),
        (templates.GPT_OSS, "<|return|>"),
        ("{% for m in messages %}{{ m.content }}\n</s>{% endfor %}", "</s>"),
    ],
)
def test_the_token_that_ends_a_turn(folder: Path, template: str, token: str) -> None:
    tokenizer = AutoTokenizer.from_pretrained(chat_folder(folder, template, adds_bos=True))
    assert turn_end_tokens(tokenizer) == (tokenizer.convert_tokens_to_ids(token),)


@pytest.mark.parametrize(
    "template",
    [
        None,
        templates.FAILS,
        templates.SYNTAX,
        templates.UNDEFINED,
        templates.WRONG_TYPE,
        templates.DEEP,
        templates.PARTS,
        "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}",
    ],
)
def test_without_such_a_token_there_is_none(folder: Path, template: str | None) -> None:
    assert turn_end_tokens(AutoTokenizer.from_pretrained(chat_folder(folder, template))) == ()


def test_looking_for_it_ends_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat, "RENDER_SECONDS", 0.3)
    tokenizer = AutoTokenizer.from_pretrained(chat_folder(folder, templates.ENDLESS))
    assert turn_end_tokens(tokenizer) == ()
