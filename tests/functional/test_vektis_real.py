"""The real public files: check figures and the whole analysis. Skipped where the files are absent."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from analyses.municipal import MunicipalPlan, analyse
from analyses.municipal_health import perceived_health
from pluseval.data.geography import MERGERS, OZL, load_geography, load_mergers
from pluseval.data.rivm import load_rivm
from pluseval.data.vektis import load_vektis
from pluseval.report.disclosure import DisclosureRules, release

SHARED = Path(os.environ.get("PLUSEVAL_SHARED", "../shared")) / "data"
pytestmark = pytest.mark.skipif(
    not (SHARED / "vektis").is_dir(), reason="the Vektis files are not at PLUSEVAL_SHARED (default ../shared)"
)
# Observed / expected total costs of 2023, as the project's brief states them.
RATIOS_2023 = {"Heerlen": 1.243, "Brunssum": 1.219, "Kerkrade": 1.210, "Landgraaf": 1.172}


@pytest.fixture(scope="module")
def panel():
    return load_vektis(SHARED)


@pytest.fixture(scope="module")
def readme():
    return (SHARED / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def sets(panel):
    few = MunicipalPlan(partitions=20, sdid_partitions=2)
    return {s.name: s for s in analyse(panel, load_rivm(SHARED), few)}


def test_levels_are_those_of_the_data_sets_readme(readme, sets):
    line = re.search(r"MSZ 2011.*", readme).group()
    msz, total = line.split("Total")
    for kind, text in (("msz", msz), ("total", total)):
        checks = re.findall(r"(20\d\d) ([\d,]+) / ([\d,]+)", text)
        assert len(checks) >= 3
        for year, own, rest in checks:
            levels = sets[f"municipal.levels.{kind}"]
            for term, figure in ((f"OZL {year}", own), (f"rest of the Netherlands {year}", rest)):
                assert round(levels[term].estimate) == int(figure.replace(",", ""))


def test_standardised_ratios_of_2023(sets):
    found = sets["municipal.standardised.total"]
    assert {place: round(found[f"{place} 2023"].estimate, 3) for place in RATIOS_2023} == RATIOS_2023


def test_layouts_and_counts_are_those_of_the_readme(panel, readme):
    head = next(line for line in readme.splitlines() if line.startswith("| columns"))
    columns = [int(n) for n in re.findall(r"(\d+) \(\d+\)", head)]
    assert sorted(set(panel.files["layout"])) == sorted(set(columns))
    negative = int(re.search(r"corrections; (\d+) values", readme).group(1))
    assert panel.files["negative_items"].sum() == negative
    low, high = re.search(r"holds ([\d.]+)-([\d.]+) % of", readme).groups()
    share = 100 * panel.files["rest_share"]
    assert (share.round(1) >= float(low)).all() and (share.round(1) <= float(high)).all()


def test_the_borders_are_the_same_in_every_year(panel):
    known = set(load_geography().municipalities)
    places = panel.table.groupby("year")["municipality"].unique()
    assert all(set(names) <= known for names in places)
    assert panel.municipal["municipality"].nunique() == 342 - 4  # without the four that took HAAREN in
    assert panel.municipal.groupby("municipality").size().eq(len(panel.years)).all()


def test_the_mergers_known_here_are_those_of_the_file():
    assert load_mergers(SHARED / "vektis" / "municipal_mergers_2019_2023.csv") == dict(MERGERS)


def test_the_map_is_the_published_one():
    ours, published = load_geography(), load_geography(SHARED / "geo" / "municipality_neighbours.csv")
    assert ours == published


def test_perceived_health_is_that_of_the_readme(readme, sets):
    text = re.search(r"National: ([\d.]+) \(2012\), ([\d.]+) \(2016\), ([\d.]+) \(2020\)", readme)
    levels = sets["municipal.health.levels"]
    for year, figure in zip((2012, 2016, 2020), text.groups(), strict=True):
        assert levels[f"the Netherlands {year}"].estimate == float(figure)
        assert sets["municipal.health"][f"OZL minus the Netherlands {year}"].estimate < 0
    ranks = [e.estimate for e in sets["municipal.health"] if e.term.startswith("rank")]
    assert len(ranks) == 6 and min(ranks) >= 1


def test_without_a_published_figure_the_nation_is_close_to_it(panel):
    rivm = load_rivm(SHARED)
    pooled = perceived_health(panel, replace(rivm, national=rivm.national.iloc[:0]), None)
    found = next(s for s in pooled if s.name == "municipal.health.levels")
    for year, figure in rivm.national.items():
        assert found[f"the Netherlands {year}"].estimate == pytest.approx(figure, abs=0.15)


def test_excess_is_observed_minus_expected_and_sums_the_municipalities(panel, sets):
    table = panel.table[(panel.table["year"] == 2023) & panel.table["municipality"].isin(OZL)]
    observed = table["cost_total_eur"].sum() / 1e6
    excess = sets["municipal.expected.total"]["2023"].estimate
    ratio = sets["municipal.standardised.total.region"]["2023"].estimate
    assert excess == pytest.approx(observed - observed / ratio)


def test_every_planned_contrast_is_there_and_may_leave(sets):
    for period in ("pilot", "contract"):
        for kind in ("msz", "basket"):
            for suffix in ("", ".ratio"):
                terms = [e.term for e in sets[f"municipal.{period}.{kind}{suffix}"]]
                assert terms == ["difference in differences", "synthetic difference in differences"]
            assert len(sets[f"municipal.{period}.{kind}.placebos"]) == 4
    released = release(sets.values(), DisclosureRules.public_aggregates())
    assert not released.suppressed and len(released) == len(sets)
    assert all(e.source.name == "bron: Vektis" for e in sets["municipal.pilot.msz"])


def test_the_years_before_the_start_are_tested_together(panel, sets):
    for kind in ("msz", "basket", "total"):
        found = sets[f"municipal.by_year.{kind}"]
        assert [e.at for e in found] == [y for y in panel.years if y != 2015]
        assert 0 < found.joint[0].p_value <= 1


def test_placebo_intervals_hold_their_estimate_and_agree_with_p(sets):
    for one in (s for n, s in sets.items() if re.fullmatch(r"municipal\.(pilot|contract)\.\w+(\.ratio)?", n)):
        for e in one:
            assert e.conf_low <= e.estimate <= e.conf_high
            assert (e.p_value <= 0.05) == (not e.conf_low <= e.null <= e.conf_high)


def test_millions_are_the_effect_times_the_insured_years(panel, sets):
    years = panel.municipal[panel.municipal["municipality"].isin(OZL) & panel.municipal["year"].ge(2021)]
    size = years.groupby("year")["insured_years"].sum().mean()
    effect, whole = sets["municipal.contract.msz"], sets["municipal.contract.msz.millions"]
    for e in effect:
        assert whole[e.term].estimate == pytest.approx(e.estimate * size / 1e6)
        assert whole[e.term].p_value == e.p_value
        assert whole[e.term].conf_int(0.9)[0] == pytest.approx(e.conf_int(0.9)[0] * size / 1e6)


def test_fewer_years_give_fewer_sets_and_no_error(panel, tmp_path):
    early = replace(
        panel,
        table=panel.table[panel.table["year"] <= 2014],
        rest=panel.rest[panel.rest["year"] <= 2014],
        published=panel.published[panel.published["year"] <= 2014],
    )
    names = {s.name for s in analyse(early, None, None)}
    assert "municipal.levels.msz" in names and not any(".pilot." in n or ".health" in n for n in names)


def test_a_second_load_gives_the_same_and_the_panel_is_unchanged_by_the_analysis(panel, sets):
    again = load_vektis(SHARED / "vektis")
    assert again.content_hash == panel.content_hash
    np.testing.assert_array_equal(again.table["cost_msz_eur"], panel.table["cost_msz_eur"])
