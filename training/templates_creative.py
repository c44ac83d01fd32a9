# ruff: noqa: E501 (a template reads best on one line)
"""Creative prompts: stories, poems, descriptions, with answers that meet their demands."""

from __future__ import annotations

import random
from collections.abc import Callable

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


def sentences_about(chance: random.Random) -> tuple[str, str]:
    """Exactly N sentences about a topic."""
    topic, count = chance.choice(bank.TOPICS), chance.randint(2, 8)
    number = shown_count(chance, count)
    prompt = chance.choice((
        f"Write exactly {number} sentences about {topic}.", f"Describe {topic} in exactly {number} sentences.",
        f"Describe {topic}. {chance.choice(bank.SENTENCE_DEMANDS).format(n=number)}",
        f"Write a short text about {topic}. {chance.choice(bank.SENTENCE_DEMANDS).format(n=number)}",
        f"Write a paragraph about {topic} with exactly {number} sentences.", f"Tell me about {topic} in {number} sentences.",
        f"Write a description of {topic}. {chance.choice(bank.SENTENCE_DEMANDS).format(n=number)}",
    ))  # fmt: skip
    return prompt, " ".join(topic_sentences(chance, topic, count))


def story(chance: random.Random) -> tuple[str, str]:
    """A short story, with a sentence count, given words, a given start or a given end."""
    character, goal, count = (
        chance.choice(bank.CHARACTERS),
        chance.choice(bank.GOALS),
        chance.randint(4, 9),
    )
    article = "an" if character[0] in "aeiou" else "a"
    subject = f"{article} {character} who {goal[0]}"
    demands = []
    once = chance.random() < 0.3
    sentences = story_sentences(chance, character, goal, count, once)
    if once:
        demands.append(
            chance.choice(
                (
                    "Start with 'Once upon a time'.",
                    "Begin with the words 'Once upon a time'.",
                    "The story must begin with 'Once upon a time'.",
                )
            )
        )
    if chance.random() < 0.35:
        words = chance.sample(bank.WANTED_WORDS, chance.randint(1, 3))
        quoted = [f"'{word}'" for word in words]
        listed = quoted[0] if len(quoted) == 1 else ", ".join(quoted[:-1]) + " and " + quoted[-1]
        demands.append(f"Include the {'word' if len(words) == 1 else 'words'} {listed}.")
        extra = [
            template.format(word=word)
            for template, word in zip(
                chance.sample(bank.WORD_SENTENCES, len(words)), words, strict=True
            )
        ]
        sentences[2:2] = extra
    ending = ""
    if chance.random() < 0.3:
        ending = chance.choice(("The end.", "And that was that.", "Good night."))
        demands.append(
            chance.choice(
                (
                    f"End with '{ending}'",
                    f"The last sentence must be '{ending}'",
                    f"Finish with the sentence '{ending}'",
                )
            )
        )
        sentences.append(ending)
    if chance.random() < 0.4:
        demands.append(
            chance.choice(bank.SENTENCE_DEMANDS).format(n=shown_count(chance, len(sentences)))
        )
    elif chance.random() < 0.3:
        words_written = len(" ".join(sentences).split())
        demands.append(
            f"Use at least {words_written // 10 * 10 - 10} words."
            if chance.random() < 0.5
            else f"Use at most {words_written // 10 * 10 + 20} words."
        )
    chance.shuffle(demands)
    prompt = " ".join(
        [
            chance.choice(
                (
                    f"Write a short story about {subject}.",
                    f"Write a story about {subject}.",
                    f"Tell a short story about {subject}.",
                    f"Write a very short story about {subject}.",
                )
            ),
            *demands,
        ]
    )
    middle = len(sentences) // 2
    if not demands and chance.random() < 0.5:
        prompt = f"Write a story about {subject} in two paragraphs."
        return prompt, " ".join(sentences[:middle]) + "\n\n" + " ".join(sentences[middle:])
    return prompt, " ".join(sentences)


def poem(chance: random.Random) -> tuple[str, str]:
    """A rhyming poem of N lines, sometimes in stanzas or with a title."""
    topic, count = chance.choice(bank.TOPICS), chance.choice((2, 4, 4, 6, 8))
    number = shown_count(chance, count)
    pairs = chance.sample([pair for pair in bank.COUPLETS if "{" in pair[0] + pair[1]], 1)
    pairs += chance.sample([pair for pair in bank.COUPLETS if pair not in pairs], count // 2 - 1)
    chance.shuffle(pairs)
    lines = [
        capitalised(line.format(topic=topic, Topic=capitalised(topic)))
        for pair in pairs
        for line in pair
    ]
    prompt = chance.choice((
        f"Write a poem about {topic} with exactly {number} lines.", f"Write a poem of {number} lines about {topic}.",
        f"Write a poem about {topic}. It must have exactly {number} lines.", f"Write a {number}-line poem about {topic}.",
        f"Write a short poem about {topic}. Use exactly {number} lines.", f"Write a rhyming poem about {topic} in {number} lines.",
    ))  # fmt: skip
    text = "\n".join(lines)
    if chance.random() < 0.2:
        title = f"{capitalised(topic)}".title()
        return (
            f"{prompt} {chance.choice(('Give it a title.', 'Start with a title.'))}",
            f"{title}\n\n{text}",
        )
    if count == 8 and chance.random() < 0.5:
        return f"Write a poem about {topic} with two stanzas of four lines each.", "\n".join(
            lines[:4]
        ) + "\n\n" + "\n".join(lines[4:])
    return prompt, text


def haiku(chance: random.Random) -> tuple[str, str]:
    """Three short lines."""
    topic = chance.choice(bank.TOPICS)
    prompt = chance.choice(
        (
            f"Write a haiku about {topic}.",
            f"Write a haiku about {topic}. Use exactly 3 lines.",
            f"Write a haiku about {topic} in three lines.",
            f"Compose a haiku on {topic}. It must have 3 lines.",
        )
    )
    return prompt, "\n".join(chance.choice(lines) for lines in bank.HAIKU_LINES)


def description(chance: random.Random) -> tuple[str, str]:
    """A description with a word limit, a forbidden word or two paragraphs."""
    topic, count = chance.choice(bank.TOPICS), chance.randint(3, 7)
    form = chance.randrange(4)
    sentences = topic_sentences(chance, topic, count)
    text = " ".join(sentences)
    opening = chance.choice(
        (
            f"Describe {topic}.",
            f"Write a description of {topic}.",
            f"Write a short paragraph about {topic}.",
            f"Write a paragraph that describes {topic}.",
        )
    )
    if form == 0:
        words = len(text.split())
        demand = chance.choice(
            (
                f"Use at most {words // 10 * 10 + 20} words.",
                f"Use fewer than {words // 10 * 10 + 20} words.",
                f"Use at least {max(5, words // 10 * 10 - 10)} words.",
                f"Use no more than {words // 10 * 10 + 20} words.",
            )
        )
        return f"{opening} {demand}", text
    if form == 1:
        forbidden = chance.choice(
            [
                word
                for word in (
                    "very",
                    "blue",
                    "happy",
                    "water",
                    "beautiful",
                    "love",
                    "nice",
                    "quiet",
                    "cold",
                )
                if word not in text.lower()
            ]
        )
        return (
            f"{opening} {chance.choice(('Do not use the word', 'Avoid the word', 'Never use the word'))} '{forbidden}'.",
            text,
        )
    if form == 2:
        more = " ".join(topic_sentences(chance, topic, 3))
        return chance.choice(
            (
                f"Write two paragraphs about {topic}.",
                f"{opening} Use exactly two paragraphs.",
                f"Describe {topic} in 2 paragraphs.",
            )
        ), f"{text}\n\n{more}"
    first = chance.choice(bank.ADJECTIVES)
    return f"{opening} Use the word '{first}'.", text + f" It is a {first} place to remember."


def dialogue(chance: random.Random) -> tuple[str, str]:
    """A dialogue of N lines between two speakers."""
    first, second = chance.sample(bank.CHARACTERS, 2)
    topic, count = chance.choice(bank.TOPICS), chance.choice((4, 6))
    lines = chance.sample((
        f"Have you ever seen {topic}?", f"I think about {topic} every day.", f"Tell me more about {topic}.", "That sounds wonderful.",
        "I am not so sure.", "Let us go there together.", "What do you mean?", "It is a long story.", "I will never forget it.", "You are right, my friend.",
    ), count)  # fmt: skip
    text = "\n".join(
        f"{capitalised(first if number % 2 == 0 else second)}: {line}"
        for number, line in enumerate(lines)
    )
    the_first, the_second = (
        f"{'an' if word[0] in 'aeiou' else 'a'} {word}" for word in (first, second)
    )
    return (
        f"Write a dialogue between {the_first} and {the_second} about {topic}. Use exactly {count} lines.",
        text,
    )


def letter(chance: random.Random) -> tuple[str, str]:
    """A short letter or postcard that starts and ends as asked."""
    name, sender = chance.sample(bank.NAMES, 2)
    topic = chance.choice(bank.TOPICS)
    body = " ".join(topic_sentences(chance, topic, chance.randint(2, 4)))
    what = chance.choice(("letter", "postcard", "note"))
    prompt = f"Write a short {what} to {name} about {topic}. Start with 'Dear {name},' and end with '{sender}'."
    return prompt, f"Dear {name},\n\n{body}\n\nYours,\n{sender}"


MAKERS: tuple[Callable[[random.Random], tuple[str, str]], ...] = (
    sentences_about, sentences_about, story, story, story, poem, poem, haiku, description,
    description, dialogue, letter,
)  # fmt: skip


def creative_pair(chance: random.Random) -> tuple[str, str]:
    """One creative prompt and a text that meets its demands."""
    return chance.choice(MAKERS)(chance)
