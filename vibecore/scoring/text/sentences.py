"""Sentences: one rule, for the scores and the checks."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from vibecore.scoring.text.abbreviations import (
    LONGEST_BEFORE,
    SUBJECTS,
    begins_sentence,
    belongs,
    may_belong,
)
from vibecore.scoring.text.blocks import blocks
from vibecore.scoring.text.words import FILLERS

# Unicode's Sentence_Terminal characters (PropList.txt) above ASCII, of the scripts in use today,
# without Burmese's comma (U+104A, which it has too), and the ellipsis.
_STOPS = (
    "\u0589\u061d-\u061f\u06d4\u0700-\u0702\u07f9\u0964\u0965\u104b\u1362\u1367\u1368\u166e"
    "\u1735\u1736\u17d4\u17d5\u1803\u1809\u1944\u1945\u1aa8-\u1aab\u1b5a\u1b5b\u1b5e\u1b5f\u1c3b"
    "\u1c3c\u1c7e\u1c7f\u203c\u203d\u2047-\u2049\u3002\ua4ff\ua60e\ua60f\ua6f3\ua6f7\ua876\ua877"
    "\ua8ce\ua8cf\ua92f\ua9c8\ua9c9\uaa5d-\uaa5f\uaaf0\uaaf1\uabeb\ufe12\ufe15\ufe16\ufe52\ufe56"
    "\ufe57\uff01\uff1f\uff61"
)
# Pictures, with what joins and colours them; flags, keycaps.
_EMOJI = (
    "\u203c\u2049\u20e3\u231a-\u23ff\u2600-\u27bf\u2b05-\u2b55\ufe0e\ufe0f\u200d"
    "\U0001f000-\U0001faff\U000e0020-\U000e007f"
)
_UPPER = "A-ZÀ-ÖØ-ÞĀĂĄĆČĎĐĒĖĘĚŁŃŇŐŘŚŞŠŤŮŰŹŻŽΑ-ΫЀ-Я"
_CLOSERS = "\"'”’»›)）\\]*_`~」』】〉》"
# What may stand between a stop and the white space after it, and belongs to the sentence: the end
# of a link, a footnote's mark, a closing tag, a quote (German ones close with “ and «, and French
# ones have a space before), a bracket, emphasis, an emoji.
_TAIL = (
    rf"(?:\]\([^()\s]{{0,200}}\)|\[\^?[^\]\[\s]{{1,8}}\]|\[citation\ needed\]|</[a-zA-Z]\w{{0,9}}>"
    rf"|[“«](?=[\s,;.:!?)]|\Z)|[\ \u00a0\u202f]»(?!\w)"
    rf"|[0-9#*]\ufe0f?\u20e3|[{_CLOSERS}{_EMOJI}⁰¹²³⁴-⁹†‡])*+"
)
_ASCII_MARK = re.compile("[.!?]")
_ANY_MARK = re.compile(rf"[.!?…．;\u037e{_STOPS}]|[{_EMOJI}]++")
_STOP = re.compile(
    rf"""(?<![.!?…]) ( [.!?…]++ (?:\ \.(?=[\s.]|$))*+ ) ({_TAIL})
         (?= \s | $ | [“«‘（「『《] | (?<=[{_EMOJI}]) )
       | (?<=[^\W\d_]) (?P<joined> [!?]++ ["”’»)]*+ | \.\.++ | …++ | \.["”»]++ ) (?=[{_UPPER}])
       | (?<=[^\W\d_]) (?P<missing> \. ) (?=[{_UPPER}][^\W\d_]*+[ ,'’])
       | (?P<other> [{_STOPS}]++ | ．(?!\d) | (?<=[\u0370-\u03ff\u1f00-\u1fff])[;\u037e] ) {_TAIL}
    """,
    re.VERBOSE,
)
_OPENERS = "([{\"'“‘«‹„*_~`¿¡—–-「『（《"
# The next word, past what may open a sentence.
_NEXT = re.compile(rf"[\s{re.escape(_OPENERS)}{_EMOJI}]*+([^\W_]*+)")
_LETTER_OR_DIGIT = re.compile(rf"[^\W_{FILLERS}]")
_QUOTES = frozenset("\"'“”’«»›)）」』")
_CODE_SPAN = re.compile(r"(?<!`)(`++)([^`]++)\1(?!`)")
_STOP_CHARACTER = re.compile(rf"[.!?…．;\u037e{_STOPS}]")
# A verb of speech after a quotation's end: “Stop!” Maria said.
_SAID = re.compile(
    r"""\s*+(?:I|[A-Z][\w.'’-]*+(?:\ [A-Z][\w'’-]*+)?)\ (?:\w+ly\ )?(?:said|says|asked|asks|replied
    |answered|shouted|whispered|cried|called|exclaimed|yelled|screamed|muttered|murmured|laughed
    |sighed|added|continued|began|told|thought|wondered|agreed|insisted|begged|warned|gasped
    |snapped|growled|joked|explained|repeated|responded|demanded)\b""",
    re.VERBOSE,
)
# と and って quote in Japanese; 他说 “he said” in Chinese, before or after.
_SPEAKER_FOLLOWS = re.compile(r"と|って|[^。，！？、\s]{0,4}[说說问問喊叫道][。，着了道]")
# Names that are written with an exclamation mark.
_EXCLAIMED = frozenset({"yahoo", "jeopardy", "yum", "joomla", "panic", "wham"})
_ENDS_WITH_STOP = re.compile(rf"[.!?…．{_STOPS}]{_TAIL}\s*\Z", re.VERBOSE)
_SPACES = re.compile(r"\s+")
_MARKUP = re.compile(r"\]\([^()\s]{0,200}\)|[*_`~#\[\]\ufe0e\ufe0f\u20e3]")
_STRAIGHT = str.maketrans("‘’‚“”„«»", '\'\'\'"""""')


@lru_cache(maxsize=8)
def sentences(text: str) -> tuple[str, ...]:
    """Split into sentences, by rule.

    Lines. `blocks` says which line breaks end a sentence (with or without a stop), and what is no
    sentence at all: code in fences, displayed mathematics, rules; and a heading, a title or a cell
    of a table unless it has a stop. List markers are dropped, and an item of a list is a sentence
    at least. What has no letter or digit is no sentence.

    Stops. A sentence ends at a run of . ! ? … that white space or the end follows, and at a stop of
    another script (。 ؟ ۔ । ። ։ and so on; a Greek ;) anywhere. Closing quotes and brackets,
    emphasis, the mark of a footnote and emoji directly after the stop belong to it. Thai has no
    stops: there lines alone count. Where a space was left out, a stop between a letter and a
    capital ends one too ("home.The door", "home!The door"), but not "setup.py", "3.5" or
    "Console.Write". Emoji alone end a sentence only before a word that begins one ("See you 🎉 We
    won"). It does not end
    - at an ellipsis before the word said again ("I... I can't");
    - at an ellipsis, or at a stop inside closing quotes or brackets, before lower case; nor at a
      quotation's end before who says it ("“Stop!” Maria said"); nor at "[...]" or "(!)";
    - inside a code span;
    - after "Dr.", "e.g.", "vs." and the like; after "No.", "p." or "Fig." before what they number;
    - after other abbreviations (units after a number, months, weekdays, states, "Inc.", "etc.",
      "a.m.", "U.S.") before lower case or a digit. Before a capital it does, but for dotted
      acronyms, companies and streets only where the next word often begins a sentence ("the U.S.
      She left", "the U.S. Senate"), and not in "At 5 p.m. Bob left", which waits for its clause;
    - after an initial ("J. K. Rowling"), unlike "Plan B. Then" and "so did I. Then";
    - after a number or letter that labels or numbers: "Step 1. Boil", "1. Boil. 2. Pour".
    """
    found: list[str] = []
    for text_of_block, label, number in blocks(text):
        _split(text_of_block, label, number, found)
    return tuple(found)


def _split(block: str, label: bool, number: int, found: list[str]) -> None:
    """Add the sentences of one block."""
    masked = _without_code(block) if "`" in block else block
    mark_of = _ASCII_MARK if block.isascii() else _ANY_MARK
    start = at = 0
    # Every stop begins with a mark, which is far quicker to look for than a stop.
    while mark := mark_of.search(masked, at):
        stop = _STOP.match(masked, mark.start())
        if stop is None:
            at = mark.end()
            if not mark[0].isascii() and _stands_for_a_stop(masked, start, mark):
                found.append(block[start:at].strip())
                start = at
            continue
        at = stop.end()
        ends, number = _ends_sentence(masked, start, stop, number)
        if ends:
            piece = block[start:at]
            if _LETTER_OR_DIGIT.search(piece):
                found.append(piece.strip())
            start = at
    if start < len(block) and not label:
        piece = block[start:]
        if _LETTER_OR_DIGIT.search(piece):
            found.append(piece.strip())


def _ends_sentence(text: str, start: int, stop: re.Match[str], number: int) -> tuple[bool, int]:
    """Whether a stop ends the sentence that begins at `start`; and the number of the last item."""
    end = stop.end()
    if stop["other"]:
        return not (text[end - 1] in "」』”’》" and _SPEAKER_FOLLOWS.match(text, end)), number
    next_word = _NEXT.match(text, end)
    assert next_word is not None  # it matches the empty text
    following, end_of_next = next_word[1], next_word.end()
    marks, tail = stop[1], stop[2]
    if marks is None:
        return stop["missing"] is None or _space_left_out(text, stop.start(), following), number
    if end == len(text):
        return True, number
    closing = tail.lstrip("*_~` \u00a0\u202f")[:1] if tail else ""
    if closing in ("]", ")", "）") and text[stop.start() - 1 : stop.start()] in ("[", "(", "（"):
        return False, number  # "[...]", "(!)"
    quoted = closing in _QUOTES
    ellipsis = "…" in marks or marks[:2] == ".." or marks[1:2] == " "
    if following.islower() and (quoted or ellipsis):
        return False, number
    if quoted and _SAID.match(text, end) and (following == "I" or not begins_sentence(following)):
        return False, number
    begin = text.rfind(" ", start, stop.start()) + 1 or start
    word = text[begin : stop.start()].lstrip(_OPENERS)
    if ellipsis and not tail and word and word.lower() == following.lower():
        return False, number  # "I... I can't"
    if quoted or ellipsis or (tail and tail.strip("*_~`")):
        return True, number
    if marks != ".":
        return not (following.islower() and word.lower() in _EXCLAIMED), number
    if not may_belong(word):
        return True, number
    # No more of the sentence matters than the rules look at.
    begin = stop.start() - len(word)
    before = text[max(start, begin - LONGEST_BEFORE) : begin].lstrip()
    if not belongs(before, word, following, text[end_of_next : end_of_next + 1] == ".", number):
        return True, number
    return False, int(word) if word.isdecimal() and len(word) < 4 else number


def _space_left_out(text: str, at: int, following: str) -> bool:
    """Whether "home.The" is two sentences, and not a name such as "Console.Write"."""
    begin = text.rfind(" ", 0, at) + 1
    return following.lower() in SUBJECTS or text[begin:at].lstrip(_OPENERS).islower()


def _stands_for_a_stop(text: str, start: int, emoji: re.Match[str]) -> bool:
    """Whether emoji end a sentence without a stop: a word that begins one follows."""
    if emoji[0][0] in "…．" or text[emoji.end() : emoji.end() + 1] != " ":
        return False
    following = _NEXT.match(text, emoji.end())[1]  # type: ignore[index]  # it matches ""
    if not following[:1].isupper() or not begins_sentence(following):
        return False
    before = text[max(start, emoji.start() - 2) : emoji.start()].rstrip()[-1:]
    return before.isalnum() or before in _QUOTES


def _without_code(block: str) -> str:
    """The block with the stops inside its code spans replaced, at the same places."""
    if block[0] == "`" and _CODE_SPAN.fullmatch(block):
        return block
    return _CODE_SPAN.sub(_masked, block)


def _masked(span: re.Match[str]) -> str:
    body = span[2]
    # A sentence in backticks keeps its end, `println!` does not.
    kept = len(body.rstrip(".!?…")) if " " in body else len(body)
    return span[1] + _STOP_CHARACTER.sub("_", body[:kept]) + body[kept:] + span[1]


def sentence_key(sentence: str) -> str:
    """What two sentences that say the same share: list markers, case, marks of Markdown, quotes'
    and apostrophes' shapes, white space and end punctuation make no difference, nor does how
    accents are composed (Unicode's NFC)."""
    if not sentence.isascii():
        sentence = unicodedata.normalize("NFC", sentence).translate(_STRAIGHT)
    plain = _SPACES.sub(" ", _MARKUP.sub("", sentence)).casefold()
    start, end = 0, len(plain)
    while start < end and not _is_written(plain[start]):
        start += 1
    while start < end and not _is_written(plain[end - 1]):
        end -= 1
    return plain[start:end] or sentence.strip()


def _is_written(character: str) -> bool:
    """A letter, a digit, or a mark on one, as the vowel signs of Indic scripts are."""
    return character.isalnum() or unicodedata.category(character) in ("Mn", "Mc")


def ends_with_stop(sentence: str) -> bool:
    """Whether a stop ends the sentence, rather than a line break or the end of the text."""
    return _ENDS_WITH_STOP.search(sentence) is not None
