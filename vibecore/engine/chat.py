"""How a loaded model is asked: through its chat template or as the prompt stands, BOS once.

A template is a program from somewhere else. It runs in transformers' sandboxed environment, for a
bounded time, and whatever it raises is one line that says what to do.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from transformers import PreTrainedTokenizerBase

from vibecore.catalog.chat import (
    ReasoningMarkers,
    default_of,
    markers_of,
    read_template,
    thinking_switch,
    why_not,
)
from vibecore.core.errors import InputError, RunError
from vibecore.core.records import LoadRequest

# Published templates take milliseconds.
RENDER_SECONDS = 3.0
# The alarm rings again, in case what was running swallowed the first one.
RENDER_AGAIN_SECONDS = 1.0
# Far more than any rendering takes, far less than a machine has.
RENDER_BYTES = 1 << 30
# Stands for a text in a rendering, so that what the template writes around it can be seen. A
# plain word: templates trim, split and look for markers.
MARK = "quicksilver-7391"

# Whether the prompt itself begins the reasoning, also ends it, or leaves both to the model.
Begins = Literal["open", "closed", "free"]


@dataclass(frozen=True)
class PromptFormat:
    """How prompts are put to a loaded model. Without a template they stand as they are.

    `thinking` is what the template's switch is set to, None where nothing is passed. `prefix`:
    the tokens that stand once before every prompt (BOS). `markers`: those of the model's
    reasoning, None for one that does not reason; `begins` says who writes the opening one.
    `hidden`: special tokens that are no part of a text, the markers not among them.
    """

    template: str | None = None
    system: str | None = None
    thinking: bool | None = None
    prefix: tuple[int, ...] = ()
    markers: ReasoningMarkers | None = None
    begins: Begins = "free"
    hidden: frozenset[int] = frozenset()

    def environment(self) -> dict[str, Any]:
        """What a run records of it."""
        return {
            "chat_template": self.template is not None,
            "system": self.system,
            "thinking": None if self.thinking is None else "on" if self.thinking else "off",
        }


class TemplateFailed(Exception):
    """What a chat template does wrong, in words that follow `its chat template`."""


class _TooLong(BaseException):
    """The time for rendering is over. No Exception: Jinja swallows those of constants."""


def prompt_format(tokenizer: PreTrainedTokenizerBase, request: LoadRequest) -> PromptFormat:
    """How to ask what was loaded, tried out on one prompt.

    Raises RunError where it cannot be asked as requested, or its template does not work.
    """
    asking = request.asking
    template = None if request.folder is None else _template(tokenizer, Path(request.folder))
    if reason := why_not(template, asking):
        raise RunError(f"{request.config_id} cannot be asked like this: {reason}")
    plain = PromptFormat(prefix=added_prefix(tokenizer), markers=markers_of(template))
    if plain.markers is not None:
        plain = replace(plain, hidden=_hidden(tokenizer, plain.markers))
    if template is None or asking.chat == "off":
        return plain
    ask = replace(
        plain,
        template=template,
        system=asking.system,
        thinking=None if asking.thinking == "auto" else asking.thinking == "on",
    )
    try:
        return replace(ask, begins=_try_out(tokenizer, ask))
    except RunError as error:
        raise RunError(f"{request.config_id} cannot be asked like this: {error}") from None


def encode_prompts(
    tokenizer: PreTrainedTokenizerBase, ask: PromptFormat, prompts: Sequence[str]
) -> list[list[int]]:
    """The token ids of each prompt as it is put to the model. Raises RunError for a template that
    fails on one of them."""
    texts = list(prompts)
    if ask.template is not None:
        texts = [render(tokenizer, ask, prompt) for prompt in prompts]
    # Special tokens are ours to add: a tokenizer may append EOS too, and write BOS a second time.
    encoded = tokenizer(texts, add_special_tokens=False, padding=False, truncation=False)
    return [_once(ask.prefix, ids) for ids in encoded["input_ids"]]


def render(tokenizer: PreTrainedTokenizerBase, ask: PromptFormat, prompt: str) -> str:
    """The text that asks for an answer to `prompt` through the template. Raises RunError."""
    try:
        return _render(tokenizer, ask, prompt)
    except TemplateFailed as failure:
        raise RunError(f"its chat template {failure}. Ask without it: --chat off.") from None


def turn_end_tokens(tokenizer: PreTrainedTokenizerBase) -> tuple[int, ...]:
    """The added token that ends an assistant's turn by the template, such as <|im_end|>.

    Empty without a template, or where it ends a turn without one. Never raises.
    """
    try:
        template = default_of(tokenizer.chat_template)
        if template is None:
            return ()
        turns = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": MARK}]
        rendered = _apply(tokenizer, template, turns, add_generation_prompt=False)
        _, found, after = rendered.rpartition(MARK)
        ids = tokenizer.encode(after.lstrip(), add_special_tokens=False) if found else []
        return tuple(ids[:1]) if ids and ids[0] in tokenizer.added_tokens_decoder else ()
    # A template that fails is reported where prompts are asked through it.
    except Exception:
        return ()


def added_prefix(tokenizer: PreTrainedTokenizerBase) -> tuple[int, ...]:
    """The tokens that a tokenizer puts before a text by itself: BOS, or none."""
    bare = tokenizer.encode("a", add_special_tokens=False)
    whole = tokenizer.encode("a", add_special_tokens=True)
    for start in range(len(whole) - len(bare) + 1):
        if whole[start : start + len(bare)] == bare:
            return tuple(whole[:start])
    return ()


def _template(tokenizer: PreTrainedTokenizerBase, source: Path) -> str | None:
    # A multimodal checkpoint keeps its template with the processor, which is not loaded.
    found = default_of(tokenizer.chat_template)
    if found is None and source.is_dir():
        try:
            return read_template(source)
        except InputError as error:
            raise RunError(str(error)) from None
    return found


def _try_out(tokenizer: PreTrainedTokenizerBase, ask: PromptFormat) -> Begins:
    """How an answer begins. Raises RunError where the template leaves out what it is given."""
    rendered = _render_with_system(tokenizer, ask)
    _, found, after = rendered.rpartition(MARK)
    if not found:
        raise RunError(
            "its chat template leaves out the user's text; it may be written for images and "
            "text in parts. Ask without it: --chat off."
        )
    if ask.thinking is not None:
        other = render(tokenizer, replace(ask, thinking=not ask.thinking), MARK)
        if other == rendered:
            raise RunError(
                "its chat template is the same with thinking on and off. Use --thinking auto."
            )
    if ask.markers is None:
        return "free"
    opened, closed = after.rfind(ask.markers.opening), after.rfind(ask.markers.closing)
    if opened == closed:
        # Neither is there.
        return "free"
    return "open" if opened > closed else "closed"


def _render_with_system(tokenizer: PreTrainedTokenizerBase, ask: PromptFormat) -> str:
    if ask.system is None:
        return render(tokenizer, ask, MARK)
    without = render(tokenizer, replace(ask, system=None), MARK)
    try:
        rendered = _render(tokenizer, ask, MARK)
    except TemplateFailed as failure:
        raise RunError(
            f"with a system prompt its chat template {failure}. Leave out --system."
        ) from None
    if rendered == without and ask.system.strip() not in rendered:
        raise RunError("its chat template leaves out the system prompt. Leave out --system.")
    return rendered


def _render(tokenizer: PreTrainedTokenizerBase, ask: PromptFormat, prompt: str) -> str:
    assert ask.template is not None
    if ask.prefix:
        # Written by a user, it would stand a second time behind the template's own beginning.
        written = str(tokenizer.decode(list(ask.prefix), skip_special_tokens=False))
        while prompt.startswith(written):
            prompt = prompt.removeprefix(written)
    messages = [] if ask.system is None else [{"role": "system", "content": ask.system}]
    messages.append({"role": "user", "content": prompt})
    switch = thinking_switch(ask.template)
    switches = {} if ask.thinking is None or switch is None else {switch: ask.thinking}
    try:
        return _apply(tokenizer, ask.template, messages, add_generation_prompt=True, **switches)
    except TemplateFailed:
        raise
    except MemoryError:
        raise TemplateFailed("takes more memory than any prompt needs") from None
    # Whatever a program from somewhere else may raise.
    except Exception as error:
        raise TemplateFailed(f"fails ({_one_line(error)})") from None


def _apply(
    tokenizer: PreTrainedTokenizerBase,
    template: str,
    messages: Sequence[dict[str, str]],
    # Named by transformers and by the template, each of a type of its own.
    **options: Any,
) -> str:
    try:
        with _time_limit(RENDER_SECONDS), _memory_limit(RENDER_BYTES):
            return str(
                tokenizer.apply_chat_template(
                    list(messages), chat_template=template, tokenize=False, **options
                )
            )
    except _TooLong:
        raise TemplateFailed(f"does not end within {RENDER_SECONDS:g} s") from None


@contextlib.contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """Raises _TooLong when the time is over. A worker decodes on its main thread; on another one,
    and without SIGALRM, there is no limit."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "SIGALRM"):
        yield
        return

    def ring(*_: object) -> None:
        raise _TooLong

    handler = signal.signal(signal.SIGALRM, ring)
    started = time.monotonic()
    left, interval = signal.setitimer(signal.ITIMER_REAL, seconds, RENDER_AGAIN_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        if left:
            passed = time.monotonic() - started
            signal.setitimer(signal.ITIMER_REAL, max(left - passed, 0.001), interval)


@contextlib.contextmanager
def _memory_limit(more: int) -> Iterator[None]:
    """Raises MemoryError when the process takes `more` bytes than it has now, instead of having
    the system kill it. On Linux; elsewhere there is no limit."""
    statm = Path("/proc/self/statm")
    if not statm.exists():
        yield
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = int(statm.read_text().split()[0]) * resource.getpagesize() + more
    limits = [limit, *(each for each in (soft, hard) if each != resource.RLIM_INFINITY)]
    resource.setrlimit(resource.RLIMIT_AS, (min(limits), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _once(prefix: tuple[int, ...], ids: list[int]) -> list[int]:
    """The ids with the prefix before them, once."""
    length = len(prefix)
    while length and tuple(ids[:length]) == prefix:
        ids = ids[length:]
    return [*prefix, *ids]


def _hidden(tokenizer: PreTrainedTokenizerBase, markers: ReasoningMarkers) -> frozenset[int]:
    return frozenset(
        id_
        for id_, token in tokenizer.added_tokens_decoder.items()
        if token.special
        and token.content not in markers.opening
        and token.content not in markers.closing
    )


def _one_line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0]}" if text else type(error).__name__
