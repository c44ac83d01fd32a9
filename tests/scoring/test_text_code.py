"""Code in answers: found in fences or bare, parsed as far as it goes, never executed."""

from __future__ import annotations

import warnings

import pytest

from vibecore.scoring.text.code import MAXIMUM_BLOCKS, find_code

FUNCTION = "def f(x):\n    return x"


@pytest.mark.parametrize(
    ("text", "source", "parses"),
    [
        (f"```python\n{FUNCTION}\n```", FUNCTION, True),
        (f"Sure:\n```\n{FUNCTION}\n```\nDone.", FUNCTION, True),
        (f"~~~py\n{FUNCTION}\n~~~", FUNCTION, True),
        (f"````python\n{FUNCTION}\n````", FUNCTION, True),
        (f"Here: ```python\n{FUNCTION}\n```", FUNCTION, True),
        ("   ```python\n   def f(x):\n       return x\n   ```", FUNCTION, True),
        (f"```python\n{FUNCTION}", FUNCTION, True),  # the fence was cut off
        ("```python\ndef f(x):\n    return (x", "def f(x):\n    return (x", False),
        (f"```bash\npip install x\n```\n```python\n{FUNCTION}\n```", FUNCTION, True),
        (f"```\noutput text here\n```\n```\n{FUNCTION}\n```", FUNCTION, True),
        (f"```python\nx = 1\ny = 2\nz = 3\n```\n```python\n{FUNCTION}\n```", FUNCTION, True),
        (f"Use ```f``` as here:\n```python\n{FUNCTION}\n```", FUNCTION, True),
        (FUNCTION, FUNCTION, True),
        (f"Certainly! Here it is:\n\n{FUNCTION}\n\nThis function returns x.", FUNCTION, True),
        (f"{FUNCTION}\n\ndef g(x):\n    return x[", FUNCTION, True),  # g was cut off
        (f"From here:\n{FUNCTION}\n# done", f"{FUNCTION}\n# done", True),
        ("import os\nprint(os)", "import os\nprint(os)", True),
        ("@cache\ndef f():\n    pass", "@cache\ndef f():\n    pass", True),
        ("class A:\n    pass\nThat is all.", "class A:\n    pass", True),
        ("async def f():\n    pass", "async def f():\n    pass", True),
        ("    def f(x):\n        return x\n    It returns x.", FUNCTION, True),
        ("square = lambda x: x * x", "square = lambda x: x * x", True),
        (f"```\npython\n{FUNCTION}\n```", FUNCTION, True),
        (f"{FUNCTION}\n\n## Explanation\n\nIt returns x.", FUNCTION, True),
        (f"LIMIT = 3\n# Return it.\n{FUNCTION}", f"LIMIT = 3\n# Return it.\n{FUNCTION}", True),
        (f"{FUNCTION}\n```\n\nOutput:\n```\n3\n```", FUNCTION, True),
        ("    ```python\n    def f(x):\n        return x\n    ```", FUNCTION, True),
        (f"```text\n{FUNCTION}\n```", FUNCTION, True),
        (f"```json\n[1]\n```\n\n{FUNCTION}", FUNCTION, True),
        (">>> x = 1\n>>> x\n1\n\nThat is x.", "x = 1\nx", True),
        # Broken in the middle of a block: not whole.
        ("def f(x):\n    return x[", "def f(x):\n    return x[", False),
        ("def f(x)\n    return x", "def f(x)\n    return x", False),
        ("```python\nhello\n```", "hello", False),
        ("```python\n# only a comment\n```", "# only a comment", False),
    ],
)
def test_main_block(text, source, parses):
    block = find_code(text)[0]
    assert (block.source, block.parses) == (source, parses), block.error


@pytest.mark.parametrize(
    "text",
    [
        "",
        "No code at all, from start to end.",
        "from the beginning, import was a word",
        "class action lawsuits",
        "def is short for define",
        "```json\n{}\n```",
        "```python\n```",
        "```",
        "The function should import nothing.",
        "You need an\nimport tax\nform for that.",
        "class dismissed: go home",
        "@john said hi\n@mary said nothing",
        "def f(x) is how a function begins.",
        ">>> On Monday he wrote\n>> hello\n> yes",
        "```pytb\nTraceback: import x\n```",
        "1. def f(x):\n2.     return x",
    ],
)
def test_no_code(text):
    assert find_code(text) == ()


def test_the_part_that_parses_is_kept():
    block = find_code('```python\ndef f(x):\n    """Doc."""\n    y = 1\n    return (y')[0]
    assert not block.parses
    assert block.error.startswith("line 4: ")
    assert block.defines
    nothing = find_code("```python\ndef f(x):\nreturn x\n```")[0]
    assert nothing.tree is None
    assert nothing.error.startswith("line 2: expected an indented block")


def test_bare_code_goes_on_after_prose():
    text = f"{FUNCTION}\n\nExample usage:\n\nprint(f(1))\n\nIt prints = 1."
    assert [block.source for block in find_code(text)] == [FUNCTION, "print(f(1))"]
    assert find_code("x = 5\nprint(x)")[0].parses


def test_instructions_and_comments_are_told_apart():
    source = 'def f(x):\n    """Doc # no."""\n    # First.\n    y = "# text"  # Second.'
    block = find_code(source)[0]
    assert block.literals.comments == ["# First.", "# Second."]
    assert block.literals.visible == 'def f(x):\n    \n    \n    y = "# text"  '


@pytest.mark.parametrize(
    "source",
    [
        "def f():\n    return " + "(" * 5000,
        "def f():\n    return " + "-" * 20000 + "1",
        "def f():\n    return " + "1+" * 20000 + "1",
        "def f():\n    return " + "a." * 20000 + "a",
        "def f():\n" + "".join("    " + " " * n + "if 1:\n" for n in range(200)),
        "def f():\n    return '\x00'",
        "def f():\n    return '\ud800'",
        "def f():\n    return " + "9" * 5000,
        "def f():\n    x = (\n" * 500,
        "def f(:\n" * 1000,
        "```python\n" * 1000,
        "import x\nthen prose\n" * 500,
        'def f():\n    """' * 500,
        'def f(x):\n    return x is 1 or "\\d"',
    ],
    ids=range(14),
)
def test_hostile_code_neither_raises_nor_warns(source):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(find_code(source)) <= MAXIMUM_BLOCKS
