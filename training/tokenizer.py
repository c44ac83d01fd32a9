"""The demo models' tokenizer: Qwen2's own rules, with a small vocabulary trained on the corpus.

It has to be `Qwen2Tokenizer`: for a qwen2 checkpoint `AutoTokenizer` always builds that class,
with its own splitting pattern, and ignores any other pattern in `tokenizer.json`
(transformers 5.23, `models/auto/tokenization_auto.py`).
"""

from __future__ import annotations

from collections.abc import Iterable

from transformers import Qwen2Tokenizer

END_OF_TEXT = "<|endoftext|>"
VOCABULARY_SIZE = 3072
CONTEXT_TOKENS = 512


def train_tokenizer(texts: Iterable[str], vocabulary_size: int = VOCABULARY_SIZE) -> Qwen2Tokenizer:
    """Train byte-level BPE on `texts`; the end-of-text token is id 0 and also pads."""
    empty = Qwen2Tokenizer(model_max_length=CONTEXT_TOKENS, clean_up_tokenization_spaces=False)
    trained = empty.train_new_from_iterator(texts, vocabulary_size, show_progress=False)
    if trained.eos_token_id != 0 or trained.pad_token_id != 0:
        raise ValueError(f"{END_OF_TEXT} must be token 0, but is {trained.eos_token_id}")
    return trained
