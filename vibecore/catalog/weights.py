"""From a model's source to a local folder that a worker can load without any network.

The hub is asked once, in the parent, before anything is written: a worker always loads from a
folder, so download time never counts as load time and the revision is known.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from vibecore.catalog.architectures import ARCHITECTURES, read_spec
from vibecore.catalog.demo_models import MODELS_DIR as DEMO_MODELS_DIR
from vibecore.catalog.models import Config
from vibecore.catalog.precisions import require_package
from vibecore.core.errors import InputError
from vibecore.core.records import ASK_AUTO, Asking, Kind, LoadRequest

HUB_TIMEOUT_SECONDS = 8
# Weights come as safetensors only; a pickle could run code on loading.
WANTED_FILES = ("*.safetensors", "*.json", "*.txt", "*.model")
WHAT_TO_DO = (
    "Run it with --weights dummy (speed and memory only), with --weights PATH or --model PATH "
    "for a folder you have, or use --family demo, which needs no network."
)


@dataclass(frozen=True)
class Resolved:
    """Where a config's weights are: a folder or GGUF file and its revision, or neither for dummy
    weights; and what they are: the model's `kind`, the identity of the files (`sha256`), and how
    they are stored where that is not plain 16 bit."""

    weights: str
    folder: Path | None
    revision: str | None
    kind: Kind | None = None
    sha256: str | None = None
    stored_as: str | None = None


def resolve(config: Config, weights: str) -> Resolved:
    """Find the weights of a config. `weights` is `hub`, `dummy`, or the path of a folder.

    `hub` means where the config's own table says: the hub, or a shipped or local folder. A path
    is a model folder, or holds one folder per model, named like the hub repository.
    Raises InputError, with what to do, where weights or the precision's package are missing.
    """
    require_package(config.precision)
    if weights == "dummy":
        if config.model.spec is None:
            raise InputError(
                f"{config.id} cannot run on dummy weights: its architecture is not known. Known "
                f"are {', '.join(ARCHITECTURES)}, of a model in the catalogue or a local folder."
            )
        return Resolved("dummy", None, None)
    if weights != "hub":
        return Resolved("local", _model_folder(_chosen_folder(config, Path(weights))), None)
    if config.model.weights == "demo":
        return Resolved("demo", _model_folder(DEMO_MODELS_DIR / config.model.name), None)
    if config.model.weights == "local":
        return Resolved("local", _model_folder(Path(config.model.source)), None)
    folder = _hub_folder(config.model.source)
    return Resolved("hub", _model_folder(folder), folder.name)


def load_request(
    config: Config, resolved: Resolved, device: str, engine: str, asking: Asking = ASK_AUTO
) -> LoadRequest:
    """What the worker is sent."""
    spec = config.model.spec
    return LoadRequest(
        config_id=config.id,
        precision=config.precision.name,
        device=device,
        engine=engine,
        folder=None if resolved.folder is None else str(resolved.folder),
        architecture=spec.raw if resolved.folder is None and spec else None,
        revision=resolved.revision,
        estimated_weight_bytes=config.estimated_weight_bytes,
        asking=asking,
    )


def _chosen_folder(config: Config, path: Path) -> Path:
    path = path.expanduser()
    if not path.is_dir():
        raise InputError(
            f"--weights {path} is not a folder. Give a model folder, a folder that holds one "
            "folder per model, `hub` or `dummy`."
        )
    folder = path if (path / "config.json").is_file() else path / Path(config.model.source).name
    found, wanted = read_spec(folder), config.model.spec
    if folder.is_dir() and wanted and found != wanted:
        raise InputError(
            f"{folder} does not hold {config.model.name}: its config.json gives another shape. "
            "Run it under its own name with --model PATH --precision …."
        )
    return folder


def _model_folder(folder: Path) -> Path:
    """Check that a folder holds a loadable model, without loading it."""
    if not (folder / "config.json").is_file():
        raise InputError(
            f"{folder} is not a model folder: it has no config.json. A model folder holds "
            "config.json, tokenizer.json and *.safetensors."
        )
    try:
        json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except ValueError:
        raise InputError(f"{folder / 'config.json'} is not valid JSON.") from None
    if not any(folder.glob("*.safetensors")):
        raise InputError(
            f"{folder} has no *.safetensors. Other weight formats can run code on loading and "
            "are never read; convert them with save_pretrained(safe_serialization=True)."
        )
    if not any((folder / name).is_file() for name in ("tokenizer.json", "tokenizer_config.json")):
        raise InputError(f"{folder} has no tokenizer: tokenizer.json is missing.")
    return folder


def _hub_folder(repository: str) -> Path:
    """The newest snapshot of a hub repository; the cached one when the hub cannot be reached."""
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
    )

    try:
        # Asked first because its wait is bounded. The snapshot's folder is named by its commit,
        # and the ref it leaves is what finds it again without a network.
        HfApi().model_info(repository, timeout=HUB_TIMEOUT_SECONDS)
        return Path(snapshot_download(repository, allow_patterns=list(WANTED_FILES)))
    except GatedRepoError:
        raise InputError(
            f"{repository} is gated. Accept its terms on its hub page and log in. {WHAT_TO_DO}"
        ) from None
    except RepositoryNotFoundError:
        raise InputError(
            f"The hub has no model '{repository}', or it is private. Check the spelling "
            f"(ORGANISATION/NAME), or log in. {WHAT_TO_DO}"
        ) from None
    except HfHubHTTPError as error:
        reason = f"it answered {error.response.status_code}"
    except Exception as error:  # the hub's HTTP client has its own tree of network errors
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
    try:
        return Path(snapshot_download(repository, local_files_only=True))
    except LocalEntryNotFoundError:
        raise InputError(
            f"{repository} is not on this machine and the hub cannot be reached ({reason}). "
            f"{WHAT_TO_DO}"
        ) from None
