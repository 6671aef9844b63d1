"""What the tests of the book share: one run, one built book and a browser's visit, each made once."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

from pluseval.pipeline.assets import locate
from pluseval.pipeline.book import build_book
from pluseval.pipeline.bundle import make_bundle
from pluseval.pipeline.inputs import embedded_study
from pluseval.pipeline.run import run

_WAIT_SECONDS = 900


def once(root: Path, name: str, make: Callable[[Path], object]) -> Path:
    """A folder that the first of all workers makes and the others wait for.

    A failure is passed on to those that wait.
    """
    folder, done, failed = root / name, root / f"{name}.done", root / f"{name}.failed"
    try:
        os.close(os.open(root / f"{name}.lock", os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        until = time.monotonic() + _WAIT_SECONDS
        while not done.exists():
            if failed.exists():
                pytest.fail(f"{name} could not be made: {failed.read_text(encoding='utf-8')}")
            if time.monotonic() > until:
                pytest.fail(f"{name} was not made in {_WAIT_SECONDS} seconds")
            time.sleep(0.2)
        return folder
    try:
        make(folder)
    except BaseException as error:
        failed.write_text(str(error), encoding="utf-8")
        raise
    done.touch()
    return folder


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One test that needs the built book first, the others last: no worker waits while another builds."""
    needs = [item for item in items if "built" in getattr(item, "fixturenames", ())]
    rest = [item for item in items if "built" not in getattr(item, "fixturenames", ())]
    items[:] = [*needs[:1], *rest, *needs[1:]]


@pytest.fixture(scope="session")
def made_once(shared_folder) -> Callable[[str, Callable[[Path], object]], Path]:
    """:func:`once` in the folder that all workers share."""
    return lambda name, make: once(shared_folder, name, make)


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory) -> Path:
    """A folder that all workers of this session see, and no other session."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "book"
    folder.mkdir(exist_ok=True)
    return folder


@dataclass(frozen=True)
class Built:
    """A book built from a bundle after the data were deleted, and the run that the bundle is of."""

    html: Path
    run: Path
    bundle: Path

    @property
    def pages(self) -> list[str]:
        """Every page by its name in the table of contents, the front page first."""
        return ["index", *pages_of((locate("book") / "_toc.yml").read_text(encoding="utf-8"))]


def pages_of(toc: str) -> list[str]:
    """The pages that a table of contents names."""
    return [line.split("file:")[1].strip() for line in toc.splitlines() if "file:" in line]


@pytest.fixture(scope="session")
def built(made_once) -> Built:
    """The book of the embedded study, built from its bundle where the data are no longer."""

    def make(folder: Path) -> None:
        data = folder / "data"
        shutil.copytree(embedded_study(), data)
        made = run(data, out=folder / "results").folder
        make_bundle(made, folder / "bundle")
        made.rename(folder / "run")
        shutil.rmtree(data)
        build_book(results=[folder / "bundle"], out=folder / "out")

    folder = made_once("built", make)
    return Built(folder / "out" / "_build" / "html", folder / "run", folder / "bundle")


@pytest.fixture(scope="session")
def chromium() -> ModuleType:
    """The module that drives the browser (``tests/book/chromium.py``)."""
    pytest.importorskip("tornado", reason="tornado (extra book) speaks to the browser")
    file = Path(__file__).parent / "chromium.py"
    spec = importlib.util.spec_from_file_location("_chromium", file)
    module = importlib.util.module_from_spec(spec)
    sys.modules["_chromium"] = module
    spec.loader.exec_module(module)
    return module
