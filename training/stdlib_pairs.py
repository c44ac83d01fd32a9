"""Training pairs from the running Python's own standard library.

Every function with a docstring becomes a prompt ("Write a Python function that returns the …")
and its source as the answer. Test folders are left out, since many distributions drop them.
"""

from __future__ import annotations

import ast
import re
import sysconfig
import textwrap
from collections.abc import Iterator
from pathlib import Path

STDLIB_DIR = Path(sysconfig.get_paths()["stdlib"])
SKIPPED_FOLDERS = {"site-packages", "dist-packages", "test", "tests", "idle_test", "__pycache__"}
MAXIMUM_SOURCE_CHARACTERS = 800
MAXIMUM_SENTENCE_CHARACTERS = 140
MINIMUM_SENTENCE_CHARACTERS = 12

THIRD_PERSON = {
    "return": "returns", "check": "checks", "get": "gets", "set": "sets", "create": "creates",
    "make": "makes", "convert": "converts", "compute": "computes", "parse": "parses",
    "read": "reads", "write": "writes", "add": "adds", "remove": "removes", "test": "tests",
    "find": "finds", "raise": "raises", "print": "prints", "call": "calls", "open": "opens",
    "close": "closes", "send": "sends", "handle": "handles", "split": "splits", "run": "runs",
    "delete": "deletes", "update": "updates", "load": "loads", "build": "builds", "sort": "sorts",
    "generate": "generates", "yield": "yields", "format": "formats", "register": "registers",
    "append": "appends", "insert": "inserts", "replace": "replaces", "wait": "waits",
    "initialize": "initializes", "encode": "encodes", "decode": "decodes", "copy": "copies",
    "determine": "determines", "process": "processes", "count": "counts", "move": "moves",
    "extract": "extracts", "display": "displays", "apply": "applies", "try": "tries",
    "calculate": "calculates", "do": "does", "start": "starts", "stop": "stops", "put": "puts",
    "retrieve": "retrieves", "execute": "executes", "construct": "constructs", "log": "logs",
    "give": "gives", "change": "changes", "show": "shows", "draw": "draws", "join": "joins",
}  # fmt: skip


def stdlib_files(root: Path = STDLIB_DIR) -> list[Path]:
    """Python files under `root` in a fixed order, without tests and installed packages."""
    found = (
        path
        for path in root.rglob("*.py")
        if not SKIPPED_FOLDERS.intersection(path.relative_to(root).parts)
    )
    return sorted(found, key=lambda path: path.relative_to(root).as_posix())


def _first_sentence(docstring: str) -> str | None:
    paragraph = " ".join(docstring.strip().split("\n\n")[0].split())
    sentence = re.split(r"(?<=[.!?])\s", paragraph)[0].rstrip(".!?: ")
    if not sentence.isascii() or not sentence or not sentence[0].isalpha():
        return None
    if not MINIMUM_SENTENCE_CHARACTERS <= len(sentence) <= MAXIMUM_SENTENCE_CHARACTERS:
        return None
    first, _, rest = sentence.partition(" ")
    if first.lower() in THIRD_PERSON:
        return f"{THIRD_PERSON[first.lower()]} {rest}"
    if first.isupper() and len(first) > 1:
        return sentence
    return sentence[0].lower() + sentence[1:]


def _functions(source: str) -> Iterator[tuple[str, str, bool]]:
    """Yield (first sentence, dedented source, is a method) for each documented function."""
    lines = source.splitlines()
    tree = ast.parse(source)
    methods = {
        id(child)
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        for child in node.body
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef) or node.name.startswith("__"):
            continue
        docstring = ast.get_docstring(node)
        sentence = _first_sentence(docstring) if docstring else None
        if sentence is None:
            continue
        text = textwrap.dedent("\n".join(lines[node.lineno - 1 : node.end_lineno])).rstrip()
        if text.isascii() and len(text) <= MAXIMUM_SOURCE_CHARACTERS and "\t" not in text:
            yield sentence, text, id(node) in methods


def stdlib_pairs(files: list[Path] | None = None) -> list[tuple[str, str]]:
    """Distinct (prompt, function source) pairs of `files` (default: the whole library)."""
    pairs: dict[tuple[str, str], None] = {}
    for path in stdlib_files() if files is None else files:
        try:
            found = list(_functions(path.read_text(encoding="utf-8")))
        except (SyntaxError, UnicodeDecodeError, ValueError):
            continue  # lib2to3 and friends keep files that are broken on purpose
        for sentence, text, is_method in found:
            kind = "method" if is_method else "function"
            pairs[f"Write a Python {kind} that {sentence}.", text] = None
    return list(pairs)
