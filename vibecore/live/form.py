"""What the forms of Try and Launch share: their labels, their models of one's own, and messages in
the form's own words."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vibecore.core.errors import InputError

DEVICE_NAMES = {"auto": "GPU if there is one", "cpu": "CPU", "cuda": "GPU"}
# Where a study's configs run, beside one device of this machine: option of `run` -> what the form
# calls it, the label of its field, and what that holds at first.
PLACES: Mapping[str, tuple[str, str, str]] = {
    "gpus": ("GPUs of this machine, side by side …", "GPUs: all, or numbers such as 0,1", "all"),
    "ray": ("Ray cluster …", "Cluster: auto, or HOST:PORT of its head", "auto"),
}
# label of the weights -> what the command line calls them; None where a folder is asked for
WEIGHTS = {"real": "hub", "random: speed and memory only": "dummy", "from a folder …": None}
RUN_CODE = "Run the code that the models write, in a sandbox"
MEASURE_FIDELITY = "Measure fidelity"
FIDELITY_HELP = (
    "Once the run is done, hold each config's next-token distributions against those of the same "
    "model at 16 bit (bf16, else fp16), along the 16-bit outputs and a running text: how far the "
    "precision moves the model. The run needs that 16-bit config, and real weights."
)

# value of --chat -> what it does, in a sentence
CHAT_SENTENCES: Mapping[str, str] = {
    "auto": "Instruct models are asked through it, base models by the bare prompt.",
    "on": "Every model is asked through it; one that has none fails.",
    "off": "Every model gets the bare prompt, which instruct models were not trained on.",
}
# value of --thinking -> what it does, in a sentence
THINKING_SENTENCES: Mapping[str, str] = {
    "auto": "As each model does by itself; reasoning is shown apart, never scored.",
    "on": "Models that can reason do; reasoning is shown apart, never scored.",
    "off": "Models that can reason answer at once.",
}
SYSTEM_SENTENCE = "Goes before the prompt, through the chat template."
MODEL_SOURCES = "folder, .gguf file or hub id"
EMPTY_MODEL = "its field is empty"
OWN_SENTENCE = (
    "A folder, a .gguf file or a hub id each. All of them run at the precisions chosen here; a "
    "short name stands for a model in tables and charts."
)

# option of the command line -> what the form calls it, where that is not its own words
_IN_FORM = {
    "--chat": "chat template",
    "--name": "short name",
    "--system": "system text",
    "--extend": "adding to a study",
    "--gpus": "choosing GPUs",
    "--ray": "a Ray cluster",
}


@dataclass(frozen=True)
class OwnModel:
    """A model of one's own as a form has it: where it is, and its short name, "" for none."""

    source: str
    name: str = ""

    @classmethod
    def from_address(cls, text: str) -> OwnModel:
        """The model that a text of a page's address stands for: `SOURCE`, or `NAME=SOURCE`."""
        name, equals, source = text.partition("=")
        return cls(source, name) if equals else cls(text)

    def to_address(self) -> str:
        """The text of a page's address that stands for it."""
        # A source may have an equals sign of its own, a short name has none.
        return f"{self.name}={self.source}" if self.name or "=" in self.source else self.source


def sources_and_names(models: Sequence[OwnModel]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Models as the command line takes them: the first name is the first model's, and so on, ""
    for none. Raises InputError for a name without a model."""
    for model in models:
        required(model.source, f"{MODEL_SOURCES} of the model called {model.name}")
    names = tuple(model.name for model in models)
    return tuple(model.source for model in models), names if any(names) else ()


def refuse_empty_model(
    sources: Sequence[str], others: Sequence[str], precisions: Sequence[str] = ()
) -> None:
    """Raise InputError where nothing is chosen to run, or precisions of a model of one's own that
    is not entered. `others` are what else is chosen."""
    if sources or (others and not precisions):
        return
    if precisions:
        raise InputError(
            f"The model field is empty: enter a {MODEL_SOURCES} for {', '.join(precisions)}, or "
            "take the precisions out."
        )
    raise InputError(f"Choose at least one config, or enter a model of your own: {EMPTY_MODEL}.")


def required(value: str, what: str) -> str:
    """An entered text without the spaces around it. Raises InputError where it is empty."""
    if not value.strip():
        raise InputError(f"Enter the {what}.")
    return value.strip()


def in_form(message: str) -> str:
    """A message of the command line in the form's words: `--batch-size` is its batch size."""

    def word(found: re.Match[str]) -> str:
        return _IN_FORM.get(found[0], found[1].replace("-", " "))

    words = re.sub(r"--([a-z][a-z-]+)", word, message)
    return words[:1].upper() + words[1:]
