"""Whether a full stop belongs to the word before it, in English and, for the commonest
abbreviations and for ordinals, in other languages.

The abbreviations are those of CLDR's sentence-break suppressions for English (its file
common/segments/en.xml) that are no words of their own, with those of units, states, streets and
references. What decides after one that may end a sentence is what Punkt learns from text (Kiss &
Strunk 2006, "Unsupervised Multilingual Sentence Boundary Detection"): whether the next word often
begins a sentence.
"""

from __future__ import annotations

import re


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# What the full stop after a word of this kind does.
_TITLE, _ALWAYS, _REFERENCE, _NUMBER, _UNIT, _NAME, _LAST, _TIME = range(8)
# In lower case, with a capital and in capitals; a single letter in lower case only.
_ANY_CASE = {
    # Names follow them.
    _TITLE: "mr mrs ms mx dr prof messrs st mt",
    # Always followed by what they belong to.
    _ALWAYS: "e.g i.e eg ie vs cf viz approx a.k.a f.k.a n.b p.s resp incl excl",
    # Numbers, Roman numerals or letters follow the first; only numbers follow the second.
    _REFERENCE: "fig figs vol vols ch eq eqs ver",
    _NUMBER: "no nos nr p pp ca c n° № art rs tel ext",
    _UNIT: (
        "tbsp tbsps tsp tsps oz lb lbs yd yds mi km cm mm kg mg ml hr hrs min mins sec secs qt pt "
        "gal sq cu mph wk wks yr yrs ft in g l m h s pkg doz"
    ),
    # Before another name they are part of one: "Apple Inc. Chairman", "the U.S. Senate".
    _NAME: (
        "inc ltd co cos corp bros jr sr dept univ assn assoc ave blvd rd hwy apt bldg al est gov't "
        "asst intl natl"
    ),
    # They end a sentence before any word with a capital; of the second, weekdays are none.
    _LAST: (
        "etc &c misc temp avg max feat u.s.a u.s.s.r d.c b.c "
        "a.d b.c.e c.e ph.d m.d b.a m.a b.sc m.sc b.s m.s m.phil d.phil ed.d ll.b ll.m"
    ),
    _TIME: "a.m p.m",
}
# These are words too, so only with a capital.
_CAPITALISED = {
    _TITLE: (
        "Gen Col Sgt Capt Cpl Pvt Lt Cdr Cmdr Adm Maj Rev Hon Sen Rep Gov Pres Supt Insp Det Fr Br "
        "Msgr Lt.Col Lt.Cdr Mme Mlle"
    ),
    _NUMBER: "Art Op Sec Rm",
    _NAME: "Ln Pkwy Ste Sq Ct Pl",
    _TIME: (
        "Jan Feb Mar Apr Jun Jul Aug Sep Sept Oct Nov Dec Mon Tue Tues Wed Weds Thu Thur Thurs Fri "
        "Sat Sun Ala Ariz Ark Calif Colo Conn Del Fla Ga Ill Ind Kan Ky La Mass Md Mich Minn Miss "
        "Mo Mont Neb Nev Okla Ore Pa Penn Tenn Tex Va Vt Wash Wis Wyo Ph.D M.Sc B.Sc D.Phil M.Phil"
    ),
}
# The commonest of other languages (CLDR has files of suppressions for these too) that are no words
# of English or of each other; as they are written.
_OTHER_LANGUAGES = {
    _ALWAYS: (
        "z.B d.h u.a v.a i.d.R bzw bspw evtl ggf inkl zzgl vgl gest geb sog Dipl Hr Str Av Mio Mrd "
        "p.ex p.ej p.es c.-à-d Ud Uds Sra Srta Dra Sig Dott "
        "bijv d.w.z o.a dhr mevr t.ex bl.a np tzn m.in т.е напр ул им проф акад डॉ प्रो पं"
    ),
    _NUMBER: "Abb Abs Bd pág págs núm art рис стр кв д",
    _UNIT: "Std г гг руб коп тыс млн млрд см कि.मी",
    _NAME: "EE.UU med",
    _LAST: "usw osv ecc enz itd itp т.д т.п др н.э",
}
_KINDS: dict[str, int] = {}
for _kind, _table in _ANY_CASE.items():
    for _word in _table.split():
        _forms = {_word}
        if len(_word) > 1 and _word not in ("al", "max"):  # those are initials and names
            _forms |= {_word.capitalize(), _word.upper()}
        _KINDS.update(dict.fromkeys(_forms, _kind))
for _kind, _table in _CAPITALISED.items():
    _KINDS.update(dict.fromkeys(_table.split(), _kind))
for _kind, _table in _OTHER_LANGUAGES.items():
    _KINDS.update(dict.fromkeys(_table.split(), _kind))
# Units only after a number.
_SHORT_UNITS = _words("in g l m h s min sec pt mi yd ft г")
# What the day of a month stands before with a full stop ("24. Dezember"), in languages that write
# ordinals so; and what an ordinal may follow or precede in German.
_ORDINALS_BEFORE = _words(
    "januar jänner februar märz mars april mai juni juli august september oktober november "
    "dezember desember und bis jahrhundert jahrhunderts weltkrieg platz klasse"
)
_ORDINALS_AFTER = _words("der das dem des vom zum im beim")

_CALENDAR = _words(
    "jan feb mar apr jun jul aug sep sept oct nov dec january february march april june july "
    "august september october november december mon tue tues wed thu thur thurs fri sat sun monday "
    "tuesday wednesday thursday friday saturday sunday"
)
_ZONES = _words("EST EDT CST CDT MST MDT PST PDT GMT UTC CET CEST BST IST JST ET CT PT")
# Words that often begin a sentence, and seldom a name: pronouns, determiners, conjunctions,
# adverbs, auxiliaries, question words, interjections, and verbs that ask for something.
STARTERS = _words(
    """
    i you he she it we they this that these those there here who what when where why how which whose
    a an the my your his her its our their some many most all both each every no none any another
    one two three several few someone everyone everybody nobody nothing something
    and but or nor so yet for if because although though while since unless until once whether as
    in on at by from to with without within under among despite during before after about over
    of like between through against
    then now today tomorrow yesterday soon later next finally also thus
    however therefore moreover furthermore meanwhile instead otherwise still again even just only
    perhaps maybe sometimes often usually always never eventually suddenly afterwards additionally
    similarly indeed nevertheless nonetheless hence consequently unfortunately fortunately
    not is are was were am do does did don didn doesn isn aren wasn weren can could will would shall
    should may must might have has had won wouldn couldn shouldn let lets
    yes ok okay oh well hi hello hey bye goodbye thanks thank please sorry wow congratulations
    ask add use make take put get go come see look read write try keep stop wait remember note
    bring call give find tell think draw cut mix stir bake pour boil eat drink click close choose
    pick set turn run check save send start begin enjoy visit follow consider imagine
    given suppose assume compute calculate solve divide multiply subtract
    """)  # fmt: skip
# Only these end a sentence after a title, which a name follows nearly always.
_AFTER_TITLES = _words("he she it we they this these there the his her but and")
# These do so in a text in capitals too, where other starters may stand within a sentence.
SUBJECTS = _words(
    "i you he she it we they this that these those there the what who how my his our their"
)
# A phrase that begins so waits for its clause: "At 5 p.m. Bob left", "In the U.S. I was happy".
_PREPOSITIONS = _words(
    "in on at by from around about before after since until till during within near between"
)
_SUBORDINATING = _words("when while if although though because unless once whenever")
# Letters that number or grade something are no initials: "Plan B."
_LETTERED = _words(
    "plan vitamin vitamins option grade class point team group hepatitis type part section letter "
    "answer level choice phase appendix exhibit figure table step question war side room an a is "
    "was were are the"
)
# A name may follow these; after other words in lower case a letter is no initial: "matrix M."
_BEFORE_NAMES = _words(
    "by with and or from to for of at met saw as president author authors writer poet professor "
    "judge actor singer named called captain that when "
    "et und y och og"
)
# What a number or letter may label at the beginning of a sentence: "Step 1. Boil the water."
_LABELLED = _words(
    "step chapter part section figure table question example exercise problem day week act scene "
    "rule tip point item case note lesson verse stanza article phase stage task level option round "
    "method test line page appendix book season episode version number reason fact idea"
) | {""}
_NUMBER_WORDS = _words(
    "one two three four five six seven eight nine ten eleven twelve twenty thirty forty fifty "
    "sixty hundred thousand half quarter few several"
)
_JOINT = re.compile(r"[—–/(\[-]")
_DOTTED = re.compile(r"(?:[^\W\d_]\.)+[^\W\d_]")
_ROMAN = re.compile(r"X{0,3}(?:IX|IV|V?I{0,3})")
_COUNTED_UNIT = re.compile(r"([\d.,/½¼¾]+)-?([^\W\d_].*)")
_ENDS_WITH_NUMBER = re.compile(r"(?:[\d½¼¾⅓⅔⅛][\d.,/½¼¾⅓⅔⅛–-]*|[^\W\d_]+)[ -]?$")
_QUANTITY = re.compile(r"(?:(?:about|approx\.) )?[\d½¼¾⅓⅔⅛][\d .,/½¼¾⅓⅔⅛–-]*")
_BEFORE = "([{\"'“‘«‹*_~`¿¡「『（《"
# Abbreviations that are also written with a space: "e. g. a saw"; none that could be initials.
_SPACED = {word for word in _KINDS if "." in word and (word[0].islower() or word == "EE.UU")}
_PARTS = frozenset(part for word in _SPACED for part in word.split("."))
# How much of a sentence before a word its rules look at.
LONGEST_BEFORE = 120


def begins_sentence(word: str) -> bool:
    """Whether a word with a capital often begins a sentence, and is seldom a name."""
    lower = word.lower()
    return lower in (SUBJECTS if len(word) > 1 and word.isupper() else STARTERS)


def may_belong(word: str) -> bool:
    """Whether a full stop after this word may belong to it, which `belongs` decides."""
    return (
        word in _KINDS
        or len(word) == 1
        or word in _PARTS
        or not word.isalpha()
        or (word.isupper() and _ROMAN.fullmatch(word) is not None)
    )


def belongs(before: str, word: str, following: str, dotted: bool, list_number: int) -> bool:
    """Whether a full stop after `word` belongs to the word, so that it ends no sentence.

    `before` is the sentence up to the word, and `following` the next word, `dotted` when that is a
    single letter before a full stop. `list_number` is that of the last item of a list.
    """
    if dotted and word in _PARTS and f"{word}.{following}" in _SPACED:
        return True
    if word in _PARTS and before[-2:] == ". ":
        joined = before[:-1].rsplit(None, 1)[-1].lstrip(_BEFORE) + word
        word = joined if joined in _SPACED else word
    dotted = dotted and len(following) == 1
    kind = _KINDS.get(word)
    if kind is None and not word.isalnum():
        # Of "U.S./U.K." or "mid-Jan" only the last part counts.
        parts = _JOINT.split(word)
        if len(parts) > 1:
            before, word = before + parts[-2] + " ", parts[-1].lstrip(_BEFORE)
            kind = _KINDS.get(word)
    if kind is None and word[:1].isdecimal() and (counted := _COUNTED_UNIT.fullmatch(word)):
        kind = _KINDS.get(counted[2])
        if kind in (_UNIT, _TIME):
            before, word = before + counted[1] + " ", counted[2]
        else:
            kind = None
    if word == "c" and _is_counted(before):
        kind = _UNIT  # a cup; else about a year: "c. 1800"
    if kind is None:
        if word.isdecimal():
            return _numbers_item(before, word, list_number) or _is_ordinal(before, word, following)
        if len(word) == 1:
            return _is_initial(before, word, following, dotted)
        if _DOTTED.fullmatch(word):
            kind = _NAME
        else:
            return _ROMAN.fullmatch(word) is not None and word != "" and _is_label(before.strip())
    if not following:
        return kind != _TIME
    if word == "al" and not before.rstrip().endswith("et"):
        return False
    if kind == _UNIT and word.lower() in _SHORT_UNITS and not _is_counted(before):
        goes_on = following[0].isdecimal() or following.islower()
        return word.lower() in ("ft", "г") or (len(word) > 2 and goes_on)
    return _KEEPS[kind](before, word, following)


def _numbers_item(before: str, word: str, list_number: int) -> bool:
    """A number at the beginning of a sentence, or after a colon, that counts on in a list."""
    before = before.rstrip(" *_(")
    if before and before[-1] != ":":
        return _is_label(before)
    return len(word) <= 3 and int(word) in (1, list_number + 1)


def _is_label(before: str) -> bool:
    """Whether the sentence has nothing before the number, or only what it labels."""
    return len(before) < 20 and before.strip(' *_#"“').lower() in _LABELLED


def _is_ordinal(before: str, word: str, following: str) -> bool:
    """Whether a number with a full stop is an ordinal: "am 3. Oktober", "das 2. Mal"."""
    if len(word) > 2:
        return False
    previous = before[-12:].split()[-1:]
    after = bool(previous) and previous[0].lower() in _ORDINALS_AFTER and bool(following)
    return after or following.lower() in _ORDINALS_BEFORE


def _is_initial(before: str, letter: str, following: str, dotted: bool) -> bool:
    """Whether a letter with a full stop is an initial, a label, or part of an abbreviation."""
    previous = before[-40:].split()[-1:]
    last = previous[0].lstrip(_BEFORE) if previous else ""
    if not following or not letter.isalpha():
        return False
    if letter == "S" and following[0].isdecimal():
        return True  # "Seite 5"
    if letter.islower():
        # "Roe v. Wade".
        sides = last[:1].isupper() and following[0].isupper()
        return letter == "v" and sides and not begins_sentence(following)
    if _is_label(before.strip()):
        return True
    if last[-1:] == "." and _KINDS.get(last[:-1]) == _TITLE:
        return not (following[0].isupper() and begins_sentence(following))
    if not following[0].isupper():
        if last[-1:] == ",":  # "Lee, A. and Ray, B. (2010)"
            return last[0].isupper()
        # "350 F. for an hour"
        return last[:1].isdecimal() and following.islower()
    if dotted:
        return letter != "I" or last[:1].isupper()
    if begins_sentence(following) or last.lower() in _LETTERED:
        return False
    if previous and not last:
        return True  # a bracket or a quote is open
    return last[:1].isupper() or (letter != "I" and last.lower() in _BEFORE_NAMES)


def _is_counted(before: str) -> bool:
    """Whether a number stands before the word."""
    last = _ENDS_WITH_NUMBER.search(before[-12:])
    if not last:
        return False
    return not last[0][0].isalpha() or last[0].strip(" -").lower() in _NUMBER_WORDS


def _is_fronted(before: str, following: str) -> bool:
    """Whether the sentence so far is a phrase or clause whose main clause begins here."""
    if len(before) > 100 or "," in before:
        return False
    if following != "I" and begins_sentence(following):
        return False
    words = before.lower().split(None, 6)
    first = words[0].lstrip(_BEFORE) if words else ""
    return first in _SUBORDINATING or (first in _PREPOSITIONS and len(words) < 5)


def _after_title(before: str, word: str, following: str) -> bool:
    return following.lower() not in _AFTER_TITLES or not following[0].isupper()


def _after_reference(before: str, word: str, following: str) -> bool:
    if following in ("A", "I"):
        return word[0].isupper()
    return (
        following[0].isdecimal()
        or _ROMAN.fullmatch(following) is not None
        or (len(following) == 1 and following.isupper())
    )


def _after_name(before: str, word: str, following: str) -> bool:
    if not following[0].isupper():
        return True
    return (
        following.lower() in _CALENDAR
        or not begins_sentence(following)
        or _is_fronted(before, following)
    )


def _after_last(before: str, word: str, following: str) -> bool:
    return not following[0].isupper() or _is_fronted(before, following)


def _after_time(before: str, word: str, following: str) -> bool:
    if following.lower() in _CALENDAR or following in _ZONES:
        return True
    return _after_last(before, word, following)


def _after_unit(before: str, word: str, following: str) -> bool:
    if not following[0].isupper():
        return True
    # A quantity alone is no sentence: "2 tbsp. Dijon mustard".
    alone = len(before) < 20 and _QUANTITY.fullmatch(before.strip()) is not None
    return (alone and not begins_sentence(following)) or _is_fronted(before, following)


_KEEPS = {
    _TITLE: _after_title,
    _ALWAYS: lambda before, word, following: True,
    _REFERENCE: _after_reference,
    _NUMBER: lambda before, word, following: following[0].isdecimal(),
    _UNIT: _after_unit,
    _NAME: _after_name,
    _LAST: _after_last,
    _TIME: _after_time,
}
