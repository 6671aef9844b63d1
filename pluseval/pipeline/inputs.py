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
from pluseval.data.rivm import RivmPanel, is_rivm, load_rivm
from pluseval.data.study import Study
from pluseval.data.vektis import VektisPanel, is_vektis, load_vektis
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


class Opened:
    """A data folder that is loaded at most once, and not at all where its bytes are known.

    Parameters
    ----------
    path : Path
        A study folder, or a folder with Vektis downloads.
    memo : Path
        Folder in which what the folder holds is kept under the hash of its files' bytes, so that unchanged
        files are not loaded again to be recognised.

    Raises
    ------
    NotFoundError
        If there is no such folder.
    """

    def __init__(self, path: Path, *, memo: Path) -> None:
        self.path = Path(path)
        if not self.path.is_dir():
            raise NotFoundError(
                f"there is no data folder {self.path.name!r}; give the folder of a study or of downloads"
            )
        self._loaded: Study | tuple[VektisPanel, RivmPanel | None] | None = None
        self._memo = Path(memo)
        self._key = _bytes_hash(self.path)
        known = _read_memo(self._memo).get(self._key)
        self.inputs = Inputs(**known) if known is not None else self._identify()

    @property
    def loaded(self) -> Study | tuple[VektisPanel, RivmPanel | None]:
        """The study, or the municipal panel with perceived health where the folder has it."""
        if self._loaded is None:
            if is_vektis(self.path):
                health = load_rivm(self.path) if is_rivm(self.path) else None
                self._loaded = load_vektis(self.path), health
            else:
                self._loaded = load_study(self.path)
        return self._loaded

    def remember(self) -> None:
        """Keep what the folder holds; called when a run is written: a refused one leaves nothing."""
        known = _read_memo(self._memo)
        if self._key in known:
            return
        known[self._key] = asdict(self.inputs)
        text = json.dumps(known, sort_keys=True, indent=1)
        write_atomically(self._memo / MEMO, lambda file: file.write_text(text, encoding="utf-8"))

    def _identify(self) -> Inputs:
        data = self.loaded
        if isinstance(data, Study):
            return Inputs("study", data.source.name, data.source.kind, {"study": data.content_hash})
        panel, health = data
        hashes = {"vektis": panel.content_hash}
        if health is not None:
            hashes["rivm"] = health.content_hash
        return Inputs("municipal", panel.source.name, "public", hashes)


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
