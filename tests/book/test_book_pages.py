"""The built book: every page, from a bundle, without the data."""

from __future__ import annotations

import json
import re

import pytest
from bs4 import BeautifulSoup

from pluseval.pipeline.book import require_fresh, with_committed
from pluseval.report.read import Results

pytestmark = pytest.mark.book


@pytest.fixture(scope="session")
def soups(built):
    """Every page, parsed."""
    return {
        name: BeautifulSoup((built.html / f"{name}.html").read_text(encoding="utf-8"), "html.parser")
        for name in built.pages
    }


def results_of(built) -> Results:
    """The released results that the book shows: its bundle and those committed with the book."""
    return Results.combine(*(Results.open(folder) for folder in with_committed([built.bundle])))


def test_every_page_is_there_without_a_traceback(built, soups):
    assert len(built.pages) > 15
    for name, soup in soups.items():
        text = soup.select_one("article, main").get_text()
        assert soup.h1 is not None, name
        assert "Traceback" not in text, name
        assert not soup.select(".output.traceback"), name


def test_the_book_is_fresh_and_says_which_run_it_shows(built, soups):
    require_fresh(built.html, with_committed([built.bundle]))
    run = json.loads((built.run / "manifest.json").read_text(encoding="utf-8"))["run"]
    for page in ("index", "methods/run"):
        assert run in soups[page].get_text(), page


def test_the_bundle_built_book_shows_the_numbers_of_the_run(built, soups):
    """Data deleted: the tables and front page words are those of the run, to the digit."""
    results = Results.open(built.run)
    costs, front = soups["questions/costs"], soups["index"]
    for name in ("costs.msz.primary", "costs.total.primary"):
        number = results[name].estimates[0]
        cells = [td.get_text(strip=True) for td in costs.select(f"#table-{name.replace('.', '-')} td")]
        assert str(results.number(name)) in cells, name
        assert str(results.number(name, number.term, "p_value")) in cells, name
    for key in ("msz", "total", "health", "experience", "referrals"):
        sentence = results.verdict(key).sentence("en")
        assert sentence in " ".join(front.get_text().split()), key


def test_a_page_of_the_book_holds_the_bundle_bytes(built):
    """Each table of the costs page stands there as the run wrote it."""
    page = (built.html / "questions" / "costs.html").read_text(encoding="utf-8")
    for name in ("costs.msz.primary", "costs.total.ratio"):
        table = (built.run / "tables" / f"{name}.html").read_text(encoding="utf-8")
        rows = re.findall(r"<tr>.*?</tr>", table, flags=re.DOTALL)
        assert rows, name
        assert all(row in page for row in rows), name


def test_the_pages_ask_whether_the_comparison_can_be_trusted(built, soups):
    """Every check of the run stands in the section, its figure folded; sentences hold numbers of the run."""
    results = results_of(built)
    shown = {
        "questions/costs": ("costs.msz", "costs.total"),
        "questions/referrals": ("referrals.percentage",),
    }
    for page, keys in shown.items():
        soup = soups[page]
        assert any("Can the comparison be trusted?" in h.get_text() for h in soup.select("h2")), page
        for key in keys:
            checks = soup.select_one(f'.pluseval-checks[data-outcome="{key}"]')
            text = " ".join(checks.get_text().split())
            for name in ("placebo", "honest", "comparators"):
                figure = checks.select_one(f"details #figure-{key.replace('.', '-')}-{name}")
                assert figure is not None and figure.img["alt"], (key, name)
            for name in ("pretrend", "placebo", "honest", "baseline", "comparators", "heterogeneity"):
                assert checks.select_one(f"#table-{key.replace('.', '-')}-{name}") is not None, (key, name)
            assert str(results.number(f"{key}.synthetic", "synthetic difference in differences")) in text
            assert "have not consented" in text
    specialties = soups["questions/referrals"].select_one("#figure-referrals-specialty-effects")
    assert specialties is not None and "Holm" in soups["questions/referrals"].get_text()


SYNTHETIC_PAGES = (
    "index",
    "claims",
    "questions/health",
    "questions/experience",
    "questions/costs",
    "questions/referrals",
    "methods/design",
    "methods/inference",
    "methods/synthetic",
    "methods/disclosure",
)


def test_every_page_of_synthetic_results_says_so(built, soups):
    source = Results.open(built.run).source
    assert source.label.startswith("synthetic")
    for name in SYNTHETIC_PAGES:
        banners = [b.get_text() for b in soups[name].select(".pluseval-banner")]
        assert source.label in banners, name
    dutch = [b.get_text() for b in soups["samenvatting"].select(".pluseval-banner")]
    assert source.label_nl in dutch
    assert source.label not in dutch


def test_public_data_carry_no_synthetic_banner(soups):
    assert not soups["questions/municipal"].select(".pluseval-banner")


def test_both_languages_give_the_same_verdicts(soups):
    """The English and the Dutch scoreboard are made from one verdict each."""
    shown = {
        name: [cell["data-verdict"] for cell in soups[name].select(".pluseval-scoreboard [data-verdict]")]
        for name in ("index", "samenvatting")
    }
    assert len(shown["index"]) == 5
    assert shown["index"] == shown["samenvatting"]
    assert soups["samenvatting"].html["lang"] == "nl"
    assert soups["index"].html["lang"] == "en"


def test_what_no_bundle_covers_is_not_testable(built, soups):
    results = results_of(built)
    absent = [k for k in ("municipal_pilot", "municipal_contract") if k not in results.findings]
    text = soups["questions/municipal"].get_text()
    assert ("Not testable on these data." in text) == bool(absent)


SCOPES = ("col", "row", "colgroup", "rowgroup")


def test_images_have_alt_text_and_header_cells_their_scope(soups):
    images = tables = 0
    for name, soup in soups.items():
        for image in soup.select("article img"):
            images += 1
            assert len(image.get("alt", "")) > 20, (name, image.get("src", "")[:60])
        for table in soup.select("article table"):
            tables += 1
            heads = table.select("th")
            assert heads, (name, table.get_text()[:60])
            missing = [th.get_text() for th in heads if th.get("scope") not in SCOPES]
            assert not missing, (name, missing)
    assert images > 5
    assert tables > 20


OUTSIDE_OF_STYLE = re.compile(r"(?:url\(|@import\s)\s*['\"]?(?:https?:)?//[^'\")]*")


def test_nothing_is_fetched_from_outside(built, soups):
    """No script, style, font, image or frame of any page has an address elsewhere."""
    for name, soup in soups.items():
        fetched = [
            *(tag["src"] for tag in soup.select(":is(script, img, iframe, source, video)[src]")),
            *(
                tag["href"]
                for tag in soup.select("link[href]")
                if set(tag.get("rel", [])) & {"stylesheet", "preload", "icon", "modulepreload", "prefetch"}
            ),
        ]
        assert fetched, name
        outside = [url for url in fetched if re.match(r"(https?:)?//", url)]
        assert not outside, (name, outside)
    for sheet in built.html.glob("_static/**/*.css"):
        outside = OUTSIDE_OF_STYLE.findall(sheet.read_text(encoding="utf-8"))
        assert not outside, (sheet.name, outside)


def test_the_data_reference_names_every_column(soups):
    from pluseval.data.schema import TABLES

    cells = {td.get_text(strip=True) for td in soups["reference/data"].select("article table td")}
    missing = [f"{t.name}.{c.name}" for t in TABLES.values() for c in t.columns if c.name not in cells]
    assert not missing


def test_the_api_reference_names_everything_that_is_offered(soups):
    import pluseval as pe

    text = soups["reference/api"].get_text()
    missing = [name for name in pe.__all__ if not name.startswith("_") and name not in text]
    assert not missing
