"""Chat templates in the style of those in the wild, and a tokenizer that has their tokens."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from vibecore.catalog.demo_models import MODELS_DIR

QWEN25 = (
    "{%- if messages[0]['role'] == 'system' %}"
    "{{- '<|im_start|>system\\n' + messages[0]['content'] + '<|im_end|>\\n' }}"
    "{%- else %}{{- '<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n' }}{%- endif %}"
    "{%- for message in messages %}{%- if message.role != 'system' %}"
    "{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}"
    "{%- endif %}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)
# A switch; reasoning taken out of earlier answers; an empty block when it is off.
QWEN3 = """{%- for message in messages %}
    {%- if message.role == 'assistant' %}
        {%- set content = message.content.split('</think>')[-1].lstrip('\\n') %}
        {{- '<|im_start|>assistant\\n<think>\\n\\n</think>\\n\\n' + content + '<|im_end|>\\n' }}
    {%- else %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
{%- endif %}"""
LLAMA32 = (
    "{{- bos_token }}{%- set date_string = strftime_now('%d %b %Y') %}"
    "{%- if messages[0]['role'] == 'system' %}{%- set system = messages[0]['content']|trim %}"
    "{%- set messages = messages[1:] %}{%- else %}{%- set system = '' %}{%- endif %}"
    "{{- '<|start_header_id|>system<|end_header_id|>\\n\\nToday Date: ' + date_string + '\\n\\n' }}"
    "{{- system + '<|eot_id|>' }}{%- for message in messages %}"
    "{{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' }}"
    "{{- message['content'] | trim + '<|eot_id|>' }}{%- endfor %}"
    "{%- if add_generation_prompt %}"
    "{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{%- endif %}"
)
# The system message goes into the user's turn; the assistant is called model.
GEMMA3 = """{{ bos_token }}
{%- if messages[0]['role'] == 'system' -%}
    {%- set before = messages[0]['content'] + '\\n\\n' -%}{%- set turns = messages[1:] -%}
{%- else -%}{%- set before = '' -%}{%- set turns = messages -%}{%- endif -%}
{%- for message in turns -%}
    {%- set role = 'model' if message['role'] == 'assistant' else message['role'] -%}
    {{ '<start_of_turn>' + role + '\\n' + (before if loop.first else '') }}
    {{- message['content'] | trim }}{{ '<end_of_turn>\\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '<start_of_turn>model\\n' }}{%- endif -%}"""
GEMMA2 = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}"
    "{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for message in messages %}{{ '<start_of_turn>' + message['role'] + '\\n' "
    "+ message['content'] | trim + '<end_of_turn>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{'<start_of_turn>model\\n'}}{% endif %}"
)
SMOLLM2 = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\\nYou are a helpful AI assistant named SmolLM<|im_end|>\\n' }}"
    "{% endif %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>'"
    " + '\\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}"
    "{% endif %}"
)
# No switch; the prompt itself opens the reasoning.
DEEPSEEK = (
    "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}"
    "{{ '<|User|>' + message['content'] }}{% elif message['role'] == 'system' %}"
    "{{ message['content'] }}{% else %}"
    "{{ '<|Assistant|>' + message['content'].split('</think>')[-1] + eos_token }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|Assistant|><think>\\n' }}{% endif %}"
)
# As the first distilled ones had it: the model opens the reasoning itself, or leaves that out.
DEEPSEEK_FIRST = DEEPSEEK.replace("<think>\\n", "")
# DeepSeek-V3.1: another name of the switch, and only the end marker when it is off.
DEEPSEEK_V31 = (
    "{% if not thinking is defined %}{% set thinking = false %}{% endif %}"
    "{{ bos_token }}{% for message in messages %}{{ '<|User|>' + message['content'] }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|Assistant|>' }}"
    "{% if thinking %}{{ '<think>' }}{% else %}{{ '</think>' }}{% endif %}{% endif %}"
)
# gpt-oss: reasoning and answer are messages on channels of their own.
GPT_OSS = (
    "{% for message in messages %}{% if message.role == 'assistant' %}{% if message.thinking %}"
    "{{ '<|start|>assistant<|channel|>analysis<|message|>' + message.thinking + '<|end|>' }}"
    "{% endif %}{{ '<|start|>assistant<|channel|>final<|message|>' + message.content }}"
    "{{ '<|return|>' }}{% else %}"
    "{{ '<|start|>' + message.role + '<|message|>' + message.content + '<|end|>' }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|start|>assistant' }}{% endif %}"
)
MISTRAL = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user') }}{% endif %}"
    "{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}"
    "{% else %}{{ ' ' + message['content'] + eos_token }}{% endif %}{% endfor %}"
)
IGNORES_SYSTEM = QWEN25.replace("messages[0]['role'] == 'system'", "false")
FAILS = "{{ raise_exception('this checkpoint has no template yet') }}"
ENDLESS = (
    "{% for a in range(90000) %}{% for b in range(90000) %}{% for c in range(90000) %}"
    "{% endfor %}{% endfor %}{% endfor %}{{ messages[0].content }}"
)
# A constant, which Jinja computes when it compiles the template.
ENDLESS_CONSTANT = "{{ messages[0].content }}{{ 9 ** (9 ** 9) }}"
UNDEFINED = "{% for m in conversation.turns %}{{ m }}{% endfor %}{{ messages[0].content }}"
DEEP = "{% macro again(n) %}{{ again(n + 1) }}{% endmacro %}{{ again(0) }}"
SYNTAX = "{% for message in messages %}{{ message.content }"
WRONG_TYPE = "{{ messages[0].content + 3 }}"
# A hundred gigabytes, in pieces and at once.
VAST = "{{ messages[0].content }}{% for n in range(99999) %}{{ 'x' * 1000000 }}{% endfor %}"
HUGE = "{{ messages[0].content }}{{ 'x' * 100000000000 }}"
PARTS = "{% for part in messages[-1].content %}{{ part.text }}{% endfor %}"

SPECIAL = (
    "<s>",
    "</s>",
    "<|im_start|>",
    "<|im_end|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eot_id|>",
    "<start_of_turn>",
    "<end_of_turn>",
    "<|start|>",
    "<|channel|>",
    "<|message|>",
    "<|end|>",
    "<|return|>",
    "<|User|>",
    "<|Assistant|>",
)
BOS, EOS = "<s>", "</s>"


def chat_folder(
    folder: Path,
    template: str | None,
    *,
    adds_bos: bool = False,
    adds_eos: bool = False,
    markers: Sequence[str] = (),
    special_markers: bool = False,
) -> Path:
    """A copy of the 5M demo with chat tokens in its tokenizer, and this template.

    `adds_bos` and `adds_eos`: what the tokenizer puts around a text by itself. `markers` become
    one token each. The model's embedding has no rows for the new tokens: the last ids of the
    vocabulary are renamed, so that whatever is asked can be decoded.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for file in (MODELS_DIR / "5M").iterdir():
        shutil.copy(file, folder / file.name)
    path = folder / "tokenizer.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    names = [*SPECIAL, *markers]
    vocabulary = content["model"]["vocab"]
    by_id = {id_: token for token, id_ in vocabulary.items()}
    used = {part for merge in content["model"]["merges"] for part in merge}
    last = [id_ for id_ in sorted(by_id, reverse=True) if by_id[id_] not in used][: len(names)]
    dropped = {by_id[id_] for id_ in last}
    content["model"]["merges"] = [
        merge for merge in content["model"]["merges"] if "".join(merge) not in dropped
    ]
    for name, id_ in zip(names, last, strict=True):
        del vocabulary[by_id[id_]]
        vocabulary[name] = id_
        content["added_tokens"].append(
            {
                "id": id_,
                "content": name,
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": False,
                "special": name in SPECIAL or special_markers,
            }
        )
    ids = {token: {"id": token, "ids": [vocabulary[token]], "tokens": [token]} for token in names}
    around = [
        *([{"SpecialToken": {"id": BOS, "type_id": 0}}] if adds_bos else []),
        {"Sequence": {"id": "A", "type_id": 0}},
        *([{"SpecialToken": {"id": EOS, "type_id": 0}}] if adds_eos else []),
    ]
    content["post_processor"] = {
        "type": "TemplateProcessing",
        "single": around,
        "pair": [*around, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {token: ids[token] for token in (BOS, EOS)},
    }
    path.write_text(json.dumps(content), encoding="utf-8")
    settings_path = folder / "tokenizer_config.json"
    settings = json.loads(settings_path.read_text(encoding="utf-8"))
    # The generic class, which takes tokenizer.json as it is.
    settings |= {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": BOS, "eos_token": EOS}
    if template is not None:
        settings["chat_template"] = template
    settings_path.write_text(json.dumps(settings), encoding="utf-8")
    return folder
