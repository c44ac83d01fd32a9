"""Fenced blocks: as CommonMark's reference has them, and where answers are read beyond it."""

from __future__ import annotations

import pytest
from markdown_it import MarkdownIt

from vibecore.scoring.text.fences import read_fences, split_lines

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
