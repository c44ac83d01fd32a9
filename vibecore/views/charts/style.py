"""One fixed mark a precision, and the one accent colour, for charts and tables.

No two precisions that can be chosen share a shape, since colour alone tells a colour-blind reader
little; colour groups them by who quantises, 8 bits darker than 4. Labels of folders that are
quantised already are grey, each with a shape that no other label has. A new precision takes one
entry here; without one it has the grey slant that `as-is` has.

The colours are from Okabe and Ito's palette for colour-blind readers, darkened or lightened so
that each has a contrast of 3:1 or more on both the light and the dark background.
"""

from __future__ import annotations

from dataclasses import dataclass

from vibecore.catalog.precisions import AS_IS, PRECISIONS

# shape -> Vega's word for it, or its outline as an SVG path in a box from -1 to 1, y downwards,
# which tables draw as well.
SHAPES = {
    "circle": "circle",
    "square": "square",
    "triangle": "triangle-up",
    "diamond": "diamond",
    "cross": "cross",
    "triangle-down": "M0 1 1 -0.8H-1Z",
    "triangle-right": "M1 0 -0.8 1V-1Z",
    "star": "M0 -1.1 0.32 -0.36 1.05 -0.34 0.48 0.14 0.65 0.89 0 0.46 -0.65 0.89 -0.48 0.14 "
    "-1.05 -0.34 -0.32 -0.36Z",
    "saltire": "M-0.95 -0.5 -0.5 -0.95 0 -0.45 0.5 -0.95 0.95 -0.5 0.45 0 0.95 0.5 0.5 0.95 0 0.45 "
    "-0.5 0.95 -0.95 0.5 -0.45 0Z",
    "triangle-left": "M-1 0 0.8 -1V1Z",
    "hourglass": "M-0.9 -1H0.9L0.15 0 0.9 1H-0.9L-0.15 0Z",
    "bow": "M-1 -0.9 0 -0.15 1 -0.9V0.9L0 0.15 -1 0.9Z",
    "dash": "M-1.1 -0.4H1.1V0.4H-1.1Z",
    "bar": "M-0.4 -1.1H0.4V1.1H-0.4Z",
    "dome": "M-1.1 0.55A1.1 1.1 0 0 1 1.1 0.55Z",
    "slant": "M-0.5 -0.8H1.1L0.5 0.8H-1.1Z",
    "chevron": "M-1 0.8V0L0 -0.9 1 0V0.8L0 0Z",
}


@dataclass(frozen=True)
class Mark:
    """How a precision is drawn: a colour, and one of SHAPES."""

    colour: str
    shape: str

    @property
    def vega(self) -> str:
        """The shape as Vega takes it."""
        return SHAPES[self.shape]

    @property
    def path(self) -> str | None:
        """The shape's outline, in a box from -1 to 1; None where its name is known everywhere."""
        return self.vega if self.vega.startswith("M") else None


# Of precisions that are whatever somebody's files are.
FILES_COLOUR = "#7d8186"
OTHER_MARK = Mark(FILES_COLOUR, "slant")
PRECISION_MARKS = {
    "bf16": Mark("#3a80c4", "circle"),
    "fp16": Mark("#5f8f9c", "diamond"),
    "8bit": Mark("#b0639b", "square"),
    "8bit-t0": Mark("#8577b8", "cross"),
    "4bit": Mark("#219a76", "triangle"),
    "int8-torchao": Mark("#7d7220", "triangle-down"),
    "int8-dynamic-torchao": Mark("#7d7220", "hourglass"),
    "float8-torchao": Mark("#7d7220", "triangle-left"),
    "int4-torchao": Mark("#a3932f", "triangle-right"),
    "int8-quanto": Mark("#66779a", "bow"),
    "int4-quanto": Mark("#7b8fb8", "dash"),
    "int2-quanto": Mark("#7b8fb8", "bar"),
    "Q8_0": Mark("#a8505f", "star"),
    "Q6_K": Mark("#b9606f", "dome"),
    "Q5_K_M": Mark("#c76d7c", "chevron"),
    "Q4_K_M": Mark("#d07483", "saltire"),
    AS_IS: OTHER_MARK,
}
_LABEL_SHAPES = [shape for shape in SHAPES if shape != OTHER_MARK.shape]
_LABELS = [precision.name for precision in PRECISIONS.values() if precision.is_label]
LABEL_MARKS = {
    name: Mark(FILES_COLOUR, _LABEL_SHAPES[place % len(_LABEL_SHAPES)])
    for place, name in enumerate(_LABELS)
}

# The sweet spot, and nothing else.
ACCENT = "#cf7420"
# Rules, whiskers and whatever is context: visible on both backgrounds.
NEUTRAL = "#85898e"


def mark_of(precision: str) -> Mark:
    """The mark of a precision; a neutral one where it is none of ours."""
    return PRECISION_MARKS.get(precision) or LABEL_MARKS.get(precision, OTHER_MARK)
