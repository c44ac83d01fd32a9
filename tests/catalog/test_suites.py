"""Suites are read strictly, and their hash is over content alone."""

from __future__ import annotations

import pytest

from vibecore.catalog.suites import SUITES_DIR, Constraint, SuiteError, read_suite, suite_names
from vibecore.core.errors import InputError

HEADER = "name: small\ntitle: A small suite\ndescription: Two prompts.\n"
GOOD = f"""\
{HEADER}prompts:
  - id: a
    category: code
    prompt: Write a function.
    constraints:
      - check: code_parses
      - {{check: word_count, relation: le, count: 60}}
  - {{id: b, category: creative, prompt: Write a poem., constraints: []}}
"""


def write(tmp_path, text: str | bytes):
    path = tmp_path / "small.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_reads_a_suite(tmp_path):
    suite = read_suite(write(tmp_path, GOOD))
    header = suite.name, suite.title, suite.description
    assert header == ("small", "A small suite", "Two prompts.")
    assert [(p.id, p.category, p.text) for p in suite.prompts] == [
        ("a", "code", "Write a function."),
        ("b", "creative", "Write a poem."),
    ]
    assert suite.prompts[0].constraints == (
        Constraint("code_parses", {}),
        Constraint("word_count", {"relation": "le", "count": 60}),
    )


def test_reads_by_name_path_and_text_path():
    by_name = read_suite("vibe30")
    assert by_name == read_suite(SUITES_DIR / "vibe30.yaml")
    assert by_name == read_suite(str(SUITES_DIR / "vibe30.yaml"))
    assert "vibe30" in suite_names()


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(SuiteError, match=r'no suite named "vibe31".*Known suites:.*vibe30'):
        read_suite("vibe31")
    assert issubclass(SuiteError, InputError)


@pytest.mark.parametrize(
    ("name", "reason"),
    [("no/such/suite.yaml", "no such file"), ("../vibe30", "no such file"), ("", "it is a folder")],
)
def test_unreadable_path(name, reason):
    with pytest.raises(SuiteError, match=f"cannot be read: .*{reason}"):
        read_suite(name)


@pytest.mark.parametrize(
    ("change", "same"),
    [
        (lambda text: text.replace("relation: le, count: 60", "count: 60, relation: le"), True),
        (lambda text: text.replace("Write a function.", '"Write a function."'), True),
        (lambda text: "# a comment\n" + text.replace("title: A", "title: Quite a"), True),
        (lambda text: text.replace("count: 60", "count: 61"), False),
        (lambda text: text.replace("Write a poem.", "Write a poem"), False),
        (lambda text: text.replace("category: creative", "category: reasoning"), False),
        (lambda text: text.replace("id: b", "id: c"), False),
        (lambda text: text.replace("      - check: code_parses\n", ""), False),
    ],
)
def test_hash_is_over_content_not_layout(tmp_path, change, same):
    before = read_suite(write(tmp_path, GOOD)).sha256
    after = read_suite(write(tmp_path, change(GOOD))).sha256
    assert len(before) == 64
    assert (before == after) is same


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("name: small\n", "", 'the key "name" is missing'),
        ("name: small", "name: a\ncolour: red", 'the key "colour" is unknown; allowed: name'),
        ("name: small\n", "name: 3\n", 'key "name": wanted text, got the number 3'),
        ("title: A small suite", "title: ' '", 'key "title": wanted text, got empty text'),
        ("name: small\n", "name: small\nname: large\n", 'line 2: the key "name" is given twice'),
        ("name: small\n", "<<: {name: x}\nname: x\nname: y\n", 'the key "name" is given twice'),
        ("title: A small suite\n", "title: &t A\nlicence: *t\n", "line 3: aliases are not allowed"),
        ("    category: code\n", "", r'prompt 1 \("a"\), the key "category" is missing'),
        ("category: code", "category: p", r'prompt 1 \("a"\), key "category": "p" is unknown'),
        ("category: code", "category: yes", 'key "category": wanted text, got true'),
        ("    category: code\n", "    category: code\n" * 2, 'the key "category" is given twice'),
        ("category: code", "kind: x\n    category: code", 'the key "kind" is unknown'),
        ("Write a function.", "", r'\("a"\), key "prompt": wanted text, got nothing'),
        ("  - id: a\n", "  - id: 7\n", 'prompt 1, key "id": wanted text, got the number 7'),
        ("  - id: a\n", "  - id: a b\n", r'prompt 1 \("a b"\), key "id": use letters'),
        ("id: b", "id: a", r'prompt 2 \("a"\), key "id": prompt 1 has the same id'),
        ("[]", "{}", r'\("b"\), key "constraints": wanted a list, got a map'),
        ("[]", "[x]", r'\("b"\), constraint 1: wanted a mapping'),
        ("[]", "[{}]", 'constraint 1: the key "check" is missing'),
        ("[]", "[{check: 1}]", 'constraint 1, key "check": wanted text'),
        ("60", "2026-11-23", r'\("a"\), constraint 2 \(word_count\), key "count": a date'),
        ("count: 60", "count: .nan", 'key "count": the number nan is not allowed'),
        ("count: 60", "3: 60", r"constraint 2 \(word_count\): the key 3 is not text"),
        ("count: 60", "count: 60, check: x", 'the key "check" is given twice'),
        ("count: 60", "count: 2026-99-99", "cannot be used"),
        ("count: 60", "count: !!python/name:os.system ''", "cannot be used"),
        ("count: 60", "[a]: 60", "cannot be used"),
    ],
)
def test_each_defect_names_file_prompt_and_key(tmp_path, old, new, message):
    assert old in GOOD
    path = write(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(SuiteError, match=message) as caught:
        read_suite(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "wanted a mapping .* got nothing"),
        ("- a\n- b\n", "got a list"),
        ("just text\n", "got text"),
        (b"\x00\x01\x02\xff\xfe", "not UTF-8 text"),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "not UTF-8 text"),
        (b"name: \x07bell\n", "it is not YAML text"),
        ("name: [unclosed\n", "line 2: "),
        ("a: b: c\n", "line 1: mapping values are not allowed"),
        ("[" * 1500, "nested too deeply"),
        (HEADER + "prompts: []\n", 'key "prompts": .* an empty list'),
        (HEADER + "prompts: x\n", 'key "prompts": .* got text'),
        (HEADER + "prompts: [x]\n", "prompt 1: wanted a mapping, got text"),
    ],
)
def test_files_that_are_no_suite(tmp_path, content, message):
    with pytest.raises(SuiteError, match=message):
        read_suite(write(tmp_path, content))


@pytest.mark.parametrize("content", ["\ufeff" + GOOD, GOOD.replace("name: s", "name: &n s")])
def test_a_byte_order_mark_and_an_anchor_are_no_defects(tmp_path, content):
    assert read_suite(write(tmp_path, content)).name == "small"
