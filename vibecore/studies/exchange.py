"""Studies between machines: a study as Parquet files, and such files joined to a study here.

export_parquet(db, "night-1", Path("night-1"))
import_parquet(db, Path("night-1"))            # on another machine, from a copy of the folder
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from vibecore import store
from vibecore.core.errors import InputError
from vibecore.runtime import study_use
from vibecore.studies.digests import digest_study
from vibecore.studies.names import study_name


def export_parquet(db: Path, study: str, folder: Path) -> list[Path]:
    """Write a study into a folder that is not there, or is empty: whole, or not at all.

    Returns the files. Raises InputError for an unknown study and a folder that cannot be made.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} is there already. Choose another --out, or delete it.")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            with store.reading(db) as connection:
                files = list(store.write_parquet(connection, study, made))
            made.chmod(0o755)
            made.replace(folder)
        except BaseException:
            shutil.rmtree(made, ignore_errors=True)
            raise
    except OSError as error:
        raise InputError(
            f"{folder} cannot be written: {error.strerror or error}. Choose another --out."
        ) from None
    return [folder / file.name for file in files]


def is_parquet_export(folder: Path) -> bool:
    """Whether a path is a folder that `export_parquet` wrote."""
    return (folder / store.CONTENTS).is_file()


def import_parquet(
    db: Path, folder: Path, study: str | None = None
) -> tuple[str, store.Joined | None]:
    """Bring an export into a database, as a new study, or into the study of its name (`study`, by
    default its own). Returns the name, and what was joined where the study was there.

    Raises InputError, with nothing written, for an export that is damaged or not whole, and where
    the two are not of one suite and protocol.
    """
    store.check_writable(db)
    # Beside the database: a system's folder for such files may be small.
    with tempfile.TemporaryDirectory(prefix=".import-", dir=db.parent) as temporary:
        staged = Path(temporary) / "staged.duckdb"
        given = store.read_parquet(folder, staged)
        name = study_name(study if study is not None else given)
        if name != given:
            with store.writing(staged) as connection:
                store.rename_study(connection, given, name)
        store.prepare(db)
        with study_use.changing(db, name):
            with store.reading(db) as connection:
                there = store.study_exists(connection, name)
            joined = store.join_study(staged, db, name) if there else None
            if joined is None:
                store.copy_studies(staged, db, (name,))
            with store.writing(db) as connection:
                digest_study(connection, name)
            return name, joined
