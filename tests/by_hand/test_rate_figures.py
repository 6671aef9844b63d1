"""Figures of the error rates: the numbers they print, the marks they draw, the words that stand for them."""

import base64
import itertools
import re
import subprocess
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from pluseval.report import svg
from pluseval.report.error_rates import ErrorRates
from pluseval.report.labels import HEIGHT, SIZE, place
from pluseval.report.rate_figures import SOURCE, heat_map, relative_widths
from pluseval.report.rate_scatter import trade_off


def row(cell, procedure, size, power=0.5, width=4.0, **more):
    treated = int(cell.rsplit(".", 1)[1])
    return {
        "cell": cell, "treated": treated, "comparison": 56, "constant_effect": "true", "unit": "per 100",
        "procedure": procedure, "studies": 10_000, "size": size, "size_mcse": 0.002, "coverage": 1 - size,
        "coverage_mcse": 0.002, "power": power, "power_mcse": 0.005, "median_width": width,
        "median_width_mcse": 0.04, "intervals": 100,
    } | more  # fmt: skip


@pytest.fixture(scope="module")
def rates():
    return ErrorRates(
        (
            row("plain.14", "pooled_t", 0.024, 0.6, 4.0),
            row("plain.14", "permutation_t", 0.05, 0.4, 5.0),
            row("trend.14", "pooled_t", 0.161, 0.8, 4.0),
            row("trend.14", "permutation_t", 0.055, 0.5, 6.0),
            row("varying.14", "permutation_t", 0.066, constant_effect="false"),
            row("varying.14", "pooled_t", 0.09, constant_effect="false"),
        ),
        {"primary": "permutation_t", "alpha": 0.05, "cells": {"trend.14": {"title": "trend & <size>"}}},
    )


def drawn(figure):
    """The drawing of a figure, parsed, and its text elements."""
    image = base64.b64decode(re.search(r"base64,([^\"]+)", figure.content)[1]).decode()
    root = ET.fromstring(image)
    return root, ["".join(e.itertext()) for e in root.iter() if e.tag.endswith("text")]


def fills(root, tag):
    return [e.get("fill") for e in root.iter() if e.tag.endswith(tag)]


def test_a_heat_map_prints_every_value_under_its_procedure(rates):
    figure = heat_map(rates, "size", treated=14, procedures=rates.main(), title="Size")
    root, words = drawn(figure)
    assert {"5.0", "2.4", "5.5", "16.1", "6.6", "9.0"} <= set(words)
    assert "primary" in words and "trend & <size>" in words
    assert "#ffffff" in fills(root, "rect")  # five percent is white


def test_the_colours_say_which_way_a_procedure_errs(rates):
    root, _ = drawn(heat_map(rates, "coverage", treated=14, procedures=("pooled_t",), title="Coverage"))
    cells = [f for f in fills(root, "rect") if f not in ("none", "#ffffff")]
    channels = [[int(c[at : at + 2], 16) for at in (1, 3, 5)] for c in cells]
    cautious, false, varying = channels
    assert cautious[2] > cautious[0]  # 2.4 %: blue
    assert false[0] > false[2] and varying[0] > varying[2]  # 16.1 % and 9.0 %: orange
    assert false[2] < varying[2]  # and deeper


def test_sizes_outside_the_bounds_are_framed(rates):
    root, _ = drawn(
        heat_map(rates, "size", treated=14, procedures=("pooled_t", "permutation_t"), title="Size")
    )
    bold = [e.text for e in root.iter() if e.get("font-weight") == "bold" and re.match(r"\d", e.text or "")]
    assert bold == ["2.4", "16.1", "9.0"]


def test_a_figure_says_its_finding_unit_number_error_and_source(rates):
    for figure in (
        heat_map(rates, "size", treated=14, procedures=rates.main(), title="Size"),
        trade_off(rates, title="Power"),
        relative_widths(rates, title="Widths"),
    ):
        alt = re.search(r'alt="([^"]+)"', figure.content)[1]
        caption = re.search(r"<figcaption>(.*?)</figcaption>", figure.content)[1]
        assert "primary" in alt and "synthetic" in alt
        assert "Unit: " in caption and "n: " in caption and "Monte Carlo error" in caption
        assert SOURCE.split(":")[0] in caption
        assert '<th scope="col">' in figure.content


def test_the_alternative_text_holds_the_extremes(rates):
    alt = heat_map(rates, "size", treated=14, procedures=rates.main(), title="Size").content
    assert "permutation t, lies between 5.0 % and 6.6 %" in alt
    assert "pooled t is farthest off: 16.1 % (trend &amp; &lt;size&gt;)" in alt


def test_power_against_size_fills_what_keeps_every_bound(rates):
    figure = trade_off(rates, title="Power")
    root, words = drawn(figure)
    assert fills(root, "circle") == ["#ffffff", svg.PROGRAMME]
    assert "permutation t (primary)" in words and "pooled t" in words
    assert "1 of 2 candidates keep every bound" in figure.content
    assert "a power of 45.0 % at a worst size of 5.5 %" in figure.content


def test_widths_are_multiples_in_the_same_kind_of_study(rates):
    figure = relative_widths(rates, title="Widths")
    middle = (5 / 4 * 6 / 4) ** 0.5
    assert f"are {middle:.2f} times with 14 + 56 practices" in figure.content
    assert "<td>1.25 to 1.50</td>" in figure.content


def test_the_same_table_gives_the_same_bytes(rates):
    made = [trade_off(rates, title="Power").content for _ in range(2)]
    assert made[0] == made[1]


def test_what_the_table_lacks_is_said_to_be_absent():
    bare = ErrorRates(
        ({"cell": "a.14", "treated": 14, "comparison": 56, "procedure": "x", "studies": 9, "size": 0.1},)
    )
    assert "Not in this table" in heat_map(bare, "coverage", treated=14, procedures=("x",), title="").content
    assert "Not in this table" in trade_off(bare, title="").content
    assert "Not in this table" in relative_widths(bare, title="").content
    assert "10.0" in drawn(heat_map(bare, "size", treated=14, procedures=("x",), title="t"))[1]


def test_labels_of_a_crowd_do_not_cover_each_other():
    rng = np.random.default_rng(3)
    marks = [tuple(m) for m in rng.uniform((250, 150), (330, 230), (14, 2))]
    names = [f"procedure number {k}" for k in range(14)]
    spots = place(marks, names, area=(0, 0, 700, 400))
    boxes = [
        (s.x, s.middle - HEIGHT / 2, s.x + svg.length(n, SIZE), s.middle + HEIGHT / 2)
        for s, n in zip(spots, names, strict=True)
    ]
    for (a, b, c, d), (e, f, g, h) in itertools.combinations(boxes, 2):
        assert c <= e or g <= a or d <= f or h <= b
    for x, y in marks:
        assert not any(a <= x <= c and b <= y <= d for a, b, c, d in boxes)


def test_the_colours_are_those_of_the_other_figures():
    from pluseval.report import canvas

    for name in ("PROGRAMME", "COMPARISON", "CONTEXT", "WARNING"):
        assert getattr(svg, name) == getattr(canvas, name)


def test_the_figures_need_no_plotting_library():
    """A page that shows them must not wait for one."""
    code = (
        "import sys, pluseval.report.rate_scatter, pluseval.report.rate_words;"
        "print('matplotlib' in sys.modules, 'pandas' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
