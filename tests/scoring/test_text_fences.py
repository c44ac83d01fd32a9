"""Fenced blocks: as CommonMark's reference has them, and where answers are read beyond it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from vibecore.scoring.text.fences import find_fences, read_fences, split_lines
from vibecore.scoring.text.layout import read_lines

COMMONMARK = MarkdownIt("commonmark")
# Each is read as CommonMark reads it (section 4.5 and its examples).
TEXTS = [
    "```\n<\n >\n```",
    "~~~\n<\n >\n~~~",
    "```\naaa\n~~~\n```",
    "~~~\naaa\n```\n~~~",
    "````\naaa\n```\n``````",
    "~~~~\naaa\n~~~\n~~~~",
    "```",
    "`````\n\n```\naaa",
    "> ```\n> aaa\n\nbbb",
    "```\n\n  \n```",
    "```\n```",
    " ```\n aaa\naaa\n```",
    "  ```\naaa\n  aaa\naaa\n  ```",
    "   ```\n   aaa\n    aaa\n  aaa\n   ```",
    "    ```\n    aaa\n    ```",
    "```\naaa\n  ```",
    "   ```\naaa\n  ```",
    "```\naaa\n    ```",
    "``` ```\naaa",
    "~~~~~~\naaa\n~~~ ~~",
    "foo\n```\nbar\n```\nbaz",
    "foo\n---\n~~~\nbar\n~~~\n# baz",
    "```ruby\ndef foo(x)\n  return 3\nend\n```",
    "~~~~    ruby startline=3 $%@#$\ndef foo(x)\n  return 3\nend\n~~~~~~~",
    "````;\n````",
    "``` aa ```\nfoo",
    "~~~ aa ``` ~~~\nfoo\n~~~",
    "- a\n\n  ```\n  b\n  ```",
    "- ```\n  b\n  ```",
    "1. a\n\n   ```py\n   b\n       ```\n   ```",
    "10) a\n\n    ```py\n    b\n    ```\n\nc",
    "- a\n  - b\n\n    ```py\n    c\n    ```",
    "> - a\n>\n>   ```py\n>   c\n>   ```",
    "> > ```\n> > a\n> > ```",
    "```py\ndef f():\n\tpass\n```",
]


def blocks(text: str) -> list[tuple[str, str]]:
    return [(f.info, "\n".join(f.lines)) for f in read_fences(split_lines(text)).fenced]


@pytest.mark.parametrize("text", TEXTS)
def test_as_commonmark(text) -> None:
    tokens = [t for t in COMMONMARK.parse(text) if t.type == "fence"]
    assert blocks(text) == [(t.info.strip(), t.content.removesuffix("\n")) for t in tokens]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Here: ```py\na\n```", [("py", "a")]),
        ("```py\na```\nb", [("py", "a")]),
        ("```def f(x):\n    return x\n```", [("", "def f(x):\n    return x")]),
        ("```py\na\n```py\nb\n```", [("py", "a"), ("py", "b")]),
        ('```py\n"""\n```py\nb\n"""\n```', [("py", '"""\n```py\nb\n"""')]),
        ("```py\na\n``", [("py", "a")]),
        ("```py\na\n```<|im_end|>\nb", [("py", "a")]),
        ('```py\n"""Use ```x```\n"""\n```', [("py", '"""Use ```x```\n"""')]),
        ("- ```py\na\n```", [("py", "a")]),
        ('```json {\n"a": 1}\n```', [("json", '{\n"a": 1}')]),
        ('```{"a": 1}\n```', [("", '{"a": 1}')]),
        ("```{.py}\na\n```", [("{.py}", "a")]),
        ("```js {1,3}\na\n```", [("js {1,3}", "a")]),
    ],
)
def test_beyond_commonmark(text, wanted) -> None:
    assert blocks(text) == wanted


def test_other_lines_are_kept_apart() -> None:
    found = read_fences(split_lines("a\r\n```\nb\n```\rc\n~~~\nd"))
    assert found.outside == [["a"], ["c"], []]
    assert [(fence.closed, fence.left_open) for fence in found.fenced] == [
        (True, False),
        (False, False),
    ]


@pytest.mark.parametrize(
    ("info", "label", "prose"),
    [
        ("Python 3", "python", False),
        ("{.py #id}", "py", False),
        ("js title='a b' copy", "js", False),
        ("python my own solution", "python", False),
        ("Roses are red", "", True),
        ("Dear John,", "", True),
        ("床前明月光", "", True),
        ("Text", "text", False),
        ("", "", False),
    ],
)
def test_what_an_info_string_says(info, label, prose) -> None:
    fence = find_fences(f"```{info}\nx\n```").fenced[0]
    assert (fence.label, bool(fence.opening_prose)) == (label, prose)


@pytest.mark.parametrize(
    ("text", "is_text"),
    [
        ("```\nThe storm came.\nThe light went.\n```", True),
        ("```\n- two words\n- more words\n```", True),
        ("```\nx = 1\nprint(x)\n```", False),
        ("```\nThe result:\nx = 1\ny = 2\n```", False),
        ("```markdown\nx = 1\n```", True),
        ("```python\nThe storm came.\n```", False),
        ("```Roses are red\nx\n```", True),
    ],
)
def test_which_fences_hold_text(text, is_text) -> None:
    assert find_fences(text).fenced[0].is_text is is_text


PIECES = [
    "```",
    "````",
    "~~~",
    "py",
    "md",
    " ",
    "    ",
    "\n",
    "\n",
    "\r\n",
    "> ",
    "- ",
    "1. ",
    "a b",
]
MESSY = st.lists(st.sampled_from([*PIECES, '"""', "{", "def f():", "\x0c", ""]), max_size=40)


@given(MESSY, st.booleans())
def test_every_line_stands_in_a_fence_or_outside(pieces, indented) -> None:
    text = "".join(pieces)
    found = find_fences(text, indented)
    numbers = [n for fence in found.fenced for n in range(fence.first, fence.last + 1)]
    outside = sum(map(len, found.outside)) - sum(bool(fence.before) for fence in found.fenced)
    assert numbers == sorted(set(numbers))
    assert len(numbers) + outside == len(split_lines(text))


@given(MESSY)
def test_lines_without_a_fence_are_kept_as_they_are(pieces) -> None:
    text = "".join(pieces)
    kept = [line.text for line in read_lines(text) if line.kind != "fence"]
    if not find_fences(text, indented=True).fenced:
        assert kept == text.splitlines()
