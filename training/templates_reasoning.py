# ruff: noqa: E501 (a template reads best on one line)
"""Reasoning prompts: small word problems solved in steps, with a final answer line.

Each problem maker returns (question, steps, answer). The numbers stay small: the point is to
learn the shape of an argument, and a little arithmetic.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from training.words_reasoning import (
    CONTAINERS,
    GOODS,
    MANY_OF,
    MARKERS,
    OPENERS,
    PEOPLE,
    STEP_REQUESTS,
    THINGS,
    VEHICLES,
    WEEKDAYS,
    Problem,
)


def sequence(chance: random.Random) -> Problem:
    """The next number of an arithmetic or doubling sequence."""
    start, form = chance.randint(1, 12), chance.randrange(3)
    ask = chance.choice(
        (
            "What is the next number in the sequence",
            "What number comes next in the sequence",
            "Find the next number in the sequence",
        )
    )
    end = "." if ask.startswith("Find") else "?"
    if form == 0:
        step = chance.randint(2, 11)
        row = [start + step * i for i in range(4)]
        steps = [
            f"Each number is {step} more than the one before.",
            f"{row[-1]} + {step} = {row[-1] + step}.",
        ]
        following = row[-1] + step
    elif form == 1:
        row = [start * 2**i for i in range(4)]
        steps = ["Each number is twice the one before.", f"{row[-1]} * 2 = {row[-1] * 2}."]
        following = row[-1] * 2
    else:
        step = chance.randint(2, 9)
        row = [start + 40 - step * i for i in range(4)]
        steps = [
            f"Each number is {step} less than the one before.",
            f"{row[-1]} - {step} = {row[-1] - step}.",
        ]
        following = row[-1] - step
    return f"{ask} {', '.join(map(str, row))}{end}", steps, following


def sum_or_product(chance: random.Random) -> Problem:
    """A bare calculation."""
    a, b, c = chance.randint(2, 30), chance.randint(2, 20), chance.randint(2, 9)
    form = chance.randrange(4)
    if form == 0:
        return f"What is {a} plus {b}?", [f"{a} + {b} = {a + b}."], a + b
    if form == 1:
        return f"What is {b} times {c}?", [f"{b} * {c} = {b * c}."], b * c
    if form == 2:
        return f"What is {a + b} minus {b}?", [f"{a + b} - {b} = {a}."], a
    return (
        f"Calculate {a} + {b} * {c}.",
        ["Multiplication comes first.", f"{b} * {c} = {b * c}.", f"{a} + {b * c} = {a + b * c}."],
        a + b * c,
    )


def comparison(chance: random.Random) -> Problem:
    """Who is tallest, oldest or fastest of three, from two comparisons."""
    word, most, least = chance.choice(
        (
            ("taller", "tallest", "shortest"),
            ("older", "oldest", "youngest"),
            ("faster", "fastest", "slowest"),
            ("heavier", "heaviest", "lightest"),
            ("richer", "richest", "poorest"),
        )
    )
    a, b, c = chance.sample(PEOPLE, 3)
    facts = [f"{a} is {word} than {b}.", f"{b} is {word} than {c}."]
    if chance.random() < 0.5:
        facts.reverse()
    asked, answer = chance.choice(((most, a), (least, c)))
    steps = [f"The order is {a}, {b}, {c}.", f"So {answer} is the {asked}."]
    return f"{' '.join(facts)} Who is the {asked}?", steps, answer


def weekday(chance: random.Random) -> Problem:
    """Which day it is some days later."""
    start, days = chance.randrange(7), chance.randint(1, 10)
    day = WEEKDAYS[(start + days) % 7]
    steps = [f"Today is {WEEKDAYS[start]}."]
    if days > 7:
        steps.append(f"{days} days are 7 + {days - 7} days, and 7 days are a week.")
    steps.append(f"{days} {'day' if days == 1 else 'days'} later it is {day}.")
    return (
        f"Today is {WEEKDAYS[start]}. What day will it be in {days} {'day' if days == 1 else 'days'}?",
        steps,
        day,
    )


def rectangle(chance: random.Random) -> Problem:
    """The area or perimeter of a rectangle, or the area of a square."""
    width, height = chance.randint(2, 12), chance.randint(2, 12)
    unit = chance.choice(("cm", "meters", "m"))
    what = chance.choice(("rectangle", "garden", "room", "field", "table"))
    if chance.random() < 0.5:
        question = f"A {what} is {width} {unit} wide and {height} {unit} long. What is its area?"
        return (
            question,
            ["Area is width times length.", f"{width} * {height} = {width * height}."],
            width * height,
        )
    question = f"A {what} is {width} {unit} wide and {height} {unit} long. What is its perimeter?"
    steps = [
        "The perimeter is twice the sum of width and length.",
        f"{width} + {height} = {width + height}.",
        f"2 * {width + height} = {2 * (width + height)}.",
    ]
    return question, steps, 2 * (width + height)


def percent(chance: random.Random) -> Problem:
    """A round percentage of a round number, or a discount."""
    rate, base = chance.choice((10, 20, 25, 50)), chance.choice((20, 40, 60, 80, 100, 120, 200))
    part = base * rate // 100
    steps = [f"{rate} percent of {base} is {base} * {rate} / 100 = {part}."]
    if chance.random() < 0.5:
        return f"What is {rate} percent of {base}?", steps, part
    good = chance.choice(GOODS)
    steps.append(f"{base} - {part} = {base - part}.")
    return (
        f"A {good} costs {base} dollars and is sold at {rate} percent off. What is the new price?",
        steps,
        base - part,
    )


def many(container: str) -> str:
    """The plural of a container's name."""
    return MANY_OF.get(container, container + "s")


def buys_more(chance: random.Random) -> Problem:
    """Addition, and sometimes a subtraction after it."""
    who, what = chance.choice(PEOPLE), chance.choice(THINGS)
    have, more = chance.randint(2, 30), chance.randint(2, 20)
    verb, past = chance.choice((("buys", "buying"), ("finds", "finding"), ("gets", "getting")))
    steps = [f"{who} starts with {have} {what}."]
    steps.append(f"After {past} {more} more, {who} has {have} + {more} = {have + more} {what}.")
    if chance.random() < 0.5:
        return (
            f"{who} has {have} {what} and {verb} {more} more. How many {what} does {who} have now?",
            steps,
            have + more,
        )
    given = chance.randint(1, min(15, have + more - 1))
    lost, after = chance.choice(
        (("gives away", "giving away"), ("loses", "losing"), ("sells", "selling"))
    )
    steps.append(
        f"After {after} {given}, {who} has {have + more} - {given} = {have + more - given} {what}."
    )
    question = f"{who} has {have} {what}, {verb} {more} more and then {lost} {given}. How many {what} are left?"
    return question, steps, have + more - given


def gives_away(chance: random.Random) -> Problem:
    """Subtraction."""
    who, other = chance.sample(PEOPLE, 2)
    what, have = chance.choice(THINGS), chance.randint(6, 40)
    given = chance.randint(1, have - 1)
    question = f"{who} has {have} {what} and gives {given} of them to {other}. How many {what} does {who} have left?"
    return (
        question,
        [
            f"{who} starts with {have} {what}.",
            f"{who} gives away {given}.",
            f"{have} - {given} = {have - given}.",
        ],
        have - given,
    )


def containers(chance: random.Random) -> Problem:
    """Multiplication, and sometimes what is left after some are removed."""
    what, box = chance.choice(THINGS), chance.choice(CONTAINERS)
    count, each = chance.randint(2, 12), chance.randint(2, 12)
    steps = [
        f"There are {count} {many(box)} with {each} {what} each.",
        f"{count} * {each} = {count * each}.",
    ]
    start = f"There are {count} {many(box)} and each {box} holds {each} {what}."
    if chance.random() < 0.6:
        return f"{start} How many {what} are there in total?", steps, count * each
    removed = chance.randint(1, count * each - 1)
    steps.append(
        f"Then {removed} are taken away: {count * each} - {removed} = {count * each - removed}."
    )
    return (
        f"{start} {removed} {what} are taken away. How many {what} are left?",
        steps,
        count * each - removed,
    )


def sharing(chance: random.Random) -> Problem:
    """Division without a rest."""
    what, people, each = chance.choice(THINGS), chance.randint(2, 10), chance.randint(2, 12)
    total = people * each
    question = f"{total} {what} are shared equally among {people} {chance.choice(('children', 'friends', 'people', 'students'))}. How many {what} does each one get?"
    return (
        question,
        [f"There are {total} {what} for {people}.", f"{total} / {people} = {each}."],
        each,
    )


def price(chance: random.Random) -> Problem:
    """The cost of several goods, or the change from a note."""
    who, good = chance.choice(PEOPLE), chance.choice(GOODS)
    count, cost = chance.randint(2, 9), chance.randint(2, 12)
    total = count * cost
    steps = [f"One {good} costs {cost} dollars.", f"{count} * {cost} = {total}."]
    if chance.random() < 0.5:
        return f"A {good} costs {cost} dollars. How much do {count} {good}s cost?", steps, total
    paid = next(note for note in (20, 50, 100, 200) if note > total)
    steps.append(f"The change is {paid} - {total} = {paid - total}.")
    question = f"{who} buys {count} {good}s at {cost} dollars each and pays with {paid} dollars. How much change does {who} get?"
    return question, steps, paid - total


def distance(chance: random.Random) -> Problem:
    """Distance, time or speed from the other two."""
    vehicle, hours = chance.choice(VEHICLES), chance.randint(2, 9)
    speed = chance.choice((10, 12, 15, 20, 25, 30, 40, 50, 60, 70, 80, 90, 100))
    unit = chance.choice(("km", "miles"))
    length = speed * hours
    form = chance.randrange(3)
    if form == 0:
        question = f"A {vehicle} travels at {speed} {unit} per hour for {hours} hours. How many {unit} does it travel?"
        return question, ["Distance is speed times time.", f"{speed} * {hours} = {length}."], length
    if form == 1:
        question = f"A {vehicle} travels {length} {unit} in {hours} hours. What is its speed in {unit} per hour?"
        return (
            question,
            ["Speed is distance divided by time.", f"{length} / {hours} = {speed}."],
            speed,
        )
    question = f"A {vehicle} travels {length} {unit} at {speed} {unit} per hour. How many hours does it take?"
    return question, ["Time is distance divided by speed.", f"{length} / {speed} = {hours}."], hours


def ages(chance: random.Random) -> Problem:
    """Ages now, later, and as multiples."""
    first, second = chance.sample(PEOPLE, 2)
    age, gap, years = chance.randint(4, 30), chance.randint(2, 12), chance.randint(2, 12)
    form = chance.randrange(4)
    if form == 0:
        question = (
            f"{first} is {age} years old. {second} is {gap} years older. How old is {second}?"
        )
        return (
            question,
            [f"{first} is {age}.", f"{second} is {gap} years older: {age} + {gap} = {age + gap}."],
            age + gap,
        )
    if form == 1:
        question = f"{first} is {age} years old. How old will {first} be in {years} years?"
        return (
            question,
            [f"{first} is {age} now.", f"In {years} years: {age} + {years} = {age + years}."],
            age + years,
        )
    if form == 2:
        times, word = chance.choice(((2, "twice"), (3, "three times")))
        question = f"{first} is {word} as old as {second}. {second} is {age} years old. How old is {first}?"
        return (
            question,
            [f"{second} is {age}.", f"{first} is {word} as old: {times} * {age} = {times * age}."],
            times * age,
        )
    question = f"{first} is {age} years old and {second} is {gap} years older. How old will {second} be in {years} years?"
    steps = [
        f"{second} is {age} + {gap} = {age + gap} now.",
        f"In {years} years: {age + gap} + {years} = {age + gap + years}.",
    ]
    return question, steps, age + gap + years


PROBLEMS: tuple[Callable[[random.Random], Problem], ...] = (
    buys_more, gives_away, containers, sharing, price, distance, ages, sequence, sum_or_product,
    comparison, weekday, rectangle, percent,
)  # fmt: skip


def reasoning_pair(chance: random.Random) -> tuple[str, str]:
    """One word problem with its demands stated, and its steps with the final answer."""
    question, steps, answer = chance.choice(PROBLEMS)(chance)
    request, line = chance.choice(MARKERS)
    wanted = chance.choice(STEP_REQUESTS)
    if isinstance(answer, str):
        request = request.replace("<number>", "<name>")
    demands = " ".join(part for part in (wanted, request) if part)
    prompt = f"{chance.choice(OPENERS)}{question} {demands}".strip()
    if chance.random() < 0.3:
        steps = [f"Step {number}: {step}" for number, step in enumerate(steps, 1)]
    return prompt, "\n".join([*steps, line.format(answer)])
