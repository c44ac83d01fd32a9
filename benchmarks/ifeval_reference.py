"""IFEval's reference checkers (lm-eval's), made to run without a network and repeatably.

What is done to the reference, and nothing else: its packages that import datasets and models
are not imported; langdetect gets the seed that ours has; and where nltk's Punkt model is not
installed, our own English table is written out in the model's form, so that the reference's
splitter and ours work from the same table.
"""

from __future__ import annotations

import contextlib
import io
import logging
import sys
import tempfile
import types
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from vibecore.scoring.ifeval import words
from vibecore.scoring.text import detection


@cache
def reference() -> Any:
    """The module `lm_eval.tasks.ifeval.utils`. Raises ImportError where lm-eval is missing."""
    import langdetect
    import nltk
    from nltk.tokenize import punkt

    langdetect.DetectorFactory.seed = detection.SEED
    if not words.sentence_tokenizer()[1]:
        folder = Path(tempfile.mkdtemp(prefix="punkt-"))
        model = folder / "tokenizers" / "punkt_tab" / "english"
        model.parent.mkdir(parents=True)
        nltk.data.path.insert(0, str(folder))
        punkt.save_punkt_params(words.own_parameters(), str(model))
    if "lm_eval.tasks" not in sys.modules:
        package = types.ModuleType("lm_eval.tasks")
        spec = find_spec("lm_eval")
        if spec is None or not spec.submodule_search_locations:
            raise ImportError("lm-eval is not installed: pip install -r requirements-dev.txt")
        package.__path__ = [f"{spec.submodule_search_locations[0]}/tasks"]
        sys.modules["lm_eval.tasks"] = package
    with contextlib.redirect_stdout(io.StringIO()):
        from lm_eval.tasks.ifeval import utils
    logging.getLogger("lm_eval.tasks.ifeval.instructions").setLevel(logging.CRITICAL)
    return utils


def reference_verdicts(
    instruction_id: str, kwargs: dict[str, Any], text: str
) -> tuple[bool, bool] | str:
    """The reference's (strict, loose) verdicts, or the name of what it raises."""
    utils = reference()
    example = utils.InputExample(0, [instruction_id], "prompt", [kwargs])
    try:
        strict = utils.test_instruction_following_strict(example, text)
        loose = utils.test_instruction_following_loose(example, text)
    except Exception as error:
        return type(error).__name__
    return strict.follow_all_instructions, loose.follow_all_instructions
