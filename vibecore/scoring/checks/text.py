"""Checks on the words and lines of an answer: counts, words used and avoided, case, form.

Words and phrases are matched as whole words, in any case, with ' and ’ treated as the same; any
run of white space matches a space. The judge never calls a check with an empty answer.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

from vibecore.core.formats import counted
from vibecore.scoring.arguments import Pattern
from vibecore.scoring.checks import Check
from vibecore.scoring.text.patterns import search
from vibecore.scoring.text.sentences import ends_with_stop, sentence_key, sentences
from vibecore.scoring.text.words import count_words, lines, paragraphs
from vibecore.scoring.verdict import Relation, Verdict, compare, listed, quote

_WRAPPING = " \t\r\n\"'“”‘’«»*_`"
_ENDING = " \t.,;:!?…\"'”’*_`"
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_LINE_MARKER = re.compile(r"(?:[-*+•]|\d{1,3}[.)])\s+")


def word_count(text: str, *, relation: Relation, count: int) -> Verdict:
    """The number of words (pieces between white space with a letter or digit)."""
    return compare(count_words(text), relation, count, "word")


def sentence_count(text: str, *, relation: Relation, count: int) -> Verdict:
    """The number of sentences.

    One ends at . ! ? … or another script's stop before white space, with the quotes, brackets,
    footnote marks and emoji after it, and at a line break; not after an abbreviation, an initial
    or a number in a list ("Dr.", "U.S. Senate", "2 tbsp. sugar", "J. K.", "1."), nor before the
    lower case that goes on after a quotation or an ellipsis. An item of a list is a sentence.
    Code in fences and displayed mathematics are none, headings, titles and cells only with a stop.

    Source: the whole rule is that of `sentences` in scoring/text/sentences.py; Unicode's
    Sentence_Terminal, CLDR's English sentence-break suppressions, starters as in Punkt (Kiss &
    Strunk 2006), tried on the Pragmatic Segmenter's English rules.
    """
    return compare(len(sentences(text)), relation, count, "sentence")


def paragraph_count(text: str, *, relation: Relation, count: int) -> Verdict:
    """The number of paragraphs, which are separated by blank lines."""
    return compare(len(paragraphs(text)), relation, count, "paragraph")


def line_count(text: str, *, relation: Relation, count: int) -> Verdict:
    """The number of lines that are not blank."""
    return compare(len(lines(text)), relation, count, "line")


def distinct_word_count(text: str, *, relation: Relation, count: int) -> Verdict:
    """The number of different words, ignoring case and the punctuation around them."""
    words = {word.casefold() for word in _WORD.findall(text)}
    return compare(len(words), relation, count, "different word")


def distinct_lines(text: str) -> Verdict:
    """No two lines are the same, ignoring list markers, case and end punctuation."""
    return _all_different(lines(text), "line")


def distinct_sentences(text: str) -> Verdict:
    """No two sentences are the same.

    Sentences as in `sentence_count`. List markers, case, Markdown's marks, the shape of quotes,
    white space, end punctuation and how accents are composed make no difference.
    """
    found = sentences(text)
    if not found:
        return Verdict(False, "found no sentence, wanted different ones", open=True)
    keys = list(map(sentence_key, found))
    key, most = Counter(keys).most_common(1)[0]
    if most == 1:
        return Verdict(True, f"found {counted(len(found), 'sentence')}, no two alike", open=False)
    # What an unfinished last sentence repeats so far, it may yet say otherwise.
    unfinished = not ends_with_stop(found[-1]) and len(set(keys[:-1])) == len(keys) - 1
    again = quote(found[keys.index(key)])
    explanation = f"a sentence comes {most} times, wanted none twice: {again}"
    return Verdict(False, explanation, open=unfinished)


def phrase_count(text: str, *, phrase: str, relation: Relation, count: int) -> Verdict:
    """How often a word or phrase occurs."""
    found = len(_phrase(phrase).findall(text))
    verdict = compare(found, relation, count, "time")
    return Verdict(verdict.passed, f'"{phrase}": {verdict.explanation}')


def contains_all(text: str, *, phrases: list[str]) -> Verdict:
    """Every one of the words or phrases occurs."""
    missing = [phrase for phrase in phrases if not _phrase(phrase).search(text)]
    if missing:
        return Verdict(False, f"missing {listed(missing)}, wanted all of {listed(phrases)}")
    return Verdict(True, f"found {listed(phrases)}")


def contains_any(text: str, *, phrases: list[str]) -> Verdict:
    """At least one of the words or phrases occurs."""
    found = next((phrase for phrase in phrases if _phrase(phrase).search(text)), None)
    if found is None:
        return Verdict(False, f"found none of {listed(phrases)}, wanted at least one")
    return Verdict(True, f'found "{found}"')


def forbidden_words(text: str, *, words: list[str]) -> Verdict:
    """None of the words or phrases occurs."""
    found = [word for word in words if _phrase(word).search(text)]
    if found:
        return Verdict(False, f"found {listed(found)}, wanted none of {listed(words)}")
    return Verdict(True, f"found none of {listed(words)}")


def forbidden_characters(text: str, *, characters: str) -> Verdict:
    """None of the characters occurs; letters in any case."""
    folded = text.casefold()
    counts = {c: folded.count(c.casefold()) for c in dict.fromkeys(characters) if not c.isspace()}
    found = [f'"{character}" {times}×' for character, times in counts.items() if times]
    if found:
        return Verdict(False, f"found {', '.join(found)}, wanted none of {listed(counts)}")
    return Verdict(True, f"found none of {listed(counts)}")


def starts_with(text: str, *, prefix: str) -> Verdict:
    """The answer begins with this, in any case; quotes and emphasis before it are ignored."""
    wanted = prefix.lstrip(_WRAPPING)
    start = text.lstrip(_WRAPPING) if wanted else text.lstrip()
    passed = re.match(_bounded(wanted or prefix, after=True), start, re.IGNORECASE) is not None
    return Verdict(passed, f'starts with {quote(start[:40])}, wanted "{prefix}"')


def ends_with(text: str, *, suffix: str) -> Verdict:
    """The answer ends with this, in any case; quotes and emphasis after it are ignored."""
    wanted = suffix.rstrip(_WRAPPING)
    end = text.rstrip(_WRAPPING) if wanted else text.rstrip()
    pattern = _bounded(wanted or suffix, before=True) + r"\Z"
    passed = re.search(pattern, end[-(len(suffix) + 20) :], re.IGNORECASE) is not None
    return Verdict(passed, f'ends with {quote(end[-40:])}, wanted "{suffix}"')


def each_line_starts_with(text: str, *, prefixes: list[str]) -> Verdict:
    """Every line that is not blank begins with one of these, in any case, ignoring emphasis."""
    starts = tuple(prefix.casefold() for prefix in prefixes)
    found = lines(text)
    wrong = [line for line in found if not _line_starts(line.casefold(), starts)]
    wanted = f"wanted each to start with one of {listed(prefixes)}"
    if not wrong:
        return Verdict(True, f"found {counted(len(found), 'line')}, {wanted}")
    return Verdict(
        False,
        f"{len(wrong)} of {counted(len(found), 'line')} start otherwise "
        f"(first: {quote(wrong[0])}), {wanted}",
    )


def last_line_starts_with(text: str, *, prefix: str) -> Verdict:
    """The last line that is not blank begins with this, by the rule of `starts_with`."""
    verdict = starts_with(lines(text)[-1], prefix=prefix)
    return Verdict(verdict.passed, f"the last line {verdict.explanation}")


def acrostic(text: str, *, word: str) -> Verdict:
    """The first letters of the lines, in order, spell the word, in any case."""
    initials = (next((c for c in line if c.isalnum()), "") for line in lines(text))
    found = "".join(initials)
    passed = found.casefold() == word.casefold()
    return Verdict(passed, f'the lines spell {quote(found, 20)}, wanted "{word}"')


def matches_regex(text: str, *, what: str, pattern: Pattern) -> Verdict:
    """The pattern matches somewhere (^ and $ at each line); `what` describes it in words."""
    match = search(pattern, text, re.MULTILINE)
    if match is None:
        return Verdict(False, f"found no {what}")
    return Verdict(True, f"found {what}: {quote(match[0])}")


def letter_case(text: str, *, case: Literal["upper", "lower"]) -> Verdict:
    """Every letter that has a case is in this case, and at least one letter has one."""
    upper = sum(1 for character in text if character.isupper())
    lower = sum(1 for character in text if character.islower())
    wanted, other = (upper, lower) if case == "upper" else (lower, upper)
    wrong = "lower" if case == "upper" else "upper"
    found = f"found {wanted} letters in {case} case and {other} in {wrong} case"
    return Verdict(wanted > 0 and other == 0, f"{found}, wanted {case} case only")


def one_of(text: str, *, options: list[str]) -> Verdict:
    """The whole answer is one of the options, ignoring case, quotes and a final stop."""
    answer = " ".join(text.split()).casefold().strip(_WRAPPING + ".!").replace("’", "'")
    passed = answer in {option.casefold().strip(_WRAPPING + ".!") for option in options}
    return Verdict(passed, f"the answer is {quote(text)}, wanted one of {listed(options)}")


def _line_starts(line: str, starts: tuple[str, ...]) -> bool:
    # The line is stripped: a prefix such as "- " needs the space back to match a bare "-".
    return f"{line} ".startswith(starts) or line.lstrip(_WRAPPING).startswith(starts)


def _all_different(pieces: Sequence[str], noun: str) -> Verdict:
    times = Counter(_LINE_MARKER.sub("", piece, 1).casefold().strip(_ENDING) for piece in pieces)
    if not times:
        return Verdict(False, f"found no {noun}, wanted different ones")
    piece, most = times.most_common(1)[0]
    if most > 1:
        return Verdict(False, f"a {noun} comes {most} times, wanted none twice: {quote(piece)}")
    return Verdict(True, f"found {counted(len(times), noun)}, no two alike")


@lru_cache(maxsize=512)
def _phrase(phrase: str) -> re.Pattern[str]:
    return re.compile(_bounded(phrase, before=True, after=True), re.IGNORECASE)


@lru_cache(maxsize=512)
def _bounded(phrase: str, before: bool = False, after: bool = False) -> str:
    """A pattern for the phrase that does not begin or end inside a word."""
    pattern = r"\s+".join(re.escape(word) for word in phrase.split())
    pattern = re.sub("['’]", "['’]", pattern)
    if before and re.match(r"\w", phrase):
        pattern = r"(?<!\w)" + pattern
    if after and re.search(r"\w\Z", phrase):
        pattern += r"(?!\w)"
    return pattern


CHECKS = (
    Check(word_count, "counts"),
    Check(sentence_count, "counts"),
    Check(paragraph_count, "counts"),
    Check(line_count, "counts"),
    Check(distinct_word_count, "counts"),
    Check(distinct_sentences, "no loops"),
    Check(distinct_lines, "no loops"),
    Check(phrase_count, "counts"),
    Check(contains_all, "words"),
    Check(contains_any, "words"),
    Check(forbidden_words, "words"),
    Check(forbidden_characters, "words"),
    Check(starts_with, "places"),
    Check(ends_with, "places"),
    Check(each_line_starts_with, "places"),
    Check(last_line_starts_with, "places"),
    Check(acrostic, "places"),
    Check(matches_regex, "words"),
    Check(letter_case, "words"),
    Check(one_of, "words"),
)
