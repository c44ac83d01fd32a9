"""Template-made coding prompts with small, correct, documented Python functions as answers."""

from __future__ import annotations

import random
from collections.abc import Callable

from training.templates_code_more import ALL_TASKS
from training.templates_code_tasks import Task

ITEM_NAMES = ("items", "values", "numbers", "data", "elements", "sequence")
WORD_NAMES = ("words", "strings", "names", "items")
TEXT_NAMES = ("text", "string", "s", "word", "sentence", "value")
NUMBER_NAMES = ("number", "n", "value", "x")
MAPPING_NAMES = ("mapping", "data", "dictionary", "d")

OPENINGS = (
    "Write a Python function that {task}.",
    "Write a Python function that {task}.",
    "Write a Python function that {task}.",
    "Write a function in Python that {task}.",
    "Write a short Python function that {task}.",
    "Implement a Python function that {task}.",
    "Create a Python function that {task}.",
    "Write Python code for a function that {task}.",
    "Define a Python function that {task}.",
)
NAMED_OPENINGS = (
    "Write a Python function called {name} that {task}.",
    "Write a Python function named {name} that {task}.",
    "Write a Python function `{name}({arguments})` that {task}.",
    "Write a Python function {name}({arguments}) that {task}.",
    "Implement {name}({arguments}), a Python function that {task}.",
    "Define a Python function {name}({arguments}) that {task}.",
)
DOCSTRING_REQUESTS = (
    "Include a docstring.",
    "Add a docstring.",
    "Give it a docstring.",
    "Document it with a docstring.",
    "The function must have a docstring.",
)
COMMENT_REQUESTS = ("Add a comment.", "Include a comment.", "Explain the code in a comment.")
HINT_REQUESTS = ("Use type hints.", "Add type hints.", "Include type annotations.")
TEST_REQUESTS = (
    "Show an example call.",
    "Include an example of how to use it.",
    "Add one assert as a test.",
    "Add a test with assert.",
)
CODE_ONLY_REQUESTS = ("Return only the code.", "Reply with code only.", "Give only the code.")
FENCE_REQUESTS = (
    "Put the code in a Python code block.",
    "Use a fenced code block.",
    "Answer with a ```python code block.",
)
LEADS = ("Here is the function:", "Here is a Python function:", "This function does it:")


def _chosen_names(task: Task, chance: random.Random) -> dict[str, str]:
    return {
        "ITEMS": chance.choice(ITEM_NAMES),
        "WORDS": chance.choice(WORD_NAMES),
        "TEXT": chance.choice(TEXT_NAMES),
        "NUMBER": chance.choice(NUMBER_NAMES),
        "MAPPING": chance.choice(MAPPING_NAMES),
    }


def _fill(text: str, names: dict[str, str]) -> str:
    for slot, name in names.items():
        text = text.replace(slot, name)
    return text


def _docstring(task: Task, edge: str | None, names: dict[str, str], chance: random.Random) -> str:
    summary = chance.choice(task.summaries)
    style = chance.randrange(4)
    if style == 0 and edge:
        return f'    """{summary}\n\n    {edge}\n    """'
    if style == 1:
        arguments = "\n".join(
            f"        {_fill(argument, names)}: {meaning}" for argument, meaning in task.arguments
        )
        sections = f"    Args:\n{arguments}\n\n    Returns:\n        {task.result}"
        return f'    """{summary}\n\n{sections}\n    """'
    if style == 2:
        return f'    """\n    {summary}\n    """'
    return f'    """{summary}"""'


def _signature(task: Task, names: dict[str, str], hints: bool) -> str:
    if hints:
        return ", ".join(
            f"{_fill(argument, names)}: {kind}"
            for (argument, _), kind in zip(task.arguments, task.hints, strict=True)
        )
    return ", ".join(_fill(argument, names) for argument, _ in task.arguments)


def code_pair(chance: random.Random) -> tuple[str, str]:
    """One coding prompt with its requests stated, and a function that meets them."""
    task = chance.choice(ALL_TASKS)
    names = _chosen_names(task, chance)
    name = chance.choice(task.names)
    arguments = _signature(task, names, hints=False)
    named = chance.random() < 0.45
    opening = chance.choice(NAMED_OPENINGS if named else OPENINGS)
    description = chance.choice(task.descriptions)
    prompt = [opening.format(name=name, arguments=arguments, task=description)]

    wants: dict[str, Callable[[], str]] = {
        "docstring": lambda: chance.choice(DOCSTRING_REQUESTS),
        "edge": lambda: chance.choice(task.edge_requests),
        "hints": lambda: chance.choice(HINT_REQUESTS),
        "test": lambda: chance.choice(TEST_REQUESTS),
        "comment": lambda: chance.choice(COMMENT_REQUESTS),
        "form": lambda: chance.choice(CODE_ONLY_REQUESTS + FENCE_REQUESTS),
    }
    shares = {"docstring": 0.6, "edge": 0.6, "hints": 0.2, "test": 0.2, "comment": 0.1, "form": 0.1}
    asked = [key for key in wants if chance.random() < shares[key] and (key != "edge" or task.edge)]
    if chance.random() < 0.3:
        chance.shuffle(asked)
    requests = [wants[key]() for key in asked]
    if asked[:2] == ["docstring", "edge"] and chance.random() < 0.6:
        edge_request = requests[1]
        joined = edge_request[0].lower() + edge_request[1:]
        if edge_request.startswith(("Handle", "Return", "Raise")):
            requests[:2] = [f"Include a docstring and {joined}"]
    prompt += requests

    hints = "hints" in asked or chance.random() < 0.1
    with_edge = task.edge is not None and ("edge" in asked or chance.random() < 0.5)
    returns = f" -> {task.returns}" if hints else ""
    lines = [f"def {name}({_signature(task, names, hints)}){returns}:"]
    if "docstring" in asked or chance.random() < 0.8:
        lines.append(_docstring(task, task.edge_note if with_edge else None, names, chance))
    body = ((task.edge + "\n") if with_edge and task.edge else "") + chance.choice(task.bodies)
    body = "\n".join("    " + line if line else "" for line in _fill(body, names).split("\n"))
    if "comment" in asked:
        lines.append("    # " + chance.choice(task.summaries))
    lines.append(body)
    if "test" in asked:
        arguments_of_test, expected = chance.choice(task.examples)
        lines.append(f"\n\nassert {name}({arguments_of_test}) == {expected}")
    source = "\n".join(lines)

    if chance.random() < 0.2 and "form" not in asked:
        return " ".join(prompt), f"{chance.choice(LEADS)}\n```python\n{source}\n```"
    if chance.random() < 0.85 or "form" in asked:
        return " ".join(prompt), f"```python\n{source}\n```"
    return " ".join(prompt), source
