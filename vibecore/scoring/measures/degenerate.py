"""Which cuts that others published an answer's prose exceeds."""

from __future__ import annotations

from vibecore.core.rows import MOST_COMPRESSIBLE
from vibecore.scoring.measures.duplicates import GOPHER_CUTS, duplicate_shares
from vibecore.scoring.measures.repetition import even_zlib_ratio
from vibecore.scoring.text.spacing import has_word_spaces, is_ideographic
from vibecore.scoring.text.words import pieces

# Documents of fewer words never met Gopher's cuts: the same appendix drops them before.
GOPHER_MINIMUM_WORDS = 50
# As many characters as so many words have; Whisper compresses segments of about 200 tokens.
FEWEST_CHARACTERS, FEWEST_IDEOGRAPHS = 250, 100


def cuts_exceeded(prose: str) -> tuple[dict[str, float], list[str] | None]:
    """The duplicate shares of prose, and the names of the published cuts that it exceeds.

    `prose` is the text without code, mathematics and tables (see `text.prose`). Gopher's shares and
    cuts (Rae et al. 2021, table A1) are for 50 words or more, parted by white space; there are no
    shares otherwise. Whisper's cut (`zlib_ratio` above 2.4) is for as much text as 50 words are:
    250 characters, or 100 ideographs or kana; all characters are coded in equally many bytes, so
    that it means the same in every script. The names are None where prose is too short for any.
    """
    shares: dict[str, float] = {}
    if len(pieces(prose)) >= GOPHER_MINIMUM_WORDS and has_word_spaces(prose):
        shares = duplicate_shares(prose)
    shortest = FEWEST_IDEOGRAPHS if is_ideographic(prose) else FEWEST_CHARACTERS
    if not shares and len(prose) < shortest:
        return shares, None
    over = [name for name, share in shares.items() if share > GOPHER_CUTS[name]]
    if (even_zlib_ratio(prose) or 0) > MOST_COMPRESSIBLE:
        over.append("zlib_ratio")
    return shares, over
