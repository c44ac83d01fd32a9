"""What a checkpoint is, before it is run: read from its small files and its weights' headers."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vibecore.catalog.architectures import ModelSpec, read_spec
from vibecore.catalog.chat import kind_of, knows_thinking_switch, read_template
from vibecore.catalog.checkpoint import (
    Faults,
    StoredTensor,
    find_faults,
    likely_cause,
    stored_as,
    stored_precision,
    stored_tensors,
)
from vibecore.catalog.demo_models import MODELS_DIR
from vibecore.catalog.engines import LLAMA_CPP, is_native, why_not_graph
from vibecore.catalog.gguf import GgufFile, read_gguf
from vibecore.catalog.identity import weights_sha256
from vibecore.catalog.made_gguf import why_not_made
from vibecore.catalog.memory import ONE_PROMPT, cache_bytes, needed_bytes
from vibecore.catalog.models import MODELS, Config, Model, own_models
from vibecore.catalog.precisions import (
    AS_IS,
    LLAMA_CPP_PACKAGE,
    PRECISIONS,
    Precision,
    require_here,
)
from vibecore.catalog.weights import SMALL_FILES, check_folder, hub_folder
from vibecore.core.errors import InputError, RunError
from vibecore.core.machine import free_bytes, gpu_name, likely_device
from vibecore.core.paths import given_path
from vibecore.core.records import Kind, LoadRequest
from vibecore.runtime.worker import Worker

if TYPE_CHECKING:
    from vibecore.engine.describe import Description, TokenizerFacts

GENERATION_FILE = "generation_config.json"
# Its fields that are no defaults of decoding: what wrote the file, what is given back beside the
# tokens, and tokens that are taken (the stop tokens) or are the tokenizer's.
NOT_DECODING = re.compile(
    r"_from_model_config|transformers_version|use_cache|output_\w+|return_dict_in_generate"
    r"|(eos|bos|pad)_token_id"
)
# safetensors' name of a number's type -> torch's.
STORED_TYPES = {"BF16": "bfloat16", "F16": "float16", "F32": "float32"}
# The end of a class's name in config.json's `architectures` -> what its head is for.
OTHER_HEADS = {
    "ForSequenceClassification": "a classifier of texts, or a reward model",
    "ForTokenClassification": "a classifier of tokens",
    "ForQuestionAnswering": "a finder of answers in a text",
    "ForMultipleChoice": "a chooser among answers",
    "ForMaskedLM": "a filler of gaps",
    "RewardModel": "a reward model",
}


@dataclass(frozen=True)
class StopToken:
    """A token that ends an answer, and what names it: files, the tokenizer, the template."""

    id: int
    text: str | None
    named_by: tuple[str, ...]


# Why llama.cpp does not run what is not a GGUF file as it is, and the others not what is.
NOT_NATIVE, NATIVE_ONLY = "no", "no: by llama.cpp"


@dataclass(frozen=True)
class Fit:
    """One precision of a checkpoint: sizes in bytes, None where they are not known, and why an
    engine cannot run it there, None where it can. `foreign`: the checkpoint is quantised in another
    way already. `bits_per_weight` is over the model, by the precision's definition."""

    precision: str
    weight_bytes: int | None
    memory_bytes: int | None
    eager: str | None
    graph: str | None
    foreign: bool = False
    bits_per_weight: float | None = None
    llama_cpp: str | None = NOT_NATIVE

    @property
    def runs(self) -> bool:
        """Whether any engine runs it."""
        return self.eager is None or self.llama_cpp is None


@dataclass
class Inspection:
    """What a checkpoint is; None is "not known".

    `parameters` is by its architecture, `stored_parameters` by the headers of its weight files.
    `stored_as` is how it is quantised already (`gptq 4 bit`, `gguf Q4_K_M`), `stored_types` counts
    its tensors by type. `thinking_switch`: whether its template turns reasoning on and off.
    `rendered_prompt` is a short prompt as the model reads it, which begins
    with `leading_bos` tokens `bos`. `ignored` are the fields of generation_config.json that have
    no effect here. `graph_problem` is why engine `graph` leaves it to `eager`.
    `cache_bytes` is the KV cache of `cache_tokens`. `problems` are the reasons why it cannot be
    run, `notes` what else somebody should know, each with what to do.
    """

    model: str
    weights: str
    source: str
    folder: str | None = None
    revision: str | None = None
    kind: Kind | None = None
    architecture: str | None = None
    architecture_class: str | None = None
    parameters: int | None = None
    stored_parameters: int | None = None
    stored_as: str | None = None
    stored_types: Mapping[str, int] = field(default_factory=dict)
    tensors: int | None = None
    stored_bytes: int | None = None
    complete: bool | None = None
    sha256: str | None = None
    context: int | None = None
    graph_problem: str | None = None
    chat_template: bool | None = None
    thinking_switch: bool = False
    rendered_prompt: str | None = None
    prompt_tokens: int | None = None
    bos: str | None = None
    leading_bos: int | None = None
    stop_tokens: tuple[StopToken, ...] = ()
    ignored: Mapping[str, Any] = field(default_factory=dict)
    cache_tokens: int = ONE_PROMPT.prompt_tokens + ONE_PROMPT.new_tokens
    cache_bytes: int | None = None
    device: str = "cpu"
    free_bytes: int | None = None
    precisions: tuple[Fit, ...] = ()
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def can_run(self) -> bool:
        """Whether it can be run at one precision at least."""
        return not self.problems and any(fit.runs for fit in self.precisions)

    def to_record(self) -> dict[str, Any]:
        """The inspection as it is printed."""
        return {"can_run": self.can_run, **vars(self)}


def inspect_model(source: str, revision: str | None = None) -> Inspection:
    """Say what a checkpoint is. `source` is a hub id, a model folder, a GGUF file or the name of
    a model in the catalogue; `revision` is a branch, tag or commit of a hub repository.

    What is wrong with a checkpoint is among its `problems`. Raises InputError for a source that
    is none of these, and for a revision of what has none.
    """
    path = given_path(source)
    model = None if path.exists() else MODELS.get(source)
    if path.is_file():
        found = Inspection(path.stem, "gguf", str(path.resolve()), str(path.resolve()))
        model = None
    else:
        model = model or own_models((source,))[0]
        found = Inspection(model.name, model.weights, model.source, kind=model.kind)
    if revision is not None and found.weights != "hub":
        raise InputError(f"--revision is for models of the hub, and {source} is none.")
    if model is None:
        _inspect_gguf(found)
    elif found.weights == "hub":
        _inspect_hub(found, model, revision)
    else:
        folder = MODELS_DIR / model.name if model.weights == "demo" else Path(model.source)
        _inspect_folder(found, model, folder)
    return found


def _inspect_gguf(found: Inspection) -> None:
    path = Path(found.source)
    try:
        file = read_gguf(path)
    except InputError as error:
        found.problems.append(str(error))
        return
    found.architecture = file.architecture
    found.kind = kind_of(file.template)
    found.stored_as, found.stored_types = file.stored_as, file.tensor_types
    found.stored_parameters, found.tensors = file.parameters, len(file.tensors)
    found.stored_bytes, found.chat_template = file.tensor_bytes, file.template is not None
    found.thinking_switch = knows_thinking_switch(file.template)
    found.sha256 = weights_sha256(path)
    # Its header is checked where the architecture is known.
    found.complete = True if file.spec else None
    found.notes += _gguf_notes(file)
    model = own_models((found.source,))[0]
    found.model = model.name
    _ask_worker(found)
    _size_up(found, model, file.spec)


def _gguf_notes(file: GgufFile) -> list[str]:
    notes = [
        f"At {AS_IS} engine {LLAMA_CPP} runs it as it is, under the label {AS_IS}: "
        f"{file.stored_as}. At another precision it is dequantised to 16 bit first, under a label "
        f"such as {file.stored_as} → bf16: not the publisher's bf16."
    ]
    if file.head_stored_apart:
        notes.append(
            "Embeddings and head are one matrix that the file holds twice: "
            f"{file.tie_source}, which has more bits, is used for both."
        )
    return notes


def _inspect_folder(found: Inspection, model: Model, folder: Path) -> None:
    found.folder = str(folder)
    try:
        check_folder(folder)
        found.sha256 = weights_sha256(folder)
    except InputError as error:
        found.problems.append(str(error))
    try:
        tensors = stored_tensors(folder)
    except InputError:
        # Among the problems already.
        tensors = {}
    _read_folder(found, model, folder, tensors)


def _inspect_hub(found: Inspection, model: Model, revision: str | None) -> None:
    """A model of the hub by its small files and its weights' headers; no weights are fetched."""
    try:
        folder = hub_folder(model, revision, SMALL_FILES)
    except InputError as error:
        found.problems.append(str(error))
        # What the catalogue says of it holds all the same.
        found.architecture = model.spec.model_type if model.spec else None
        _size_up(found, model, model.spec)
        return
    if any(folder.glob("*.safetensors")):
        _inspect_folder(found, model, folder)
    else:
        tensors = _hub_tensors(found, model.source, folder.name)
        if faults := _faults(folder, tensors):
            cause = likely_cause(faults.missing, faults.unexpected)
            found.problems.append(f"{model.source}: {faults}. {cause}")
        found.folder = str(folder)
        _read_folder(found, model, folder, tensors)
    found.revision = folder.name


def _hub_tensors(found: Inspection, repository: str, revision: str) -> Mapping[str, StoredTensor]:
    """The tensors of a repository's weight files, by their headers alone."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import NotASafetensorsRepoError

    try:
        files = HfApi().get_safetensors_metadata(repository, revision=revision).files_metadata
    except NotASafetensorsRepoError:
        found.problems.append(
            f"{repository} has no model.safetensors. Other weight formats can run code on loading "
            "and are never read; choose a repository with safetensors."
        )
        return {}
    # The hub's HTTP client has its own tree of network errors.
    except Exception as error:
        found.notes.append(
            "The weights are not on this machine, and their headers could not be read "
            f"({type(error).__name__})."
        )
        return {}
    found.notes.append("The weights are not on this machine: a run downloads them.")
    return {
        name: StoredTensor(info.dtype, tuple(info.shape), *info.data_offsets)
        for file in files.values()
        for name, info in file.tensors.items()
    }


def _faults(folder: Path, tensors: Mapping[str, StoredTensor]) -> Faults | None:
    """What of a folder's tensors is not as its config.json has it; None where that is not
    compared: its architecture is not known, or it is quantised."""
    spec = read_spec(folder)
    if spec is None or not tensors or stored_as(folder):
        return None
    return find_faults(tensors, spec)


def _read_folder(
    found: Inspection, model: Model, folder: Path, tensors: Mapping[str, StoredTensor]
) -> None:
    """Fill in what a model folder's files say."""
    raw = _json(folder / "config.json")
    classes = raw.get("architectures")
    found.architecture = raw.get("model_type")
    found.architecture_class = classes[0] if isinstance(classes, list) and classes else None
    found.stored_as = stored_as(folder)
    _check_format(found, folder)
    faults = _faults(folder, tensors)
    found.complete = None if faults is None else not faults
    _count(found, tensors)
    if not raw:
        return
    # The tensors may have told already.
    told = any("classifier" in problem for problem in found.problems)
    if (head := _other_head(found.architecture_class)) and not told:
        found.problems.append(
            f"{folder / 'config.json'} says {found.architecture_class}: {head}, which writes no "
            "text. Run the language model that it was made from."
        )
    template = None
    try:
        template = read_template(folder)
        found.kind = found.kind or kind_of(template)
    except InputError as error:
        found.problems.append(str(error))
    found.chat_template = template is not None
    found.thinking_switch = knows_thinking_switch(template)
    generation = _json(folder / GENERATION_FILE)
    found.ignored = {
        name: value
        for name, value in generation.items()
        if not NOT_DECODING.fullmatch(name) and value is not None and value is not False
    }
    _ask_worker(found)
    _size_up(found, model, read_spec(folder))


def _check_format(found: Inspection, folder: Path) -> None:
    """Among the problems, with what to do: how the folder is quantised already cannot be read, or
    does not run on this machine."""
    try:
        if own := stored_precision(folder):
            require_here(own, "auto")
    except InputError as error:
        found.problems.append(str(error))


def _count(found: Inspection, tensors: Mapping[str, StoredTensor]) -> None:
    if not tensors:
        return
    found.tensors = len(tensors)
    found.stored_bytes = sum(tensor.end - tensor.start for tensor in tensors.values())
    types = Counter(STORED_TYPES.get(t.dtype, t.dtype) for t in tensors.values())
    found.stored_types = dict(types.most_common())
    # Quantised numbers are packed several in one.
    if found.stored_as is None:
        found.stored_parameters = sum(math.prod(tensor.shape) for tensor in tensors.values())


def _other_head(name: Any) -> str | None:
    # Whatever config.json holds there.
    named = name if isinstance(name, str) else ""
    ends = (words for end, words in OTHER_HEADS.items() if named.endswith(end))
    return next(ends, None)


def _ask_worker(found: Inspection) -> None:
    """What transformers and engine `graph` say of the files, in a process of its own."""
    request = LoadRequest(found.model, "bf16", "cpu", folder=found.folder)
    try:
        with Worker() as worker:
            worker.wait_ready()
            said: Description = worker.call("describe.describe", request)
    except RunError as error:
        found.problems.append(str(error))
        return
    found.graph_problem = said.graph_problem
    if said.quantiser_problem and not found.problems:
        found.problems.append(
            f"{found.folder} is quantised ({found.stored_as}), and its quantiser does not load "
            f"here: {said.quantiser_problem}. Install what it names, or run the original at a "
            "precision such as 4bit."
        )
    if said.model_problem:
        found.problems.append(
            f"transformers builds no language model of {found.folder}: {said.model_problem}"
        )
    if said.tokenizer_problem and not any("tokenizer" in problem for problem in found.problems):
        advice = "Copy tokenizer.json and tokenizer_config.json from the original."
        if found.weights == "gguf":
            advice = "Give the folder of the original in safetensors."
        found.problems.append(
            f"{found.folder} has no tokenizer that can be loaded ({said.tokenizer_problem}). "
            + advice
        )
    if said.tokenizer:
        _read_tokenizer(found, said.tokenizer)


def _read_tokenizer(found: Inspection, facts: TokenizerFacts) -> None:
    # A tokenizer that was made of nothing has no tokens for any text.
    if facts.prompt_tokens:
        found.rendered_prompt, found.prompt_tokens = facts.rendered, facts.prompt_tokens
    found.bos, found.leading_bos = facts.bos, facts.leading_bos
    found.problems += facts.problems
    found.stop_tokens = tuple(
        StopToken(id_, text, names) for id_, (text, names) in facts.stop_tokens.items()
    )
    if not found.stop_tokens:
        found.notes.append("No file names a stop token: every answer is cut at the limit.")


def _size_up(found: Inspection, model: Model, spec: ModelSpec | None) -> None:
    """Sizes, and what can run it at which precision."""
    found.device = likely_device("auto")
    found.free_bytes = free_bytes(found.device)
    if spec is not None:
        found.parameters, found.context = spec.parameters, spec.context
        found.cache_bytes = cache_bytes(spec, found.cache_tokens)
    folder = Path(found.folder) if found.folder else None
    quantised = found.stored_as is not None and found.weights != "gguf"
    if model.spec is None and folder is not None and folder.is_dir():
        # What its files say of a model whose source is not where they are.
        model = replace(model, source=str(folder), weights="local", spec=spec)
    own = _label(found, folder) if found.stored_as is not None else None
    fits, gpu = [], gpu_name(found.device)
    for precision in PRECISIONS.values():
        if precision.as_stored and precision is not own:
            continue
        config = Config(model, precision)
        native = is_native(config)
        refused = _refusal(found, config, quantised)
        foreign = quantised and not precision.as_stored
        as_loaded = config.weight_bytes(found.device)
        stored = found.stored_bytes if precision.as_stored and not precision.unpacked else as_loaded
        needed = needed_bytes(config, found.device, weights=found.weights, gpu=gpu)
        known = None if foreign else stored
        fits.append(
            Fit(
                precision.name,
                known,
                None if foreign else needed,
                NATIVE_ONLY if native else refused,
                NATIVE_ONLY
                if native
                else refused or found.graph_problem or why_not_graph(precision),
                foreign,
                _bits(found, config, known),
                refused if native else NOT_NATIVE,
            )
        )
    found.precisions = tuple(fits)


def _bits(found: Inspection, config: Config, stored: int | None) -> float | None:
    """Bits per weight over the model; of a GGUF file as it is per number that it holds."""
    if found.weights == "gguf" and config.precision.as_stored:
        return read_gguf(Path(found.source)).bits_per_weight.model
    return 8 * stored / found.parameters if stored and found.parameters else None


def _label(found: Inspection, folder: Path | None) -> Precision:
    """What a folder that is quantised already runs as; `as-is` for a GGUF file, and where its
    config.json is damaged, which is among the problems."""
    try:
        own = stored_precision(folder) if folder and found.weights != "gguf" else None
    except InputError:
        own = None
    return own or PRECISIONS[AS_IS]


def _refusal(found: Inspection, config: Config, quantised: bool) -> str | None:
    """Why no engine runs a config of a checkpoint, in a few words; None where one does."""
    precision = config.precision
    if quantised and not precision.as_stored:
        return f"quantised already ({found.stored_as})"
    if found.problems:
        return found.problems[0]
    if is_native(config):
        package = LLAMA_CPP_PACKAGE
        if not package.is_met:
            return f"needs {package.package}: {package.install}"
        return None if precision.as_stored else _why_not_made(found, precision)
    if found.weights == "gguf" and not read_gguf(Path(found.source)).is_dequantisable:
        return "its types cannot be dequantised"
    return precision.why_not_here(found.device)


def _why_not_made(found: Inspection, precision: Precision) -> str | None:
    """Why no GGUF file of a precision can be made of a checkpoint; None where it can, or is it."""
    source = Path(found.folder or found.source)
    if found.weights == "gguf":
        file = read_gguf(source)
        if file.file_type == precision.name:
            return None
        if not file.is_unquantised:
            return f"quantised already ({file.file_type})"
    return why_not_made(source)


def _json(file: Path) -> Mapping[str, Any]:
    """A JSON object; an empty one where the file is absent or holds none."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
