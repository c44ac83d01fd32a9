"""Sentences for the creative templates: about a topic, or one after another in a story."""

from __future__ import annotations

import random

from training import words_creative as bank


def shown_count(chance: random.Random, number: int) -> str:
    """A number as a figure or, sometimes, as a word."""
    return (
        bank.NUMBER_WORDS[number]
        if chance.random() < 0.3 and number in bank.NUMBER_WORDS
        else str(number)
    )


def capitalised(text: str) -> str:
    """The text with its first letter in upper case, the rest as it is."""
    return text[0].upper() + text[1:]


def topic_sentences(chance: random.Random, topic: str, count: int) -> list[str]:
    """`count` different sentences about `topic`."""
    sentences = []
    for template in chance.sample(bank.TOPIC_SENTENCES, count):
        first, second = chance.sample(bank.ADJECTIVES, 2)
        smell, other_smell = chance.sample(bank.SMELLS, 2)
        time = chance.choice(bank.TIMES)
        sentences.append(
            template.format(
                topic=topic, Topic=capitalised(topic), adjective=first, adjective2=second,
                time=time, Time=capitalised(time), sense=chance.choice(bank.SENSES),
                noise=chance.choice(bank.NOISES), noise_maker=chance.choice(bank.NOISE_MAKERS),
                smell=smell, smell2=other_smell,
            )
        )  # fmt: skip
    return sentences


def story_sentences(
    chance: random.Random, character: str, goal: tuple[str, str, str], count: int, once: bool
) -> list[str]:
    """`count` sentences (at least 4): an opening, a turn, some middles and an end.

    `goal` is a row of `words_creative.GOALS`; `once` starts with "Once upon a time".
    """
    name, others = (
        chance.choice(bank.NAMES),
        [other for other in bank.CHARACTERS if other != character],
    )
    article = "an" if character[0] in "aeiou" else "a"
    start = (
        "Once upon a time there was"
        if once
        else chance.choice(("There was once", "Once there was", "There lived"))
    )
    opening = (
        f"{start} {article} {character} named {name} who lived {chance.choice(bank.STORY_HOMES)}."
    )
    turning = f"One day, {name} {goal[1]}."
    templates = [*chance.sample(bank.STORY_MIDDLES, count - 3), chance.choice(bank.STORY_ENDS)]
    rest = [
        template.format(
            name=name, Name=name, thing=goal[2], adjective=chance.choice(bank.ADJECTIVES),
            other=chance.choice(others), character=character,
        )
        for template in templates
    ]  # fmt: skip
    return [opening, turning, *rest]
