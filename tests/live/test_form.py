"""What the forms of Try and Launch share."""

from __future__ import annotations

import pytest

from vibecore.core.errors import InputError
from vibecore.live.form import OwnModel, in_form, sources_and_names


@pytest.mark.parametrize(
    ("model", "text"),
    [
        (OwnModel("/models/mine"), "/models/mine"),
        (OwnModel("org/name", "mine"), "mine=org/name"),
        (OwnModel("/odd=folder/m.gguf"), "=/odd=folder/m.gguf"),
        (OwnModel("/odd=folder", "mine"), "mine=/odd=folder"),
        (OwnModel("", "mine"), "mine="),
    ],
)
def test_an_own_model_comes_back_from_an_address(model: OwnModel, text: str) -> None:
    assert model.to_address() == text
    assert OwnModel.from_address(text) == model


def test_a_name_goes_with_its_model() -> None:
    models = [OwnModel("/a"), OwnModel("/b", "bee"), OwnModel("/c")]
    assert sources_and_names(models) == (("/a", "/b", "/c"), ("", "bee", ""))
    assert sources_and_names(models[:1]) == (("/a",), ())
    with pytest.raises(InputError, match=r"hub id of the model called bee\."):
        sources_and_names([OwnModel("", "bee")])


@pytest.mark.parametrize(
    ("message", "says"),
    [
        ("--batch-size must be a number.", "Batch size must be a number."),
        ("--chat must be auto.", "Chat template must be auto."),
        ("Give it a --name of its own.", "Give it a short name of its own."),
        ("--system-text is no option.", "System text is no option."),
    ],
)
def test_a_message_is_in_the_forms_words(message: str, says: str) -> None:
    assert in_form(message) == says
