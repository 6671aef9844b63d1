"""Headless Chromium opens every page with outside requests blocked and finds no error."""

from __future__ import annotations

import pytest

pytestmark = [pytest.mark.book, pytest.mark.browser]

# Rendering of mathematics is asynchronous: wait for it, then look.
MATH = """(async () => {
    if (window.MathJax && MathJax.startup) await MathJax.startup.promise;
    return document.querySelectorAll('mjx-container').length;
})()"""
SCRIPTS = {
    "mathematics": MATH,
    "title": "document.querySelector('h1') ? document.querySelector('h1').innerText : ''",
    "language": "document.documentElement.lang",
    "broken": "[...document.images].filter(i => i.complete && !i.naturalWidth).length",
    "search": "[...document.querySelectorAll('.search-button__button')].filter(e => e.offsetParent).length",
    "width": "document.documentElement.scrollWidth",
    # Wider than the column, and in nothing that scrolls: what a reader could not reach.
    "cut": """(() => {
        const column = document.querySelector('article').getBoundingClientRect().right + 1;
        const own = e => ['auto', 'scroll'].includes(getComputedStyle(e).overflowX);
        const scrolls = e => e && (own(e) || scrolls(e.parentElement));
        return [...document.querySelectorAll('article :is(table, figure, pre, p, mjx-container)')]
            .filter(e => e.getBoundingClientRect().right > column && !scrolls(e))
            .map(e => e.tagName + ': ' + e.textContent.trim().slice(0, 40));
    })()""",
}
DESK, PHONE = (1200, 900), (400, 800)


@pytest.fixture(scope="session", params=[DESK, PHONE], ids=["desk", "phone"])
def visits(request, built, chromium, tmp_path_factory):
    """Every page, opened in one browser at the width of a desk and of a phone."""
    program = chromium.find_chromium()
    if program is None:
        pytest.skip("no Chromium here (Debian: apt-get install chromium)")
    pages = {name: built.html / f"{name}.html" for name in built.pages}
    profile = tmp_path_factory.mktemp("chromium") / "profile"
    seen = chromium.visit_pages(program, profile, pages.values(), SCRIPTS, size=request.param)
    return request.param, {name: seen[path] for name, path in pages.items()}


def test_no_page_has_an_error_or_asks_for_something_outside(visits):
    for name, visit in visits[1].items():
        assert visit.errors == [], name
        assert visit.failures == [], name
        assert visit.requests, name
        outside = [url for url in visit.requests if not url.startswith(("file:", "data:", "blob:"))]
        assert outside == [], name


def test_every_page_is_rendered(visits):
    _, pages = visits
    for name, visit in pages.items():
        assert visit.found["title"], name
        assert visit.found["language"] == ("nl" if name == "samenvatting" else "en"), name
        assert visit.found["broken"] == 0, name
        assert visit.found["search"] <= 1, name
    assert pages["methods/design"].found["mathematics"] >= 1


def test_no_page_is_wider_than_its_screen(visits):
    (width, _), pages = visits
    for name, visit in pages.items():
        assert visit.found["width"] <= width, name
        assert visit.found["cut"] == [], name


def test_the_browser_notices_errors_and_outside_requests(chromium, tmp_path):
    """The watch itself: a page with a script that throws and one from elsewhere is not found clean."""
    program = chromium.find_chromium()
    if program is None:
        pytest.skip("no Chromium here (Debian: apt-get install chromium)")
    page = tmp_path / "bad.html"
    page.write_text(
        "<!doctype html><html><head><script>const a = 1;</script><script>const a = 2;</script>"
        '<script src="https://example.invalid/a.js"></script></head>'
        "<body><script>console.error('wrong')</script></body></html>",
        encoding="utf-8",
    )
    visit = chromium.visit_pages(program, tmp_path / "profile", [page], {})[page]
    assert any("already been declared" in e for e in visit.errors)
    assert any("wrong" in e for e in visit.errors)
    assert "https://example.invalid/a.js" in visit.requests
    assert visit.failures
