"""The prose of an answer: what is left without its code, mathematics, tables and addresses.

The cuts of Gopher and Whisper were set on prose. Code compresses, a table repeats its bars, a
calculation has `\\[` on a line of its own again and again; none of it is a sign of a model that
is stuck, so it is not read by those cuts.
"""

from __future__ import annotations

import re
from functools import lru_cache

from vibecore.scoring.text.code import find_code, may_have_bare_code
from vibecore.scoring.text.layout import without_code
from vibecore.scoring.text.line_marks import unmarked
from vibecore.scoring.text.words import count_words, pieces

_ENVIRONMENTS = (
    "equation|align|aligned|alignat|gather|gathered|multline|split|cases|array|eqnarray|math"
    "|displaymath|flalign|subequations|tabular|verbatim|lstlisting|[bBpvV]?matrix|smallmatrix"
)
# TeX's mathematics; one that the token limit cut off goes on to the end. A pair of dollars is
# mathematics by Pandoc's rule (extension tex_math_dollars): no white space inside beside them, and
# no digit after the last one, so that "$5 and $6" is money.
_MATHS = (
    ("\\[", re.compile(r"\\\[.*?(?:\\\]|\Z)", re.DOTALL)),
    ("\\(", re.compile(r"\\\([^\n]*?(?:\\\)|$)", re.MULTILINE)),
    (
        "\\begin{",
        re.compile(
            rf"\\begin\{{(?P<name>(?:{_ENVIRONMENTS})\*?)\}}.*?(?:\\end\{{(?P=name)\}}|\Z)",
            re.DOTALL,
        ),
    ),
    ("$$", re.compile(r"\$\$.*?(?:\$\$|\Z)", re.DOTALL)),
    ("$", re.compile(r"(?<![\\$\w])\$(?![\s$])[^$\n]{1,400}?(?<![\s\\])\$(?!\d)")),
)
_INLINE = ("\\(", "$")
_ADDRESS = re.compile(r"(?:https?|ftp)://\S+|\bwww\.\S+")
_JSON_PAIR = re.compile(r'\{[^{}\n]*"\s*:[^{}\n]*\}')
_WORD = re.compile(r"[^\W\d_]{3,}")
# A line of numbers, of a formula's signs, or a drawn one; other signs are what a model writes that
# has lost its way.
_SIGNS = re.compile(r"[\s\d.,:;%$€£°^_+\-−–—*/×·÷=≈≠<>≤≥|&()\[\]{}\\~#`'\"!?\u2500-\u259f]*")
_OPERATOR = re.compile(r"[=≈≠<>≤≥+×·÷*/^√∑∫→]|\d\s*[-−–]\s*\d")
# A formula may name what it computes: "Total = 5 * 12 = 60".
_MOST_WORDS_OF_A_FORMULA, _LONGEST_FORMULA = 1, 200
# How a line of code or of data begins or ends, in most languages that are not Python.
_CODE_LINE = re.compile(
    r"(?:[{}]|\);)$"
    r'|^(?:</?[A-Za-z][^>]*>|[\[\]{}(),]+$|"[^"\n]*"\s*:\s|//|/\*|\$ [a-z]|>>> |@\w+$)'
)
_LEAVES = re.compile(r"\b(?:return|break|continue)\b")
# A line without any of these has neither marker nor formula.
_SIGN = re.compile(r"[\\|{}\[\]<>=;@$#+*/•●▪^≈≠≤≥×·÷√∑∫→]")
_NO_LETTER = re.compile(r"[\W\d]")
_DIFFERENCE = re.compile(r"\d\s*[-−–]\s*\d")
_TEX = re.compile(r"\\[a-zA-Z]+")
# Without one of these, a text is prose as it stands.
_ANY = re.compile(
    r"[`~\\$|{}\[\]<>=;#*+•●▪/^≈≠≤≥×÷√∑∫→]|^\W*\d|^[ \t]*[-–]|^\W+$"
    r"|\b(?:def|class|import)\b|www\.",
    re.MULTILINE,
)


@lru_cache(maxsize=8)
def prose(text: str) -> str:
    """The answer without code (in fences or bare), displayed mathematics and lines that are a
    formula, JSON and other data, addresses, table bars and rules, and list markers.

    A formula within a sentence stays, as one word without white space. Blank lines stay, so
    paragraphs do. Empty where less than half of the answer's pieces between white space, and of its
    words, are prose: what code leaves over is no text of its own.
    """
    if not _ANY.search(text):
        return text
    rest = without_code(text)
    # Of code in fences nothing is left, and looking for it takes parsing.
    bare = find_code(text) if may_have_bare_code(rest) else ()
    code = {line.strip() for block in bare for line in block.source.splitlines()}
    for opening, maths in _MATHS:
        if opening in rest:
            rest = maths.sub(_one_piece if opening in _INLINE else "\n", rest)
    if "{" in rest:
        rest = _JSON_PAIR.sub(" ", rest)
    if "://" in rest or "www." in rest:
        rest = _ADDRESS.sub(" ", rest)
    lines = [line.strip() for line in rest.splitlines()]
    if code:
        lines = ["" if line in code else line for line in lines]
    # A search for each is much quicker than one for all three.
    found = "\n".join(
        _prose_of(line)
        if _SIGN.search(line) or _NO_LETTER.match(line) or _DIFFERENCE.search(line)
        else line
        for line in lines
    )
    # Counting words takes longer, and is seldom needed.
    mostly = 2 * len(pieces(found)) >= len(pieces(text))
    return found if mostly or 2 * count_words(found) >= count_words(text) else ""


def _one_piece(formula: re.Match[str]) -> str:
    """A formula within a sentence, as one of its words."""
    return "".join(formula[0].split())


def _is_statement(line: str) -> bool:
    """Whether a line ends as a statement of code: one that assigns, or one that leaves a block
    ("x = 1;", "return x;"), with no other statement and no sentence behind."""
    if not line.endswith(";"):
        return False
    return (
        "=" in line[line.rfind(";", 0, -1) + 1 :]
        or _LEAVES.search(line, line.rfind(".") + 1) is not None
    )


def _prose_of(line: str) -> str:
    """A line without its marker and its bars; nothing where it is code, a formula or a rule."""
    if _CODE_LINE.search(line) or _is_statement(line):
        return ""
    line = unmarked(line)
    if "|" in line:
        line = " ".join(line.replace("|", " ").split())
    if "\\" in line:
        line = _TEX.sub(" ", line)
    if _SIGNS.fullmatch(line):
        return ""
    # A long line with so few words is no formula, and need not be read to its end.
    is_formula = (
        len(line) < _LONGEST_FORMULA
        and _OPERATOR.search(line)
        and len(_WORD.findall(line)) <= _MOST_WORDS_OF_A_FORMULA
    )
    return "" if is_formula else line
