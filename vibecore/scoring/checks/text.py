"""Checks on the words and lines of an answer: counts, words used and avoided, case, form.

`vibecore.scoring.text.matching` says when a text has a word or phrase; `.words` what counts as a
word; `.layout` which lines are text. The judge never calls a check with an empty answer.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from typing import Annotated, Literal

from vibecore.core.formats import counted
from vibecore.scoring.arguments import Pattern
from vibecore.scoring.checks import Check
from vibecore.scoring.text.characters import count_character, fold, one_form
from vibecore.scoring.text.layout import text_lines, text_paragraphs, without_fences
from vibecore.scoring.text.line_marks import unmarked
from vibecore.scoring.text.matching import phrase as read_phrase
from vibecore.scoring.text.matching import phrase_defect, phrases_defect, plain
from vibecore.scoring.text.patterns import may_match_later, search
from vibecore.scoring.text.places import begins, ends, may_begin, trimmed
from vibecore.scoring.text.sentences import ends_with_stop, sentence_key, sentences
from vibecore.scoring.text.words import can_count_words, count_words, words
from vibecore.scoring.verdict import Relation, Undecided, Verdict, compare, listed, quote

_WRAPPING = " \t\r\n\"'“‘«*_`"
_ENDING = " \t.,;:!?…\"'”’*_`"
_DIGRAPHS = re.compile("[\u01c5\u01c8\u01cb\u01f2\u1f88-\u1fff]")
Phrase = Annotated[str, phrase_defect]
Phrases = Annotated[list[str], phrases_defect]


def word_count(text: str, *, relation: Relation, count: int) -> Verdict:
    """The number of words: pieces between white space or dashes, with a letter or digit.

    A comma without a space parts two ("red,green"); a hyphen, slash, point, apostrophe or a comma
    between digits parts nothing: "well-known", "and/or", "3.5", "don't", an address are one each.
    No words are list markers ("1.", "a)", "ii.", "•"; "A." where a "B." follows) at the beginning
    of a line, lone signs, emoji and the label of a code fence. Each character of Han and kana is
    one, as in word processors; Thai, Lao, Khmer and Burmese have no verdict, because only a
    dictionary parts their words.
    """
    _require_words(text)
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
    """The number of paragraphs, which are separated by blank lines.

    Rules ("---") and code fences part paragraphs and are none; nor is a heading ("# Title").

    Source: CommonMark 0.31, 4.1, 4.2, 4.5 and 4.8.
    """
    return compare(len(text_paragraphs(text)), relation, count, "paragraph")


def line_count(text: str, *, relation: Relation, count: int) -> Verdict:
    """The number of lines that are not blank.

    Code fences (not what they enclose) and rules ("---", "* * *") are no lines of the text. A form
    feed and Unicode's line and paragraph separators end a line too.

    Source: CommonMark 0.31, 4.1 and 4.5; the Unicode Standard, 5.8.
    """
    return compare(len(text_lines(text)), relation, count, "line")


def distinct_word_count(text: str, *, relation: Relation, count: int) -> Verdict:
    """The number of different words, ignoring case and the punctuation around them.

    Words are those of `word_count`, compared in one normal form, without Markdown's emphasis.
    """
    _require_words(text)
    return compare(len(set(words(plain(text)))), relation, count, "different word")


def distinct_lines(text: str) -> Verdict:
    """No two lines are the same, ignoring list markers, case and end punctuation.

    Lines are those of `line_count`; emphasis and how letters are composed make no difference.
    """
    keys = [plain(unmarked(line)).strip(_ENDING) for line in text_lines(text)]
    keys = [" ".join(key.split()) for key in keys]
    if not keys:
        return Verdict(False, "found no line, wanted different ones", open=True)
    key, most = Counter(keys).most_common(1)[0]
    if most == 1:
        return Verdict(True, f"found {counted(len(keys), 'line')}, no two alike")
    # The last line may go on otherwise than the one that it is like so far.
    unfinished = len(set(keys[:-1])) == len(keys) - 1
    explanation = f"a line comes {most} times, wanted none twice: {quote(key)}"
    return Verdict(False, explanation, open=unfinished)


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


def phrase_count(text: str, *, phrase: Phrase, relation: Relation, count: int) -> Verdict:
    """How often a word or phrase occurs, by the rule of `contains_all`."""
    verdict = compare(read_phrase(phrase).count(text), relation, count, "time")
    return replace(verdict, explanation=f'"{phrase}": {verdict.explanation}')


def contains_all(text: str, *, phrases: Phrases) -> Verdict:
    """Every one of the words or phrases occurs, in any case.

    As whole words: "stormy" and "storms" are not "storm". Written "storm~", the inflected forms of
    the (last) English word count too: storms, stormed, storming; derived words (stormy) never do.
    Markdown's emphasis, what cannot be seen (soft hyphens, zero-width spaces), how letters are
    composed, the style of letters, quotation marks, apostrophes, hyphens and spaces make no
    difference. Han, kana, Thai, Lao, Khmer and Burmese are found inside longer text; a Korean noun
    may carry particles.

    Source: Unicode, NFKC_Casefold (D146) and UAX #29 for letters and bounds; lemminflect for forms.
    """
    missing = [phrase for phrase in phrases if not read_phrase(phrase).occurs(text)]
    if missing:
        return Verdict(False, f"missing {listed(missing)}, wanted all of {listed(phrases)}")
    unfinished = any(read_phrase(phrase).only_unfinished(text) for phrase in phrases)
    return Verdict(True, f"found {listed(phrases)}", open=unfinished)


def contains_any(text: str, *, phrases: Phrases) -> Verdict:
    """At least one of the words or phrases occurs, by the rule of `contains_all`."""
    found = next((phrase for phrase in phrases if read_phrase(phrase).occurs(text)), None)
    if found is None:
        return Verdict(False, f"found none of {listed(phrases)}, wanted at least one")
    # Another phrase may stand elsewhere.
    occurring = [one for one in map(read_phrase, phrases) if one.occurs(text)]
    unfinished = all(one.only_unfinished(text) for one in occurring)
    return Verdict(True, f'found "{found}"', open=unfinished)


def forbidden_words(text: str, *, words: Phrases) -> Verdict:
    """None of the words or phrases occurs, by the rule of `contains_all`.

    Inflected forms are forbidden only where they are asked for: "fall~" forbids falls and fallen.
    """
    found = [word for word in words if read_phrase(word).occurs(text)]
    if found:
        unfinished = all(read_phrase(word).only_unfinished(text) for word in found)
        explanation = f"found {listed(found)}, wanted none of {listed(words)}"
        return Verdict(False, explanation, open=unfinished)
    return Verdict(True, f"found none of {listed(words)}")


def forbidden_characters(text: str, *, characters: str) -> Verdict:
    """None of the characters occurs; letters in any case.

    Full-width forms, curly quotation marks and apostrophes count as their plain ones; an ellipsis
    (…) is no full stop, and é no e, however it is composed.
    """
    counts = {c: count_character(text, c) for c in dict.fromkeys(characters) if not c.isspace()}
    found = [f'"{character}" {times}×' for character, times in counts.items() if times]
    if found:
        return Verdict(False, f"found {', '.join(found)}, wanted none of {listed(counts)}")
    return Verdict(True, f"found none of {listed(counts)}")


def starts_with(text: str, *, prefix: str) -> Verdict:
    """The answer begins with this, in any case.

    Ignored before it: white space, quotation marks, emphasis, a code fence, the marks of a heading
    or a quotation. Letters are compared as in `contains_all`; a prefix that ends in a word is not
    the beginning of a longer word.
    """
    passed = begins(text, prefix)
    start = quote((text.lstrip(_WRAPPING) if prefix.strip(_WRAPPING) else text.lstrip())[:40])
    explanation = f'starts with {start}, wanted "{prefix}"'
    return Verdict(passed, explanation, open=not passed and may_begin(text, prefix))


def ends_with(text: str, *, suffix: str) -> Verdict:
    """The answer ends with this, in any case.

    Ignored after it: white space, quotation marks, emphasis, a code fence, a rule; after a suffix
    that ends in a letter or digit also punctuation. Letters are compared as in `contains_all`.
    """
    end = quote(text.rstrip()[-40:])
    return Verdict(ends(text, suffix), f'ends with {end}, wanted "{suffix}"')


def each_line_starts_with(text: str, *, prefixes: list[str]) -> Verdict:
    """Every line that is not blank begins with one of these, by the rule of `starts_with`.

    Lines are those of `line_count`.
    """
    found = text_lines(text)
    # The lines are stripped: a prefix such as "- " needs the space back to match a bare "-".
    signs = tuple(prefix for prefix in prefixes if not prefix[-1].isalnum())
    wrong = [
        line
        for line in found
        if not f"{line} ".startswith(signs) and not any(begins(line, one) for one in prefixes)
    ]
    wanted = f"wanted each to start with one of {listed(prefixes)}"
    if not found or not wrong:
        passed = bool(found)
        return Verdict(passed, f"found {counted(len(found), 'line')}, {wanted}", open=not passed)
    # The last line may be cut off inside its beginning.
    unfinished = len(wrong) == 1 and wrong[0] is found[-1]
    return Verdict(
        False,
        f"{len(wrong)} of {counted(len(found), 'line')} start otherwise "
        f"(first: {quote(wrong[0])}), {wanted}",
        open=unfinished and any(may_begin(wrong[0], prefix) for prefix in prefixes),
    )


def last_line_starts_with(text: str, *, prefix: str) -> Verdict:
    """The last line that is not blank begins with this, by the rule of `starts_with`.

    Lines are those of `line_count`.
    """
    last = (text_lines(text) or ("",))[-1]
    explanation = f'the last line starts with {quote(last[:40])}, wanted "{prefix}"'
    return Verdict(begins(last, prefix), explanation, open=True)


def acrostic(text: str, *, word: str) -> Verdict:
    """The first letters of the lines, in order, spell the word, in any case.

    Lines are those of `line_count`; list markers, emphasis and punctuation are passed over.
    """
    bare = (one_form(unmarked(line)) for line in text_lines(text))
    found = "".join(next((c for c in line if c.isalnum()), "") for line in bare)
    spelt, wanted = fold(found), fold(word)
    explanation = f'the lines spell {quote(found, 20)}, wanted "{word}"'
    return Verdict(spelt == wanted, explanation, open=wanted.startswith(spelt))


def matches_regex(text: str, *, what: str, pattern: Pattern) -> Verdict:
    """The pattern matches somewhere (^ and $ at each line); `what` describes it in words."""
    match = search(pattern, text, re.MULTILINE)
    if match is None:
        may_come = may_match_later(pattern, text, re.MULTILINE)
        return Verdict(False, f"found no {what}", open=may_come)
    # A match that reaches to the end of the answer may owe it that nothing follows.
    at_the_end = r"\Z" in pattern and match.end() == len(text)
    return Verdict(True, f"found {what}: {quote(match[0])}", open=at_the_end)


def letter_case(text: str, *, case: Literal["upper", "lower"]) -> Verdict:
    """Every letter that has a case is in this case, and at least one letter has one.

    The label of a code fence is not counted.
    """
    text = without_fences(text)
    upper, lower = sum(map(str.isupper, text)), sum(map(str.islower, text))
    # Digraphs such as ǅ are half of each.
    mixed = 0 if text.isascii() else sum(map(str.istitle, _DIGRAPHS.findall(text)))
    wanted, other = (upper, lower) if case == "upper" else (lower, upper)
    wrong = "lower" if case == "upper" else "upper"
    found = f"found {wanted} letters in {case} case and {other + mixed} in {wrong} case"
    passed = wanted > 0 and other + mixed == 0
    return Verdict(passed, f"{found}, wanted {case} case only", open=wanted + other + mixed == 0)


def one_of(text: str, *, options: list[str]) -> Verdict:
    """The whole answer is one of the options, ignoring case, quotes and a final stop.

    Emphasis and a code fence around it are ignored too.
    """
    answer = trimmed(text)
    wanted = {trimmed(option) for option in options}
    passed = answer in wanted
    explanation = f"the answer is {quote(text)}, wanted one of {listed(options)}"
    may_become = any(one.startswith(answer) for one in wanted)
    return Verdict(passed, explanation, open=passed or may_become)


def _require_words(text: str) -> None:
    if not can_count_words(text):
        raise Undecided("no words can be counted: the script puts no spaces between them")


CHECKS = (
    Check(word_count, "counts"),
    Check(sentence_count, "counts"),
    Check(paragraph_count, "counts"),
    Check(line_count, "counts"),
    Check(distinct_word_count, "counts"),
    Check(distinct_sentences, "no loops"),
    Check(distinct_lines, "no loops"),
    Check(phrase_count, "counts"),
    Check(contains_all, "words", longer="mends"),
    Check(contains_any, "words", longer="mends"),
    Check(forbidden_words, "words"),
    Check(forbidden_characters, "words"),
    Check(starts_with, "places"),
    Check(ends_with, "places", longer="either"),
    Check(each_line_starts_with, "places"),
    Check(last_line_starts_with, "places", longer="either"),
    Check(acrostic, "places"),
    Check(matches_regex, "words"),
    Check(letter_case, "words"),
    Check(one_of, "words"),
)
