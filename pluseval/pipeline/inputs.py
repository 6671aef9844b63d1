"""What a path holds, and the hash of its content; remembered by the hash of its bytes."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from pluseval.data.load import load_study
from pluseval.data.rivm import is_rivm, load_rivm
from pluseval.data.vektis import is_vektis, load_vektis
from pluseval.errors import NotFoundError
from pluseval.pipeline.assets import locate

MEMO = ".inputs.json"
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Inputs:
    """What one path holds.

    ``hashes`` names each input and the hash of its content, free of row order and file format.
    """

    what: Literal["study", "municipal"]
    study: str
    kind: str
    hashes: dict[str, str]


def identify(path: Path, *, memo: Path | None = None) -> Inputs:
    """Say what a path holds.

    Parameters
    ----------
    path : Path
        A study folder, or a folder with Vektis downloads.
    memo : Path, optional
        Folder in which the answer is kept under the hash of the files' bytes, so that unchanged files are
        not loaded again to be recognised.

    Raises
    ------
    NotFoundError
        If there is no such folder.
    """
    path = Path(path)
    if not path.is_dir():
        raise NotFoundError(f"there is no data folder {path.name!r}; give the folder of a study or of downloads")
    if memo is None:
        return _identify(path)
    key = _bytes_hash(path)
    known = _read_memo(memo)
    if key not in known:
        known[key] = asdict(_identify(path))
        write_atomically(memo / MEMO, lambda file: file.write_text(json.dumps(known, sort_keys=True, indent=1)))
    return Inputs(**known[key])


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file beside its place and move it there, so that it is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        write(part)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def embedded_study() -> Path:
    """The synthetic study that comes with pluseval."""
    return locate("synthetic_data")


def _identify(path: Path) -> Inputs:
    if is_vektis(path):
        panel = load_vektis(path)
        hashes = {"vektis": panel.content_hash}
        if is_rivm(path):
            hashes["rivm"] = load_rivm(path).content_hash
        return Inputs("municipal", panel.source.name, "public", hashes)
    study = load_study(path)
    return Inputs("study", study.source.name, study.source.kind, {"study": study.content_hash})


def _bytes_hash(path: Path) -> str:
    """SHA-256 of every file of the folder and of the code that reads them."""
    digest = hashlib.sha256()
    readers = Path(__file__).resolve().parent.parent / "data"
    for root in (path, readers):
        for file in sorted(f for f in root.rglob("*") if f.is_file() and "__pycache__" not in f.parts):
            digest.update(f"{file.relative_to(root).as_posix()}\0{file.stat().st_size}\0".encode())
            with file.open("rb") as stream:
                while chunk := stream.read(_CHUNK):
                    digest.update(chunk)
    return digest.hexdigest()


def _read_memo(memo: Path) -> dict[str, dict]:
    try:
        return json.loads((memo / MEMO).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
