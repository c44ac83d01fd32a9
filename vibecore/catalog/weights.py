"""From a model's source to local files that a worker can load without any network.

The hub is asked once, in the parent, before anything is written: a worker always loads from a
folder or a file, so download time never counts as load time and the revision is known. What the
files are is read here too, and whether they are whole, so that bad ones are refused before
anything is loaded.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from vibecore.catalog.architectures import ARCHITECTURES, ModelSpec, read_spec
from vibecore.catalog.chat import kind_of, knows_thinking_switch, read_template
from vibecore.catalog.checkpoint import refuse_adapter, require_complete, require_label
from vibecore.catalog.demo_models import MODELS_DIR as DEMO_MODELS_DIR
from vibecore.catalog.engines import engine_of, is_native, require_llama_cpp
from vibecore.catalog.gguf import read_gguf, require_dequantisable
from vibecore.catalog.identity import weights_sha256
from vibecore.catalog.made_gguf import gguf_of
from vibecore.catalog.models import Config, Model
from vibecore.catalog.precisions import AS_IS, PRECISIONS, require_here
from vibecore.core.errors import InputError
from vibecore.core.records import ASK_AUTO, Asking, Kind, LoadRequest
from vibecore.core.special_files import refuse_special_in

HUB_TIMEOUT_SECONDS = 8
# Weights come as safetensors only; a pickle could run code on loading.
SMALL_FILES = ("*.json", "*.jinja", "*.txt", "*.model")
WANTED_FILES = ("*.safetensors", *SMALL_FILES)
# What can be had in the place of a model that the hub does not give, where nothing is run.
GIVE_A_PATH = "Give the path of a folder or a GGUF file that you have in its place."
USE_WEIGHTS = "Name the folder that its weights are in with --weights PATH."


@dataclass(frozen=True)
class Resolved:
    """Where a config's weights are: a folder or GGUF file and its revision, or neither for dummy
    weights; and what they are: the model's `kind`, the identity of the files (`sha256`), how they
    are stored where that is not plain 16 bit, and the chat template, None for none. Of a GGUF file
    that was made of other files, `origin` is where those are, and all else is theirs too."""

    weights: str
    folder: Path | None
    revision: str | None
    kind: Kind | None = None
    sha256: str | None = None
    stored_as: str | None = None
    template: str | None = field(default=None, repr=False)
    origin: Path | None = None

    @property
    def source(self) -> Path | None:
        """Where the weights come from."""
        return self.origin or self.folder


def resolve(
    config: Config,
    weights: str,
    device: str | None = "auto",
    instead: str | None = None,
    *,
    revision: str | None = None,
) -> Resolved:
    """Find the weights of a config, for a worker on `device` (`auto`, `cpu` or `cuda`; None for
    another machine's, which sees for itself whether it can run it), those of a `revision` where
    they are the hub's.

    `weights` is `hub`, `dummy`, or the path of a folder.

    `hub` means where the config's own table says: the hub, a shipped or local folder, or a GGUF
    file. A path is a model folder, or holds one folder per model, named like the hub repository.
    Raises InputError, with what to do, where weights are missing, where the precision's package or
    hardware are, where the files are not whole, and where they cannot be run at the config's
    precision. `instead` says what to do where the hub does not give them; by default what `run` can
    do.
    """
    require_here(config.precision, device)
    _require_quantised(config)
    model = config.model
    if weights == "dummy":
        if _is_of_files(config):
            raise InputError(
                f"{config.id} cannot run on dummy weights: it needs files that are quantised so."
            )
        if model.spec is None:
            raise InputError(
                f"{config.id} cannot run on dummy weights: its architecture is not known. Known "
                f"are {', '.join(ARCHITECTURES)}, of a model in the catalogue or a local folder."
            )
        return Resolved("dummy", None, None, model.kind)
    if model.weights == "gguf":
        return _gguf_file(config)
    if weights != "hub" and model.weights != "local":
        return _folder(config, "local", _chosen_folder(config, Path(weights)), device)
    if model.weights == "demo":
        return _folder(config, "demo", DEMO_MODELS_DIR / Path(model.source).name, device)
    if model.weights == "local":
        return _folder(config, "local", Path(model.source), device)
    folder = hub_folder(model, revision, instead=instead or _instead(config))
    return _folder(config, "hub", folder, device, folder.name)


def _is_of_files(config: Config) -> bool:
    """Whether a config is what somebody's files hold, which random weights cannot be."""
    return config.precision.as_stored or is_native(config)


def _instead(config: Config) -> str:
    """What can be run where the hub does not give a config's model."""
    if config.model.spec is None:
        return (
            "Run a folder or a GGUF file that you have with --model PATH, or use --family demo, "
            "which needs no network."
        )
    dummy = "" if _is_of_files(config) else "--weights dummy (speed and memory only), with "
    return (
        f"Run it with {dummy}--weights PATH or --model PATH for a folder you have, or use --family "
        "demo, which needs no network."
    )


def local_place(config: Config, weights: str) -> Path | None:
    """The folder or GGUF file that `resolve` would read, whether or not it is there; None where
    only the hub can say, and for dummy weights."""
    model = config.model
    if weights == "dummy":
        return None
    if model.weights in ("local", "gguf"):
        return Path(model.source)
    if weights != "hub":
        return _named_folder(config, Path(weights).expanduser())
    return DEMO_MODELS_DIR / Path(model.source).name if model.weights == "demo" else None


def _require_quantised(config: Config) -> None:
    """Raise InputError where a precision would leave all of a model in 16 bit, and label it so."""
    size = config.estimated_weight_bytes
    if size is None or config.precision.as_stored or config.precision.method == "plain":
        return
    if size == replace(config, precision=PRECISIONS["bf16"]).estimated_weight_bytes:
        raise InputError(
            f"{config.id} would not be quantised: no layer's rows are a whole number of the "
            "precision's groups, and it would leave them all in 16 bit. Choose another precision."
        )


def load_request(
    config: Config, resolved: Resolved, device: str, engine: str, asking: Asking = ASK_AUTO
) -> LoadRequest:
    """What the worker is sent; where only one engine runs the config, that in place of `engine`."""
    spec = config.model.spec
    return LoadRequest(
        config_id=config.id,
        precision=config.precision.name,
        device=device,
        engine=engine_of(config, engine),
        folder=None if resolved.folder is None else str(resolved.folder),
        architecture=spec.raw if resolved.folder is None and spec else None,
        revision=resolved.revision,
        estimated_weight_bytes=config.weight_bytes(device),
        asking=asking_for(asking, resolved),
    )


def asking_for(asking: Asking, resolved: Resolved) -> Asking:
    """How a study's prompts are put to one of its models: `auto` puts them to a base model, and to
    random weights, as they stand, without system message; a switch for thinking is only for a
    template that has it."""
    if resolved.folder is None or (asking.chat == "auto" and resolved.kind == "base"):
        return Asking("off")
    if asking.chat == "auto" and not knows_thinking_switch(resolved.template):
        return replace(asking, thinking="auto")
    return asking


def _folder(
    config: Config, weights: str, folder: Path, device: str | None, revision: str | None = None
) -> Resolved:
    """A folder, checked, with what it holds."""
    check_folder(folder)
    stored = require_label(folder, config.precision, device)
    template = read_template(folder)
    found = Resolved(
        weights,
        folder,
        revision,
        config.model.kind or kind_of(template),
        weights_sha256(folder),
        stored,
        template,
    )
    return _quantised_by_llama_cpp(found, config)


def _gguf_file(config: Config) -> Resolved:
    """A GGUF file, checked, with what it holds."""
    path = Path(config.model.source)
    file = read_gguf(path)
    if config.precision.is_label:
        raise InputError(
            f"{path} is a GGUF file, and {config.precision.name} is for folders that are quantised "
            f"so. Run it as it is, --precision {AS_IS}, or at one such as bf16."
        )
    if is_native(config):
        require_llama_cpp()
    else:
        require_dequantisable(file)
    kind = config.model.kind or kind_of(file.template)
    identity = weights_sha256(path)
    found = Resolved("gguf", path, None, kind, identity, file.stored_as, file.template)
    return _quantised_by_llama_cpp(found, config)


def _quantised_by_llama_cpp(found: Resolved, config: Config) -> Resolved:
    """The GGUF file of the config's precision in the place of what it is made of; any other config
    as it is."""
    type_ = config.precision.gguf_type
    if type_ is None:
        return found
    assert found.folder is not None and found.sha256 is not None
    made = gguf_of(found.folder, type_, found.sha256)
    return found if made == found.folder else replace(found, folder=made, origin=found.folder)


def _chosen_folder(config: Config, path: Path) -> Path:
    path = path.expanduser()
    if not path.is_dir():
        raise InputError(
            f"--weights {path} is not a folder. Give a model folder, a folder that holds one "
            "folder per model, `hub` or `dummy`."
        )
    folder = _named_folder(config, path)
    refuse_special_in(folder)
    found, wanted = read_spec(folder), config.model.spec
    if folder.is_dir() and wanted and not (found and _same_shape(found, wanted)):
        raise InputError(
            f"{folder} does not hold {config.model.name}: its config.json gives another shape. "
            "Run it under its own name with --model PATH --precision …."
        )
    return folder


def _named_folder(config: Config, path: Path) -> Path:
    """The model folder that --weights names: itself, or one in it."""
    return path if (path / "config.json").is_file() else path / Path(config.model.source).name


def _same_shape(found: ModelSpec, wanted: ModelSpec) -> bool:
    """Whether two specs are of one architecture; a context is no shape, and an epsilon that went
    through 32 bits is the same."""
    same = math.isclose(found.norm_epsilon, wanted.norm_epsilon, rel_tol=1e-6)
    alike = replace(found, context=wanted.context, norm_epsilon=wanted.norm_epsilon)
    return same and alike == wanted


def check_folder(folder: Path) -> None:
    """Raise InputError where a folder does not hold a loadable model, without loading it."""
    refuse_special_in(folder)
    refuse_adapter(folder)
    if not (folder / "config.json").is_file():
        raise InputError(
            f"{folder} is not a model folder: it has no config.json. A model folder holds "
            "config.json, tokenizer.json and *.safetensors."
        )
    try:
        raw = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        raise InputError(f"{folder / 'config.json'} is not valid JSON.") from None
    if not isinstance(raw, dict):
        raise InputError(f"{folder / 'config.json'} does not hold a JSON object.")
    require_complete(folder)
    if not any((folder / name).is_file() for name in ("tokenizer.json", "tokenizer_config.json")):
        raise InputError(f"{folder} has no tokenizer: tokenizer.json is missing.")


def hub_folder(
    model: Model,
    revision: str | None = None,
    files: Sequence[str] = WANTED_FILES,
    instead: str = GIVE_A_PATH,
) -> Path:
    """The newest snapshot of a hub repository, or that of a `revision`, with those of its files
    that are wanted; the cached one when the hub cannot be reached. Raises InputError, which ends
    with what to do `instead`."""
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    repository = model.source
    how = model.access or "Accept its terms on its hub page and log in."
    try:
        # Asked first because its wait is bounded. The snapshot's folder is named by its commit,
        # and the ref it leaves is what finds it again without a network.
        HfApi().model_info(repository, revision=revision, timeout=HUB_TIMEOUT_SECONDS)
        return Path(snapshot_download(repository, revision=revision, allow_patterns=list(files)))
    except GatedRepoError:
        raise InputError(f"{repository} is gated. {how} {instead}") from None
    except RevisionNotFoundError:
        raise InputError(
            f"{repository} has no revision '{revision}'. Give a branch, tag or commit of it."
        ) from None
    except RepositoryNotFoundError:
        raise InputError(
            f"The hub has no model '{repository}', or it is private. Check the spelling "
            f"(ORGANISATION/NAME), or log in. {instead}"
        ) from None
    except HfHubHTTPError as error:
        reason = f"it answered {error.response.status_code}"
    except Exception as error:  # the hub's HTTP client has its own tree of network errors
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
    try:
        return Path(snapshot_download(repository, revision=revision, local_files_only=True))
    except LocalEntryNotFoundError:
        raise InputError(
            f"{repository} is not on this machine and the hub cannot be reached ({reason}). "
            f"{instead}"
        ) from None
