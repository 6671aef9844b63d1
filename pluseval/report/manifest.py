"""What made a result: hashes of data, plan, code, outputs; versions, seeds; no clock, path, user or host."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pluseval.errors import DesignError, NotFoundError

SCHEMA = 1
# What a number can depend on: the libraries that compute or draw. Those absent are left out.
LIBRARIES = (
    "diff-diff",
    "duckdb",
    "great-tables",
    "ibis-framework",
    "lifelines",
    "linearmodels",
    "matplotlib",
    "numpy",
    "pandas",
    "pluseval",
    "pyfixest",
    "scipy",
    "seaborn",
    "statsmodels",
)


def hash_bytes(content: bytes) -> str:
    """SHA-256 of bytes, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def hash_json(value: Any) -> str:
    """SHA-256 of a plain value, whatever the order of its keys.

    Examples
    --------
    >>> hash_json({"a": 1, "b": 2}) == hash_json({"b": 2, "a": 1})
    True
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=str)
    return hash_bytes(text.encode())


def hash_code(folders: Mapping[str, Path] | None = None) -> dict[str, str]:
    """The hash of every Python file below the named folders, by relative name.

    Parameters
    ----------
    folders : mapping of str to Path, optional
        Name under which a folder's files are listed ("analyses") and where it is; ``pluseval`` is always
        among them. The places themselves are not recorded.

    Raises
    ------
    NotFoundError
        If a named folder is not there.
    """
    places = {"pluseval": Path(__file__).resolve().parents[1], **(folders or {})}
    found = {}
    for name, folder in places.items():
        if not Path(folder).is_dir():
            raise NotFoundError(f"hash_code: there is no folder for {name!r}; give the folder of its modules")
        for file in sorted(Path(folder).rglob("*.py")):
            # One text, one hash: git may have changed the line ends on Windows.
            content = file.read_bytes().replace(b"\r\n", b"\n")
            found[f"{name}/{file.relative_to(folder).as_posix()}"] = hash_bytes(content)
    return dict(sorted(found.items()))


def environment(packages: Iterable[str] = LIBRARIES) -> dict[str, Any]:
    """Python, platform and library versions, in words that name no machine.

    Returns
    -------
    dict
        ``python`` ("3.11.2"), ``platform`` ("Linux, x86_64, CPython"), ``packages`` (name to version).
    """
    versions = {}
    for package in sorted(packages):
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "python": platform.python_version(),
        "platform": ", ".join((platform.system(), platform.machine(), platform.python_implementation())),
        "packages": versions,
    }


@dataclass(frozen=True)
class Manifest:
    """What made a set of results.

    Parameters
    ----------
    inputs : mapping of str to str
        Name of each input and the hash of its content (free of row order); names, never places.
    plan : str
        Hash of the plan; empty where there is none.
    code : mapping of str to str
        Relative name of each module and its hash.
    environment : mapping
        As made by :func:`environment`.
    seeds : mapping of str to int
        Every seed by its use.
    study : str
        Name of the study; results of different studies are not compared.
    kind : str
        Kind of the data: real, public, planted or conditioned.
    outputs : mapping of str to str
        Relative name of each file written and its hash; filled by the writer.
    """

    inputs: Mapping[str, str]
    plan: str = ""
    code: Mapping[str, str] = field(default_factory=hash_code)
    environment: Mapping[str, Any] = field(default_factory=environment)
    seeds: Mapping[str, int] = field(default_factory=dict)
    study: str = ""
    kind: str = ""
    outputs: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in (*self.inputs, *self.code, *self.outputs):
            if name.startswith(("/", "~")) or "\\" in name or name[1:2] == ":" or ".." in name.split("/"):
                raise DesignError("Manifest: inputs and code are named by relative names, not by places")

    @property
    def run(self) -> str:
        """The name of the run: a short hash of data, plan, code, versions and seeds.

        Whatever can change a number changes the name; what cannot (time, place, person) does not.
        """
        return hash_json(
            {
                "inputs": dict(self.inputs),
                "plan": self.plan,
                "code": dict(self.code),
                "environment": dict(self.environment),
                "seeds": dict(self.seeds),
            }
        )[:12]

    def with_outputs(self, outputs: Mapping[str, str]) -> Manifest:
        """The same manifest with the files that were written."""
        return replace(self, outputs=dict(sorted(outputs.items())))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for ``manifest.json``."""
        return {
            "schema": SCHEMA,
            "run": self.run,
            "study": self.study,
            "kind": self.kind,
            "inputs": dict(sorted(self.inputs.items())),
            "plan": self.plan,
            "code": dict(sorted(self.code.items())),
            "environment": dict(self.environment),
            "seeds": dict(sorted(self.seeds.items())),
            "outputs": dict(sorted(self.outputs.items())),
        }
