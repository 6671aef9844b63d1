"""The manifest: what changes the name of a run, and what never stands in it."""

from __future__ import annotations

import getpass
import json
import re
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from pluseval.errors import DesignError, NotFoundError
from pluseval.report.manifest import Manifest, environment, hash_code, hash_json

BASE = Manifest(
    inputs={"study": "aa"},
    plan="bb",
    code={"pluseval/x.py": "cc"},
    environment={"python": "3.11"},
    seeds={"p": 7},
)


@pytest.mark.parametrize(
    "change",
    [
        {"inputs": {"study": "ab"}},
        {"inputs": {"other": "aa"}},
        {"plan": "bc"},
        {"code": {"pluseval/x.py": "cd"}},
        {"code": {"pluseval/y.py": "cc"}},
        {"environment": {"python": "3.12"}},
        {"seeds": {"p": 8}},
    ],
)
def test_whatever_can_change_a_number_changes_the_name(change):
    assert replace(BASE, **change).run != BASE.run


def test_outputs_do_not_change_the_name():
    assert BASE.with_outputs({"results.json": "dd"}).run == BASE.run


def test_the_order_of_names_does_not_matter():
    one = replace(BASE, inputs={"a": "1", "b": "2"})
    assert one.run == replace(BASE, inputs={"b": "2", "a": "1"}).run
    assert one.to_dict() == replace(BASE, inputs={"b": "2", "a": "1"}).to_dict()


def test_no_clock_path_user_or_host():
    text = json.dumps(Manifest(inputs={"study": "aa"}).to_dict())
    assert not re.search(r"20\d\d-\d\d-\d\d|\d\d:\d\d", text)
    assert str(Path.cwd()) not in text and str(Path(__file__).resolve().parents[2]) not in text
    values = {word.lower() for word in re.findall(r"[\w.-]+", text)}
    assert not values & {getpass.getuser().lower(), socket.gethostname().lower(), Path.home().name.lower()}


def test_places_are_refused_as_names():
    for name in ("/data/study", "C:\\data", "~/study", "../study"):
        with pytest.raises(DesignError, match="relative"):
            replace(BASE, inputs={name: "aa"})


def test_code_is_hashed_by_relative_name(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.py").write_bytes(b"x = 1\r\n")
    (tmp_path / "b.txt").write_text("not code")
    found = hash_code({"analyses": tmp_path})
    assert "pluseval/report/manifest.py" in found
    assert [n for n in found if n.startswith("analyses/")] == ["analyses/deep/a.py"]
    windows = found["analyses/deep/a.py"]
    (tmp_path / "deep" / "a.py").write_bytes(b"x = 1\n")
    assert hash_code({"analyses": tmp_path})["analyses/deep/a.py"] == windows
    (tmp_path / "deep" / "a.py").write_bytes(b"x = 2\n")
    assert hash_code({"analyses": tmp_path})["analyses/deep/a.py"] != windows


def test_a_folder_that_is_not_there_is_an_error_without_its_place(tmp_path):
    with pytest.raises(NotFoundError, match="'analyses'") as error:
        hash_code({"analyses": tmp_path / "gone"})
    assert str(tmp_path) not in str(error.value)


def test_the_environment_names_versions_and_no_machine():
    found = environment(("numpy", "no-such-package"))
    assert set(found["packages"]) == {"numpy"}
    assert re.fullmatch(r"3\.\d+\.\d+\S*", found["python"])


def test_hash_of_values_ignores_the_order_of_keys_only():
    assert hash_json({"a": [1, 2]}) != hash_json({"a": [2, 1]})
