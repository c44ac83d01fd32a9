"""How a checkpoint wants to be asked: its chat template, and what that tells of the model.

Nothing here renders a template: it is a program from somewhere else, which engine/chat.py runs in
transformers' sandbox. Here it is read and, for what it names, parsed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from vibecore.core.errors import InputError
from vibecore.core.records import Asking, Kind
from vibecore.core.special_files import refuse_special

# What transformers 5.23 reads (tokenization_utils_base), the first that is there.
TEMPLATE_FILE = "chat_template.jinja"
TEMPLATE_FOLDER = "additional_chat_templates"
TOKENIZER_FILE = "tokenizer_config.json"
# Written beside the tokenizer of a multimodal checkpoint, for its processor.
PROCESSOR_FILE = "chat_template.json"
DEFAULT_NAME = "default"

# Variables that turn reasoning on and off: Qwen3's, and DeepSeek-V3.1's and Granite's.
THINKING_SWITCHES = ("enable_thinking", "thinking")


@dataclass(frozen=True)
class ReasoningMarkers:
    """What a model writes before and after its reasoning."""

    opening: str
    closing: str


# As the reasoning parsers of vLLM and SGLang have them.
REASONING_MARKERS = (
    # Qwen3, DeepSeek-R1 and its distilled ones, SmolLM3, GLM, Phi-4, Granite 3.3, EXAONE 4.
    ReasoningMarkers("<think>", "</think>"),
    # Magistral.
    ReasoningMarkers("[THINK]", "[/THINK]"),
    # EXAONE Deep.
    ReasoningMarkers("<thought>", "</thought>"),
    # Seed-OSS.
    ReasoningMarkers("<seed:think>", "</seed:think>"),
    # Kimi.
    ReasoningMarkers("◁think▷", "◁/think▷"),
    # Command A Reasoning.
    ReasoningMarkers("<|START_THINKING|>", "<|END_THINKING|>"),
    # Apertus.
    ReasoningMarkers("<|inner_prefix|>", "<|inner_suffix|>"),
    # Gemma 4.
    ReasoningMarkers("<|channel>thought", "<channel|>"),
    # gpt-oss: the channel of the analysis, then the message on the final one.
    ReasoningMarkers(
        "<|channel|>analysis<|message|>", "<|start|>assistant<|channel|>final<|message|>"
    ),
)
# All that models write, also those whose template does not name it.
WRITTEN_MARKERS = (
    *REASONING_MARKERS,
    # Reflection-Llama-3.1.
    ReasoningMarkers("<thinking>", "</thinking>"),
    # Reka Flash 3.
    ReasoningMarkers("<reasoning>", "</reasoning>"),
    # Sky-T1, Bespoke-Stratos, OpenThinker.
    ReasoningMarkers("<|begin_of_thought|>", "<|end_of_thought|>"),
)


def read_template(folder: Path) -> str | None:
    """The chat template of a model folder, of several the one named `default`; None without one.

    Raises InputError for a file that cannot be read.
    """
    named = {path.stem: _text(path) for path in sorted((folder / TEMPLATE_FOLDER).glob("*.jinja"))}
    if (folder / TEMPLATE_FILE).is_file():
        named[DEFAULT_NAME] = _text(folder / TEMPLATE_FILE)
    if named:
        return default_of(named)
    for name in (TOKENIZER_FILE, PROCESSOR_FILE):
        if (folder / name).is_file() and (found := _entry(folder / name)) is not None:
            return found
    return None


def default_of(templates: Any) -> str | None:
    """The template to use of what a file or a tokenizer holds: one, or several with names. A
    blank one is none."""
    if isinstance(templates, str):
        return templates if templates.strip() else None
    if isinstance(templates, list):
        templates = {
            each.get("name"): each.get("template") for each in templates if isinstance(each, dict)
        }
    if isinstance(templates, Mapping):
        found = templates.get(DEFAULT_NAME)
        return default_of(found) if isinstance(found, str) else None
    return None


def kind_of(template: str | None) -> Kind:
    """What a checkpoint with this template is: `base` without one, `thinking` where the template
    knows reasoning, by a switch or by its markers, else `instruct`.

    Of some families models that reason and models that do not share a template (LFM2.5): those
    are `thinking` too.
    """
    if not template or not template.strip():
        return "base"
    return "instruct" if markers_of(template) is None else "thinking"


def markers_of(template: str | None) -> ReasoningMarkers | None:
    """The markers of reasoning that a template knows; `<think>` for one that has only a switch."""
    if not template:
        return None
    for markers in REASONING_MARKERS:
        if markers.opening in template or markers.closing in template:
            return markers
    return REASONING_MARKERS[0] if thinking_switch(template) is not None else None


def thinking_switch(template: str | None) -> str | None:
    """The variable by which a template turns reasoning on and off; None for one without."""
    variables = _variables(template or "")
    return next((name for name in THINKING_SWITCHES if name in variables), None)


def knows_thinking_switch(template: str | None) -> bool:
    """Whether `--thinking on` and `off` mean something to a template."""
    return thinking_switch(template) is not None


def why_not(template: str | None, asking: Asking) -> str | None:
    """Why prompts cannot be asked like this with this template, and what to do; None if they can.

    What only rendering shows, engine/chat.py finds when the model is loaded.
    """
    chat = asking.chat == "on" or (asking.chat == "auto" and template is not None)
    if asking.chat == "on" and template is None:
        return "it has no chat template. Use --chat off, or --chat auto."
    if asking.system is not None and not chat:
        return (
            "a system prompt needs the chat template, and prompts are put to it as they stand. "
            "Leave out --system" + (", or use --chat auto." if template is not None else ".")
        )
    if asking.thinking != "auto":
        if not chat:
            return (
                f"--thinking {asking.thinking} needs the chat template, and prompts are put to it "
                "as they stand. Use --thinking auto."
            )
        if not knows_thinking_switch(template):
            return (
                f"its chat template has no switch for thinking ({' or '.join(THINKING_SWITCHES)})."
                " Use --thinking auto."
            )
    return None


def _text(path: Path) -> str:
    refuse_special(path)
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"The chat template {path} cannot be read ({type(error).__name__}). Mend the file, or "
            "take it out of the folder."
        ) from None


def _entry(path: Path) -> str | None:
    try:
        content = json.loads(_text(path))
    except ValueError:
        raise InputError(f"{path} is not valid JSON.") from None
    return default_of(content.get("chat_template")) if isinstance(content, dict) else None


@lru_cache(maxsize=16)
def _variables(template: str) -> frozenset[str]:
    """The variables that a template reads before it sets them; none for one that cannot be parsed.

    Not by jinja2.meta, which compiles the template, and so computes its constant expressions:
    {{ 9 ** (9 ** 9) }} would never end, here in the parent.
    """
    # Loaded here because every command imports this file, and few read a template.
    from jinja2 import Environment, nodes
    from jinja2.ext import Extension
    from jinja2.parser import Parser

    class Generation(Extension):
        """The tag around what a model wrote, which transformers adds to Jinja."""

        tags = {"generation"}  # noqa: RUF012

        def parse(self, parser: Parser) -> nodes.Node:
            line = next(parser.stream).lineno
            body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
            return nodes.Scope(body).set_lineno(line)

    def names(node: nodes.Node) -> Iterator[nodes.Name]:
        """In the order in which they are read and set."""
        children = list(node.iter_child_nodes())
        for child in reversed(children) if isinstance(node, nodes.Assign) else children:
            yield from names(child)
        if isinstance(node, nodes.Name):
            yield node

    first: dict[str, str] = {}
    try:
        tree = Environment(extensions=[Generation, "jinja2.ext.loopcontrols"]).parse(template)
        for name in names(tree):
            first.setdefault(name.name, name.ctx)
    # TemplateError, RecursionError, ValueError for an integer of 5,000 digits: it holds anything.
    except Exception:
        return frozenset()
    return frozenset(name for name, how in first.items() if how == "load")
