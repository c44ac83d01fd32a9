"""How engine `graph` cuts prompts for the forward passes that it records on a GPU.

A recorded pass has a fixed number of tokens, so prompts are padded to one of a few lengths, and
long ones are read in several passes. Pure arithmetic: the engine follows it, and the memory model
knows from it what a pass holds.
"""

from __future__ import annotations

# Tokens of a row that one pass reads. Between one and the next a third to a half is padding at
# most, which costs less than a pass does: up to some hundred tokens reading the weights decides.
CHUNKS = (32, 64, 96, 128, 192, 256, 384, 512)
# Tokens of all rows of a batch together that one pass reads at most: what bounds its activations.
MOST_TOKENS = 8192


def longest_chunk(rows: int) -> int:
    """Tokens of a row that one pass over the prompts of `rows` rows reads at most."""
    return max((chunk for chunk in CHUNKS if chunk * rows <= MOST_TOKENS), default=CHUNKS[0])


def chunks_of(prompt_tokens: int, rows: int) -> tuple[int, ...]:
    """The passes that read prompts of at most `prompt_tokens` tokens, `rows` at once: tokens of
    each, in order. Their sum is the length that prompts are padded to."""
    longest = longest_chunk(rows)
    whole, rest = divmod(prompt_tokens, longest)
    last = next(chunk for chunk in CHUNKS if chunk >= rest)
    return (longest,) * whole + ((last,) if rest else ())
