"""What `inspect` found, in words."""

from __future__ import annotations

from vibecore.core.machine import GIB
from vibecore.studies.inspect import Fit, Inspection, StopToken
from vibecore.views.inspection import fit_heading, fit_rows, inspection_rows, verdict


def inspected(**fields: object) -> Inspection:
    found = Inspection("mine", "local", "/models/my model")
    for name, value in fields.items():
        setattr(found, name, value)
    return found


def rows_of(found: Inspection) -> dict[str, tuple[str, str]]:
    return {row["what"]: (row["state"], row["detail"]) for row in inspection_rows(found)}


def test_both_counts_of_parameters_are_given_where_they_differ() -> None:
    same = inspected(parameters=1_000, stored_parameters=1_000)
    assert rows_of(same)["parameters"] == ("ok", "1,000")
    other = inspected(parameters=1_000, stored_parameters=900)
    assert rows_of(other)["parameters"][1] == "1,000 by its architecture, 900 in the files"


def test_ignored_defaults_stop_tokens_and_bos_are_spelled_out() -> None:
    rows = rows_of(
        inspected(
            ignored={"repetition_penalty": 1.1, "bad_words_ids": [[3]]},
            stop_tokens=(
                StopToken(2, "\n<end>", ("config.json", "tokenizer")),
                StopToken(9_999, None, ("generation_config.json",)),
            ),
            rendered_prompt="<s><s>Hi",
            bos="<s>",
            leading_bos=2,
        )
    )
    assert rows["ignored"][0] == "note"
    assert rows["ignored"][1].startswith("repetition_penalty 1.1, bad_words_ids [[3]] (defaults of")
    assert rows["stop tokens"][1] == (
        "2 \\n<end> (config.json, tokenizer); 9999 not in the vocabulary (generation_config.json)"
    )
    assert rows["BOS"] == ("problem", "2 times before the prompt: <s>")


def test_what_fits_is_said_of_each_precision() -> None:
    fits = (
        Fit("bf16", 2 * GIB, 3 * GIB, None, None),
        Fit("8bit", GIB, 2 * GIB, None, None),
        Fit("int8-torchao", GIB, 2 * GIB, "needs torchao: pip install", "needs torchao"),
    )
    found = inspected(precisions=fits, device="cuda", free_bytes=5 * GIB // 2)
    rows = {row["precision"]: row for row in fit_rows(found)}
    assert rows["bf16"]["needs"] == "3.00 GiB (not free)"
    assert rows["bf16"]["graph"] == "yes"
    assert rows["8bit"]["graph"] == "yes"
    assert (rows["int8-torchao"]["eager"], rows["int8-torchao"]["graph"]) == (
        "needs torchao: pip install",
        "no",
    )
    assert fit_heading(found).endswith("(2.50 GiB free on the GPU)")
    assert verdict(found) == (
        "It can be run: python -m vibecore run --model '/models/my model' --precision bf16"
    )


def test_a_quantised_folder_runs_as_it_is_alone() -> None:
    fits = (
        Fit("bf16", None, None, "quantised already (gptq 4 bit)", "", foreign=True),
        Fit("as-is", GIB, GIB, None, None),
    )
    found = inspected(precisions=fits, stored_as="gptq 4 bit")
    assert rows_of(found)["runs as"] == ("note", "as-is alone; refused are bf16")
    assert [row["precision"] for row in fit_rows(found)] == ["as-is"]
    assert verdict(found).endswith("--precision as-is")
    found.problems.append("No head.")
    assert rows_of(found)["problem"] == ("problem", "No head.")
    assert list(fit_rows(found)[0]) == ["precision", "weights", "bits", "needs"]
    assert verdict(found) == "It cannot be run as it is."
