"""Whether llama.cpp's own tokenizer reads texts as transformers does, whose token ids it is fed."""

from __future__ import annotations

from collections.abc import Sequence

from transformers import PreTrainedTokenizerBase

from vibecore.engine.chat import PromptFormat, encode_prompts
from vibecore.engine.llama_cpp.native import NativeModel

# Of everything that tokenizers split in ways of their own.
TEXTS = (
    "What is the capital of France?",
    "Write a haiku about the sea, then explain it in 2 sentences.",
    "def prime(n: int) -> bool:\n    return n > 1 and all(n % d for d in range(2, n))\n",
    "I'm sure they've said: it won't cost $1,234.56 (or 20 %)…  Two  spaces,\ttab\r\nline.",
    "Straße, façade, naïve, Ελλάδα, Москва, 東京都, 한국어, العربية, हिन्दी, 🙂👩‍👩‍👧",
    '{"name": "Ada", "values": [1, 2.5, -3e-7], "nested": {"ok": true}}\n\n\n',
)


def differing_texts(
    native: NativeModel, tokenizer: PreTrainedTokenizerBase, ask: PromptFormat
) -> list[str]:
    """Those of TEXTS whose token ids differ, as they stand or as the model is asked them."""
    plain = tokenizer(list(TEXTS), add_special_tokens=False)["input_ids"]
    found = [
        text for text, ids in zip(TEXTS, plain, strict=True) if native.tokens_of(text) != list(ids)
    ]
    if ask.template is not None:
        (asked,) = encode_prompts(tokenizer, ask, TEXTS[:1])
        if not _same_asked(native, tokenizer, ask, asked) and TEXTS[0] not in found:
            found.insert(0, TEXTS[0])
    return found


def _same_asked(
    native: NativeModel, tokenizer: PreTrainedTokenizerBase, ask: PromptFormat, asked: Sequence[int]
) -> bool:
    body = list(asked[len(ask.prefix) :])
    written = str(tokenizer.decode(body, clean_up_tokenization_spaces=False))
    return native.tokens_of(written) == body
