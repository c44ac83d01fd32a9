"""Was everything loaded? Every weight of a model from its files, every tensor of them into it.

transformers fills what is missing with random numbers and leaves out what it does not expect, and
says so in a warning. Here either is an error, for every architecture and quantiser: the check is of
what was really loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast
from unittest.mock import patch

from torch import nn
from transformers import PreTrainedModel

from vibecore.catalog.checkpoint import Faults, likely_cause
from vibecore.core.errors import RunError


def load_whole(
    from_pretrained: Callable[..., Any],
    source: Path | str | None,
    *,
    named: str,
    described_by: str = "config.json",
    **options: Any,
) -> PreTrainedModel:
    """What `from_pretrained` makes of a source, with these options.

    Raises RunError, with names, number, likely cause and what to do, where it is not whole; in it
    the source is `named` so, and what says which weights there must be is `described_by`.
    """
    with _seen_before_filling() as seen:
        try:
            model, loading = from_pretrained(
                source,
                **options,
                # Else transformers raises an error that names no tensor.
                ignore_mismatched_sizes=True,
                output_loading_info=True,
            )
        except RuntimeError:
            # A quantised weight that is missing cannot be filled with random numbers.
            for part, info in seen:
                _require_complete(part, info, named, described_by)
            raise
    _require_complete(model, loading, named, described_by)
    _require_tied(model, named)
    return cast(PreTrainedModel, model)


@contextmanager
def _seen_before_filling() -> Iterator[list[tuple[PreTrainedModel, dict[str, Any]]]]:
    """What was found of a model's weights, before transformers fills what is missing; a weight
    that is tied to another one does not count. Raises RuntimeError, in the words of the cause,
    where a quantiser failed: to transformers what it failed on is missing, and the cause a
    traceback in its log."""
    seen: list[tuple[PreTrainedModel, dict[str, Any]]] = []
    finalise: Any = PreTrainedModel._finalize_model_loading

    def look_first(model: Any, load_config: Any, info: Any) -> Any:
        if info.conversion_errors:
            raise RuntimeError(_why_not_converted(info.conversion_errors))
        tied = model.all_tied_weights_keys
        kept = info.to_dict()
        kept["missing_keys"] = set(kept["missing_keys"]) - {*tied, *tied.values()}
        seen.append((model, kept))
        return finalise(model, load_config, info)

    with patch.object(PreTrainedModel, "_finalize_model_loading", staticmethod(look_first)):
        yield seen


def _why_not_converted(errors: Mapping[str, str]) -> str:
    """Why a quantiser failed, by the tensors it failed on and transformers' account of each: the
    traceback, the error's own words, and a line of where."""
    name, account = next(iter(errors.items()))
    words = account.rpartition("\nError")[0] or account
    return f"{name} cannot be quantised: {words.splitlines()[-1].strip()}"


def _require_complete(
    model: PreTrainedModel, loading: Mapping[str, Any], source: str, described_by: str
) -> None:
    missing = tuple(sorted(loading["missing_keys"]))
    unexpected = tuple(sorted(loading["unexpected_keys"]))
    misshaped = tuple(
        f"{name} is {list(found)}, wanted {list(wanted)}"
        for name, found, wanted in sorted({*loading["mismatched_keys"], *_misshaped(model)})
    )
    faults = Faults(missing, unexpected, misshaped)
    if faults:
        raise RunError(
            f"{source} does not hold the weights that its {described_by} describes; {faults}. "
            f"{likely_cause(missing, unexpected)}"
        )


def _misshaped(model: PreTrainedModel) -> Iterator[tuple[str, tuple[int, ...], tuple[int, ...]]]:
    """Linear layers whose weight is of another shape: (name, as found, as wanted). transformers
    compares no weight that it quantises."""
    for name, module in model.named_modules():
        weight: Any = getattr(module, "weight", None)
        # Some formats have other tensors in its place.
        if not isinstance(module, nn.Linear) or weight is None:
            continue
        state = getattr(weight, "quant_state", None)
        found = tuple(weight.shape if state is None else state.shape)
        wanted = (module.out_features, module.in_features)
        # In two dimensions: some formats pack a weight into one.
        if len(found) == len(wanted) and found != wanted:
            yield f"{name}.weight", found, wanted


def _require_tied(model: PreTrainedModel, source: str) -> None:
    if untied := _not_tied(model):
        raise RunError(
            f"{source} holds {untied[0]} with other values than the embeddings, which config.json "
            'says it is one with ("tie_word_embeddings": true). Set it to false where the model '
            "has a head of its own; else take files and config.json from one source."
        )


def _not_tied(model: PreTrainedModel) -> list[str]:
    """Weights that the architecture ties and transformers has not tied: the file has both, and
    they differ."""
    wanted = model.get_expanded_tied_weights_keys(all_submodels=True)
    return sorted(set(wanted) - set(model.all_tied_weights_keys))
