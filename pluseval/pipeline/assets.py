"""Where the project's own folders are: beside the package in a clone, inside it in a wheel."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from pluseval.errors import NotFoundError

_PACKAGE = Path(__file__).resolve().parent.parent
_ANALYSES = "pluseval_analyses"


def in_clone() -> bool:
    """Whether the package runs from a clone of the project."""
    return (_PACKAGE.parent / "pyproject.toml").is_file() and (_PACKAGE.parent / "analyses").is_dir()


def locate(name: str) -> Path:
    """The folder ``analyses``, ``book`` or ``synthetic_data`` of this installation.

    Raises
    ------
    NotFoundError
        If the installation does not hold it.
    """
    folder = _PACKAGE.parent / name if in_clone() else _PACKAGE / "_bundled" / name
    if not folder.is_dir():
        raise NotFoundError(f"this installation of pluseval holds no folder {name!r}; install it again")
    return folder


def analyses_module(name: str) -> ModuleType:
    """A module of the folder ``analyses``, imported from wherever that folder is."""
    if _ANALYSES not in sys.modules:
        folder = locate("analyses")
        spec = importlib.util.spec_from_file_location(
            _ANALYSES, folder / "__init__.py", submodule_search_locations=[str(folder)]
        )
        if spec is None or spec.loader is None:
            raise NotFoundError("the folder analyses of this installation cannot be imported")
        module = importlib.util.module_from_spec(spec)
        sys.modules[_ANALYSES] = module
        spec.loader.exec_module(module)
    return importlib.import_module(f"{_ANALYSES}.{name}")
