# ruff: noqa: E501 (a template reads best on one line)
"""Reasoning problems with bare numbers, orders, days, shapes and percentages."""

from __future__ import annotations

import random

from training.words_reasoning import (
    GOODS,
    PEOPLE,
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
