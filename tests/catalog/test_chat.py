"""What a chat template tells of a checkpoint, without rendering it."""

from __future__ import annotations

import json
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.support import chat_templates as templates
from vibecore.catalog.chat import (
    default_of,
    kind_of,
    knows_thinking_switch,
    markers_of,
    read_template,
    thinking_switch,
    why_not,
)
from vibecore.catalog.weights import WANTED_FILES
from vibecore.core.errors import InputError
from vibecore.core.records import Asking


def write(folder: Path, name: str, content: object) -> None:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")


def test_a_folder_without_a_template_has_none(tmp_path: Path) -> None:
    assert read_template(tmp_path) is None
    write(tmp_path, "tokenizer_config.json", {"eos_token": "</s>"})
    assert read_template(tmp_path) is None


def test_a_template_is_read_from_the_tokenizers_settings(tmp_path: Path) -> None:
    write(tmp_path, "tokenizer_config.json", {"chat_template": "one"})
    assert read_template(tmp_path) == "one"


def test_of_several_named_templates_the_default_is_taken(tmp_path: Path) -> None:
    named = [{"name": "tool_use", "template": "t"}, {"name": "default", "template": "d"}]
    write(tmp_path, "tokenizer_config.json", {"chat_template": named})
    assert read_template(tmp_path) == "d"
    write(tmp_path, "tokenizer_config.json", {"chat_template": named[:1]})
    assert read_template(tmp_path) is None


def test_a_template_file_comes_before_the_settings(tmp_path: Path) -> None:
    write(tmp_path, "chat_template.json", {"chat_template": "processor"})
    assert read_template(tmp_path) == "processor"
    write(tmp_path, "tokenizer_config.json", {"chat_template": "settings"})
    assert read_template(tmp_path) == "settings"
    write(tmp_path, "additional_chat_templates/tool_use.jinja", "tools")
    assert read_template(tmp_path) is None, "named templates replace the settings' one"
    write(tmp_path, "chat_template.jinja", "file")
    assert read_template(tmp_path) == "file"


def test_transformers_reads_the_same(tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    folder = templates.chat_folder(tmp_path / "model", "settings")
    for name, content in (
        (None, ""),
        ("additional_chat_templates/x.jinja", "x"),
        ("chat_template.jinja", "f"),
    ):
        if name is not None:
            write(folder, name, content)
        tokenizer = AutoTokenizer.from_pretrained(folder)
        assert default_of(tokenizer.chat_template) == read_template(folder)


def test_the_hubs_template_files_are_fetched() -> None:
    for name in ("chat_template.jinja", "additional_chat_templates/default.jinja"):
        assert any(fnmatch(name, wanted) for wanted in WANTED_FILES), name


def test_a_blank_template_is_none(tmp_path: Path) -> None:
    write(tmp_path, "chat_template.jinja", "  \n")
    assert read_template(tmp_path) is None


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    write(tmp_path, "tokenizer_config.json", "{")
    with pytest.raises(InputError, match=r"tokenizer_config\.json is not valid JSON"):
        read_template(tmp_path)
    (tmp_path / "chat_template.jinja").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"chat_template\.jinja cannot be read"):
        read_template(tmp_path)


@pytest.mark.parametrize(
    ("template", "kind"),
    [
        (None, "base"),
        (" ", "base"),
        (templates.QWEN25, "instruct"),
        (templates.QWEN3, "thinking"),
        (templates.GPT_OSS, "thinking"),
        (templates.LLAMA32, "instruct"),
        (templates.GEMMA3, "instruct"),
        (templates.SMOLLM2, "instruct"),
        (templates.DEEPSEEK, "thinking"),
        (templates.DEEPSEEK_FIRST, "thinking"),
        (templates.DEEPSEEK_V31, "thinking"),
        (templates.MISTRAL, "instruct"),
        (templates.SYNTAX, "instruct"),
    ],
)
def test_the_kind_of_a_checkpoint(template: str | None, kind: str) -> None:
    assert kind_of(template) == kind


def test_a_thinking_switch_is_a_variable_that_the_template_is_given() -> None:
    assert thinking_switch(templates.QWEN3) == "enable_thinking"
    assert thinking_switch(templates.DEEPSEEK_V31) == "thinking"
    assert not knows_thinking_switch(templates.DEEPSEEK)
    assert not knows_thinking_switch(None)
    # A word in a text, an attribute, a namespace's own field: nothing that could be passed.
    for other in (
        "{{ 'detailed thinking on' }}",
        "{{ message.thinking }}{{ message['thinking'] }}",
        "{% set ns = namespace(enable_thinking=true) %}{% if ns.enable_thinking %}x{% endif %}",
        "{# enable_thinking #}",
        "{% set thinking = message.thinking %}{{ thinking }}",
        "{% for thinking in messages %}{{ thinking }}{% endfor %}",
    ):
        assert not knows_thinking_switch(other), other


def test_a_switch_may_have_a_default_of_its_own() -> None:
    own = "{% set enable_thinking = enable_thinking | default(true) %}{{ enable_thinking }}"
    assert thinking_switch(own) == "enable_thinking"


@pytest.mark.parametrize(
    "template",
    [templates.ENDLESS, templates.ENDLESS_CONSTANT, templates.HUGE, "{{ " + "9" * 5000 + " }}"],
)
@pytest.mark.timeout(20)
def test_reading_a_template_computes_nothing(template: str) -> None:
    assert kind_of(template) == "instruct"


def test_the_tags_that_transformers_adds_are_parsed() -> None:
    tagged = "{% for m in messages %}{% generation %}{{ m }}{% endgeneration %}"
    tagged += "{% if enable_thinking %}{% break %}{% endif %}{% endfor %}"
    assert knows_thinking_switch(tagged)


def test_the_markers_of_reasoning() -> None:
    for template in (templates.QWEN3, templates.DEEPSEEK_FIRST, "{{ enable_thinking }}"):
        found = markers_of(template)
        assert found is not None and found.closing == "</think>"
    magistral = markers_of("{{ 'First draft your thinking. [THINK]…[/THINK]' }}")
    assert magistral is not None and magistral.opening == "[THINK]"
    assert markers_of(templates.QWEN25) is None
    assert markers_of(None) is None


@pytest.mark.parametrize(
    ("template", "asking", "reason"),
    [
        (None, Asking(), None),
        (None, Asking(chat="off"), None),
        (None, Asking(chat="on"), "no chat template"),
        (None, Asking(system="Be brief."), "a system prompt needs the chat template"),
        (templates.QWEN3, Asking(chat="on", system="Be brief.", thinking="off"), None),
        (templates.QWEN3, Asking(chat="off", system="Be brief."), "or use --chat auto"),
        (templates.QWEN3, Asking(chat="off", thinking="off"), "--thinking off needs the chat"),
        (templates.QWEN25, Asking(thinking="on"), "no switch for thinking"),
        (templates.DEEPSEEK, Asking(thinking="off"), "no switch for thinking"),
    ],
)
def test_what_cannot_be_asked_says_why(
    template: str | None, asking: Asking, reason: str | None
) -> None:
    found = why_not(template, asking)
    assert found == reason if reason is None else found is not None and reason in found
