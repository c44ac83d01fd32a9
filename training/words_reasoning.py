"""Word banks for the reasoning templates, and the ways a final answer is asked for."""

from __future__ import annotations

PEOPLE = (
    "Anna", "Ben", "Clara", "David", "Emma", "Farid", "Grace", "Hugo", "Iris", "Jack", "Kate",
    "Liam", "Maria", "Noah", "Olga", "Paul", "Quinn", "Rosa", "Sam", "Tara", "Tom", "Vera",
    "Will", "Yara", "Zoe", "Alice", "Bob", "Nina", "Omar", "Leo",
)  # fmt: skip
THINGS = (
    "apples", "books", "coins", "pencils", "marbles", "eggs", "cookies", "cards", "stamps",
    "oranges", "shells", "balloons", "stickers", "flowers", "buttons", "toys", "pears", "stones",
)  # fmt: skip
GOODS = ("pen", "book", "ticket", "bottle", "notebook", "mug", "hat", "toy", "cake", "lamp")
VEHICLES = ("train", "car", "bus", "bicycle", "boat", "truck", "plane")
CONTAINERS = ("box", "bag", "basket", "jar", "shelf", "drawer", "crate")
MANY_OF = {"box": "boxes", "shelf": "shelves"}
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MARKERS = (
    ("End with a line 'Answer: <number>'.", "Answer: {}"),
    ("End with 'Answer: ' and the result.", "Answer: {}"),
    ("End with the line 'Answer: X', where X is the result.", "Answer: {}"),
    ("Finish with a line that starts with 'Answer:'.", "Answer: {}"),
    ("Give the final answer on the last line as 'Answer: X'.", "Answer: {}"),
    ("Write the final answer as 'Answer: X'.", "Answer: {}"),
    ("Put the result on the last line after 'Answer:'.", "Answer: {}"),
    ("The last line must be 'Answer:' followed by the result.", "Answer: {}"),
    ("Finish with 'Final answer: X'.", "Final answer: {}"),
    ("End with 'The answer is X.'", "The answer is {}."),
    ("", "Answer: {}"),
)
STEP_REQUESTS = (
    "Show your steps.",
    "Explain your reasoning.",
    "Think step by step.",
    "Explain each step.",
    "Show your work.",
    "Reason step by step.",
    "",
    "",
)
OPENERS = ("", "", "", "", "Solve this problem. ", "Solve the following problem. ")

# Question, steps, and the final answer.
Problem = tuple[str, list[str], int | str]
