# ruff: noqa: E501 (a template reads best on one line)
"""Template-made instruction prompts: exact forms (lists, JSON, one word, case, counts), obeyed."""

from __future__ import annotations

import json
import random
from collections.abc import Callable

from training import words_instruction as bank

NUMBER_WORDS = {1: "one", 2: "two", 3: "three", 4: "four", 5: "five", 6: "six", 7: "seven"}
BULLET_DEMANDS = (
    "as bullet points starting with '{mark}'.", "as a bulleted list. Start each line with '{mark}'.",
    "as bullet points. Each line must start with '{mark} '.", "in a bullet list that uses '{mark}'.", "as exactly {n} bullet points starting with '{mark}'.",
)  # fmt: skip
NOTHING_ELSE = (
    "",
    "",
    "Write nothing else.",
    "Do not add anything else.",
    "Give only the list.",
    "No other text.",
)
ONE_WORD = (
    "Answer with one word.",
    "Answer with one word only.",
    "Reply with a single word.",
    "Use exactly one word.",
    "Answer in one word.",
)
UPPER = (
    "Use only capital letters.",
    "Write in all upper case.",
    "Use upper case letters only.",
    "Answer in capital letters.",
    "Write everything in capital letters.",
)
LOWER = (
    "Use only lower case letters.",
    "Write in all lower case.",
    "Use lowercase letters only.",
    "Do not use capital letters.",
)

Pair = tuple[str, str]


def _joined(*parts: str) -> str:
    return " ".join(part for part in parts if part)


def _count(chance: random.Random, number: int) -> str:
    return NUMBER_WORDS[number] if chance.random() < 0.3 and number in NUMBER_WORDS else str(number)


def _members(chance: random.Random, most: int = 7) -> tuple[str, list[str]]:
    category = chance.choice(tuple(bank.CATEGORIES))
    members = bank.CATEGORIES[category]
    count = chance.randint(3, min(most, len(members)))
    return category, chance.sample(members, count)


def bullets(chance: random.Random) -> Pair:
    """Exactly N bullets."""
    category, chosen = _members(chance)
    mark = chance.choice(("-", "-", "-", "*"))
    number = _count(chance, len(chosen))
    verb = chance.choice(("List", "Name", "Give me", "Write", "List exactly"))
    demand = chance.choice(BULLET_DEMANDS).format(mark=mark, n=number)
    if chance.random() < 0.4:
        chosen = [item[0].upper() + item[1:] for item in chosen]
    return _joined(f"{verb} {number} {category} {demand}", chance.choice(NOTHING_ELSE)), "\n".join(
        f"{mark} {item}" for item in chosen
    )


def numbered(chance: random.Random) -> Pair:
    """A numbered list of members, or of steps."""
    number_form = chance.choice(
        (
            "as a numbered list",
            "as a numbered list from 1 to {n}",
            "in a numbered list with {n} items",
        )
    )
    if chance.random() < 0.5:
        category, chosen = _members(chance)
        number = _count(chance, len(chosen))
        prompt = f"{chance.choice(('List', 'Name', 'Write', 'Give me'))} {number} {category} {number_form.format(n=len(chosen))}."
    else:
        task = chance.choice(tuple(bank.STEPS))
        steps = bank.STEPS[task]
        count = chance.randint(3, len(steps))
        chosen = [steps[i] for i in sorted(chance.sample(range(len(steps)), count))]
        number = _count(chance, count)
        prompt = chance.choice((
            f"Explain how to {task} in exactly {number} numbered steps.", f"Write {number} numbered steps that explain how to {task}.",
            f"How do you {task}? Answer with a numbered list of {number} steps.", f"Describe how to {task} as a numbered list with exactly {number} steps.",
        ))  # fmt: skip
    return _joined(prompt, chance.choice(NOTHING_ELSE)), "\n".join(
        f"{i}. {item}" for i, item in enumerate(chosen, 1)
    )


def comma_list(chance: random.Random) -> Pair:
    """One line, separated by commas; sometimes in upper case or sorted."""
    category, chosen = _members(chance)
    number = _count(chance, len(chosen))
    prompt = chance.choice(
        (
            f"List {number} {category} separated by commas.",
            f"Name {number} {category} on one line, separated by commas.",
            f"Write {number} {category} as a comma-separated list.",
        )
    )
    form = chance.randrange(4)
    if form == 0:
        return f"{prompt} {chance.choice(UPPER)}", ", ".join(chosen).upper()
    if form == 1:
        return f"{prompt} {chance.choice(LOWER)}", ", ".join(chosen).lower()
    if form == 2:
        return (
            f"{prompt} {chance.choice(('Sort them alphabetically.', 'Put them in alphabetical order.'))}",
            ", ".join(sorted(chosen)),
        )
    return prompt, ", ".join(chosen)


def json_object(chance: random.Random) -> Pair:
    """A JSON object with the given keys."""
    keys = chance.sample(tuple(bank.JSON_VALUES), chance.randint(2, 4))
    values = {key: chance.choice(bank.JSON_VALUES[key]) for key in keys}
    style = chance.randrange(3)
    quote = ("{}", "'{}'", '"{}"')[style]
    shown = [quote.format(key) for key in keys]
    listed = ", ".join(shown[:-1]) + " and " + shown[-1]
    thing = chance.choice(
        (
            "",
            "",
            " that describes a person",
            " for a book",
            " for a product",
            " about a city",
            " for a user",
            " about a pet",
            " for an order",
        )
    )
    prompt = chance.choice((
        f"Return a JSON object{thing} with the keys {listed}.", f"Write a JSON object{thing} with the keys {listed}.",
        f"Return only a JSON object{thing} with exactly the keys {listed}.", f"Create a JSON object{thing} with keys {listed}.",
        f"Output valid JSON{thing} with the keys {listed}.", f"Give me a JSON object{thing} with exactly {len(keys)} keys: {', '.join(shown)}.",
    ))  # fmt: skip
    extra = chance.choice(
        (
            "",
            "",
            "Return only the JSON.",
            "Write nothing else.",
            "Do not add any other text.",
            "No explanation.",
        )
    )
    indented = chance.random() < 0.3
    return _joined(prompt, extra), json.dumps(values, indent=2 if indented else None)


def one_word(chance: random.Random) -> Pair:
    """One word, sometimes in upper or lower case."""
    question = chance.choice(tuple(bank.FACTS))
    about, answer = chance.choice(bank.FACTS[question])
    prompt = f"{question.format(about)} {chance.choice(ONE_WORD)}"
    form = chance.randrange(5)
    if form == 0:
        return f"{prompt} {chance.choice(UPPER)}", answer.upper()
    if form == 1:
        return f"{prompt} {chance.choice(LOWER)}", answer.lower()
    return prompt, answer


def yes_or_no(chance: random.Random) -> Pair:
    """Yes or no, in the form asked for."""
    question, answer = chance.choice(bank.YES_NO)
    demand, form = chance.choice((
        ("Answer only yes or no.", str.lower), ("Answer with yes or no.", str.lower), ("Reply with 'Yes' or 'No'.", str.capitalize),
        ("Answer YES or NO in capital letters.", str.upper), ("Answer only 'yes' or 'no'.", str.lower),
    ))  # fmt: skip
    return f"{question} {demand}", form(answer)


def classify(chance: random.Random) -> Pair:
    """The sentiment of a sentence, as one of the words given."""
    sentence, answer = chance.choice(bank.SENTIMENTS)
    text = sentence.format(chance.choice(bank.REVIEWED))
    prompt = chance.choice((
        f"Is this review positive or negative? '{text}' Answer with one word.", f"Classify the text '{text}' as positive or negative. Answer with one word.",
        f"Say whether the sentence '{text}' is positive or negative. Use one word.",
    ))  # fmt: skip
    return prompt, answer


def sentences(chance: random.Random) -> Pair:
    """Exactly N sentences, sometimes with a given start, end, case or forbidden word."""
    subject, count = chance.choice(bank.SUBJECTS), chance.randint(1, 5)
    number = _count(chance, count)
    noun = "sentence" if count == 1 else "sentences"
    text = " ".join(
        sentence.format(subject) for sentence in chance.sample(bank.SUBJECT_SENTENCES, count)
    )
    prompt = chance.choice(
        (
            f"Write exactly {number} {noun} about {subject}.",
            f"Write {number} {noun} about {subject}.",
            f"Say something about {subject} in exactly {number} {noun}.",
        )
    )
    form = chance.randrange(6)
    if form == 0:
        return f"{prompt} {chance.choice(UPPER)}", text.upper()
    if form == 1:
        return f"{prompt} {chance.choice(LOWER)}", text.lower()
    if form == 2:
        start = chance.choice(("In short,", "To begin,", "As we know,", "In my view,"))
        rest = text if text.startswith("I ") else text[0].lower() + text[1:]
        return f"{prompt} Start with '{start}'.", f"{start} {rest}"
    if form == 3:
        word = chance.choice(("good", "bad", "nice", "really", "because", "always", "thing"))
        return (
            f"{prompt} {chance.choice(('Do not use the word', 'Avoid the word'))} '{word}'.",
            text,
        )
    return prompt, text


def repeat(chance: random.Random) -> Pair:
    """A word repeated N times, in a row or one on each line."""
    word = chance.choice(chance.choice(tuple(bank.CATEGORIES.values())))
    count = chance.randint(2, 6)
    number = _count(chance, count)
    if chance.random() < 0.5:
        return f"Write the word '{word}' exactly {number} times, separated by spaces.", " ".join(
            [word] * count
        )
    return f"Write the word '{word}' {number} times, once on each line.", "\n".join([word] * count)


def change_words(chance: random.Random) -> Pair:
    """Sort, reverse or change the case of given words."""
    _, chosen = _members(chance, 5)
    shown = ", ".join(chosen)
    form = chance.randrange(4)
    if form == 0:
        return f"Sort these words alphabetically: {shown}.", ", ".join(sorted(chosen))
    if form == 1:
        return f"Write these words in reverse order: {shown}.", ", ".join(reversed(chosen))
    if form == 2:
        return f"Write these words in capital letters: {shown}.", shown.upper()
    return f"Write each of these words on its own line: {shown}.", "\n".join(chosen)


def wrapped(chance: random.Random) -> Pair:
    """A short answer between a given first and last line."""
    subject = chance.choice(bank.SUBJECTS)
    start, end = chance.choice(
        (
            ("Hello.", "Goodbye."),
            ("BEGIN", "END"),
            ("Dear reader,", "Thank you."),
            ("START", "STOP"),
        )
    )
    body = " ".join(
        sentence.format(subject) for sentence in chance.sample(bank.SUBJECT_SENTENCES, 2)
    )
    return (
        f"Write two sentences about {subject}. Start with '{start}' and end with '{end}'.",
        f"{start}\n{body}\n{end}",
    )


MAKERS: tuple[Callable[[random.Random], Pair], ...] = (
    bullets, bullets, bullets, numbered, numbered, comma_list, json_object, json_object,
    json_object, one_word, yes_or_no, classify, sentences, sentences, sentences, repeat,
    change_words, wrapped,
)  # fmt: skip


def instruction_pair(chance: random.Random) -> Pair:
    """One instruction and an answer in exactly the form asked for."""
    return chance.choice(MAKERS)(chance)
