"""Figures: the same bytes, the warning inside, the margin drawn, words for those who do not see them."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from datetime import date

import matplotlib as mpl
import pytest

from pluseval.errors import DesignError
from pluseval.report.captions import alt_text, caption
from pluseval.report.figures import Marks, emit_figure, plot


@pytest.fixture
def displays(made):
    years = range(2013, 2021)
    return {
        "trajectory": made.trajectory("levels", [8.6, 8.7, 8.8], [8.5, 8.5, 8.6], source=made.CONDITIONED),
        "event_study": made.named(
            "event",
            *[made.estimate(-0.3 * i, 1.0, term=str(y), at=float(y)) for i, y in enumerate(years)],
            display="event_study",
        ),
        "effects": made.named("effects", made.estimate(margin=1.5), made.estimate(-1.0, term="other")),
        "distribution": made.named(
            "spread",
            *[
                made.estimate(
                    v, term=f"EUR {i}00 ({g})", scale="level", group=g, at=float(i), conf_low=math.nan,
                    conf_high=math.nan, p_value=math.nan,
                )
                for g in ("programme", "comparison")
                for i, v in enumerate((20.0, 60.0, 20.0))
            ],
            display="distribution",
        ),
    }  # fmt: skip


DISPLAYS = ("trajectory", "event_study", "effects", "distribution")


def texts(figure):
    """Every text in the picture."""
    found = [t.get_text() for t in figure.texts]
    for axis in figure.axes:
        found += [t.get_text() for t in axis.texts]
        found += [axis.get_xlabel(), axis.get_ylabel(), axis.get_title(loc="left")]
        found += [t.get_text() for t in axis.get_yticklabels()]
    return found


@pytest.mark.parametrize("display", DISPLAYS)
def test_two_drawings_give_the_same_bytes(displays, display):
    assert emit_figure(displays[display]) == emit_figure(displays[display])


@pytest.mark.parametrize("display", DISPLAYS)
def test_a_picture_tells_no_time_and_no_tool(displays, display):
    svg = emit_figure(displays[display]).svg
    assert "<dc:date>" not in svg and "Matplotlib v" not in svg and "<text" not in svg


@pytest.mark.parametrize("display", DISPLAYS)
@pytest.mark.parametrize("lang", ["en", "nl"])
def test_every_figure_has_alt_text_caption_and_data(displays, display, lang):
    one = displays[display]
    picture = emit_figure(one, lang=lang)
    assert re.search(r'<img src="data:image/svg\+xml;base64,[^"]+" alt="[^"]{30,}"', picture.html)
    assert "<figcaption>" in picture.html and 'scope="row"' in picture.html
    assert picture.csv.count("\n") == len(one) + 1
    source = one.estimates[0].source
    assert (
        source.name in picture.caption
        and (source.label_nl if lang == "nl" else source.label) in picture.caption
    )


def test_the_users_own_style_neither_changes_nor_is_changed(displays):
    plain = emit_figure(displays["effects"]).svg
    with mpl.rc_context({"font.size": 25, "lines.linewidth": 9, "svg.hashsalt": "mine"}):
        before = dict(mpl.rcParams)
        assert emit_figure(displays["effects"]).svg == plain
        assert dict(mpl.rcParams) == before


def test_the_warning_stands_in_the_picture_itself(made, displays):
    shown = " ".join(texts(plot(displays["trajectory"]))).replace("\n", " ")
    assert made.CONDITIONED.label in shown
    assert "synthetic" not in " ".join(texts(plot(displays["effects"])))


def test_groups_are_named_on_their_lines_and_time_is_marked(made):
    one = made.trajectory("levels", [8.6] * 6, [8.5] * 6, years=range(2015, 2021))
    shown = texts(plot(one, marks=Marks.ozl()))
    assert any(t.startswith("programme") for t in shown) and any(t.startswith("comparison") for t in shown)
    assert {"COVID", "start-up", "start"} <= set(shown)
    assert not plot(one).axes[0].get_legend()
    assert not {"start-up", "start"} & set(texts(plot(one, marks=Marks())))


def test_marks_outside_the_window_are_not_drawn(made):
    one = made.trajectory("levels", [8.6, 8.6], years=(2011, 2012))
    assert not {"COVID", "start-up", "start"} & set(texts(plot(one, marks=Marks.ozl())))


def test_a_long_title_beside_long_labels_stays_within_the_picture(made):
    term = "comparison practices within the same range of list sizes"
    title = "MSZ cost per insured-year: the effect against other sets of comparison practices"
    figure = plot(replace(made.named("e", made.estimate(term=term)), title=title))
    figure.draw_without_rendering()
    box = figure.axes[0].title.get_window_extent()
    assert figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1


def test_the_margin_is_drawn_on_both_sides(made):
    axis = plot(made.named("e", made.estimate(margin=1.5))).axes[0]
    dashed = sorted(line.get_xdata()[0] for line in axis.lines if line.get_linestyle() == "--")
    assert dashed == [-1.5, 1.5]
    assert "margin" in texts(axis.figure)
    ratio = plot(made.named("e", made.estimate(1.0, 0.01, scale="ratio", margin=0.25))).axes[0]
    assert sorted(x.get_xdata()[0] for x in ratio.lines if x.get_linestyle() == "--") == [0.8, 1.25]
    assert "margin" not in texts(plot(made.named("e", made.estimate())))


def test_the_years_before_the_start_are_told_apart(displays):
    axis = plot(displays["event_study"], marks=Marks(starts=(date(2016, 6, 1),))).axes[0]
    points = [line for line in axis.lines if line.get_marker() == "o"]
    hollow = [p.get_xdata()[0] for p in points if p.get_markerfacecolor() == "white"]
    assert hollow == [2013.0, 2014.0, 2015.0] and len(points) == 8
    assert "before the start" in texts(axis.figure)


def test_effects_in_two_units_get_two_panels(made):
    one = made.named("e", made.estimate(), made.estimate(0.95, 0.02, term="ratio", scale="ratio"))
    figure = plot(one)
    assert [a.get_xlabel().split(" (")[0] for a in figure.axes] == ["percentage points", "times"]


def test_an_unbounded_interval_is_drawn_to_the_edge(made):
    axis = plot(made.named("e", made.estimate(conf_low=-math.inf))).axes[0]
    bar = next(line for line in axis.lines if len(set(line.get_xdata())) == 2)
    assert min(bar.get_xdata()) == axis.get_xlim()[0]


def test_one_estimate_is_an_effect_plot(made):
    assert plot(made.estimate(term="the change")).axes[0].get_yticklabels()[0].get_text() == "the change"


def test_alt_text_is_made_from_the_numbers(made, displays):
    said = alt_text(displays["trajectory"])
    assert "programme 8.60" in said and "in 2016" in said and "8.80" in said and "in 2018" in said
    assert "-2.40 (-4.36 to -0.44)" in alt_text(made.named("e", made.estimate()))
    assert "-2,40 (-4,36 tot -0,44)" in alt_text(made.named("e", made.estimate()), lang="nl")
    many = made.named("m", *[made.estimate(term=str(i)) for i in range(12)])
    assert "and 4 more" in alt_text(many)


def test_a_caption_tells_unit_n_and_source(made):
    said = caption(made.named("e", made.estimate(), title="Referrals"))
    for part in ("Referrals.", "percentage points", "14 programme and 56 comparison practices",
                 "at least 70,000 persons", "95% intervals", "hand-made study"):  # fmt: skip
        assert part in said


def test_markup_in_a_title_stays_text(made):
    page = emit_figure(made.named("e", made.estimate(term='"><script>'), title="<b>")).html
    assert "<script>" not in page and "<b>" not in page


def test_what_cannot_be_drawn_is_refused(made):
    with pytest.raises(DesignError, match="table"):
        plot(made.named("t", made.estimate(), display="table"))
    with pytest.raises(DesignError, match="`at`"):
        plot(made.named("t", made.estimate(), display="trajectory"))
    with pytest.raises(DesignError, match="float"):
        plot(1.0)
    with pytest.raises(DesignError, match="language"):
        plot(made.estimate(), lang="de")


def test_only_the_primary_result_stands_out(made):
    def colours(*terms):
        axis = plot(made.named("e", *[made.estimate(term=t) for t in terms])).axes[0]
        return [line.get_color() for line in axis.lines if line.get_marker() == "o"]

    assert len(set(colours("primary", "Welch", "CR2"))) == 2
    assert len(set(colours("2013 -> 2014", "2014 -> 2015"))) == 1


def test_the_reference_year_of_an_event_study_is_shown(made):
    years = (2013, 2014, 2016, 2017)
    one = made.named("e", *[made.estimate(term=str(y), at=float(y)) for y in years], display="event_study")
    axis = plot(one).axes[0]
    assert "reference" in texts(axis.figure)
    assert 2015.0 in axis.get_xticks()


def test_the_groups_of_a_distribution_are_named_on_their_first_bars(displays):
    shown = texts(plot(displays["distribution"]))
    assert {"20.00  programme", "20.00  comparison"} <= set(shown)
