"""The data contract: the one place that knows a table, a column or a rule.

Validation (``contract``), the reference page of the book and the dummy rows of the tests (``dummy``) are all
made from these declarations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from pluseval.data.declaration import Column, Rule, StudyKey, Table

SCHEMA_VERSION = "1"
PROGRAMMES = ("OZL", "WM", "MH")
RUN_OFF = "years after complete_through are excluded: their claims and referrals are incomplete (run-off)"
SUFFIXES = (".parquet", ".csv", ".sav", ".dta", ".xlsx")


def _outside_window(column: str) -> Callable[[Any, Any], Any]:
    return lambda t, w: (t[column] < w.first_year) | (t[column] > w.last_year)


def _incomplete(column: str) -> Callable[[Any, Any], Any]:
    # Rows past the window are reported by `year_in_window`, so they are not counted twice.
    return lambda t, w: (t[column] > w.complete_through) & (t[column] <= w.last_year)


def _window_rule(column: str) -> Rule:
    return Rule(
        "year_in_window",
        column,
        "the year lies inside the window first_year to last_year of the study",
        bad=_outside_window(column),
        droppable=True,
    )


def _run_off_rule(column: str) -> Rule:
    return Rule(
        "complete_through",
        column,
        RUN_OFF,
        severity="drop",
        bad=_incomplete(column),
    )


ORPHAN = Rule(
    "orphan",
    "practice_id",
    "the code is a practice of `practices`, or an old code of `practice_links`",
    droppable=True,
)

PRACTICES = Table(
    name="practices",
    description="One row per GP practice, programme and comparison.",
    key=("practice_id",),
    needs=(),
    columns=(
        Column("practice_id", "text", "Code of the practice (pseudonym or AGB code)."),
        Column("programme", "text", "Programme of the region.", allowed=PROGRAMMES, nullable=True),
        Column(
            "treated", "bool", "Whether the practice ever took part, as assigned (true for those that quit)."
        ),
        Column("start_date", "date", "First day in the programme; required where treated.", nullable=True),
        Column("region", "text", "Region or municipality group, for strata.", nullable=True, optional=True),
        Column("learning_group", "text", "Learning group (intervision) of MH.", nullable=True, optional=True),
        Column("batch", "int", "Batch of entry.", low=1, high=3, nullable=True, optional=True),
        Column("end_date", "date", "Last day of the practice under this code.", nullable=True, optional=True),
    ),
    rules=(
        Rule(
            "start_missing",
            "start_date",
            "a treated practice has a start date",
            bad=lambda t, w: t.treated & t.start_date.isnull(),
        ),
        Rule(
            "start_in_window",
            "start_date",
            "the start date of a treated practice lies inside the window of the study",
            bad=lambda t, w: (
                t.treated & ((t.start_date.year() < w.first_year) | (t.start_date.year() > w.last_year))
            ),
        ),
        Rule(
            "start_of_comparator",
            "start_date",
            "a practice that is not treated has no start date",
            severity="waivable",
            bad=lambda t, w: ~t.treated & t.start_date.notnull(),
        ),
        Rule(
            "end_before_start",
            "end_date",
            "the end date is not before the start date",
            bad=lambda t, w: t.end_date < t.start_date,
        ),
        Rule(
            "end_without_link",
            "end_date",
            "a treated practice that ends, by its end date or in its data, continues under another code in "
            "`practice_links`: a merger or a new legal form gives a new AGB code",
            severity="waivable",
        ),
    ),
)

PRACTICE_LINKS = Table(
    name="practice_links",
    description="One row per link between an old and a new code of a practice: mergers, splits, new codes.",
    key=("old_practice_id", "new_practice_id"),
    columns=(
        Column("old_practice_id", "text", "Code before the link."),
        Column("new_practice_id", "text", "Code after the link."),
        Column("link_date", "date", "First day of the new code."),
        Column("kind", "text", "What happened.", allowed=("merger", "split", "new_code")),
    ),
    rules=(
        Rule(
            "link_to_itself",
            "new_practice_id",
            "a link joins two different codes",
            bad=lambda t, w: t.old_practice_id == t.new_practice_id,
        ),
        Rule(
            "link_to_unknown",
            "new_practice_id",
            "a link leads, at once or further on, to a practice of `practices`",
        ),
    ),
)

PRACTICE_YEARS = Table(
    name="practice_years",
    description="One row per practice and year: the list of enlisted persons.",
    key=("practice_id", "year"),
    year="year",
    columns=(
        Column("practice_id", "text", "Code of the practice in that year.", practice=True),
        Column("year", "int", "Calendar year."),
        Column("list_size", "int", "Persons enlisted on 1 July of the year.", unit="persons", low=1),
    ),
    rules=(ORPHAN, _window_rule("year")),
)

INSURED_YEARS = Table(
    name="insured_years",
    description="One row per insured person and year: claims of the Dutch basic health insurance (Zvw).",
    key=("person_id", "year"),
    year="year",
    columns=(
        Column("person_id", "int", "Pseudonym of the person; the same in every table."),
        Column("year", "int", "Calendar year of the care."),
        Column(
            "practice_id",
            "text",
            "Practice where the person was enlisted on 1 July of the year; rows without one are dropped.",
            practice=True,
            on_null="drop",
        ),
        Column("birth_year", "int", "Year of birth.", low=1890, high=2100, nullable=True, optional=True),
        Column("sex", "text", "Sex.", allowed=("M", "F"), nullable=True, optional=True),
        Column("insured_days", "int", "Days insured in the year.", unit="days", low=1, high=366),
        Column(
            "cost_msz_eur", "money", "Cost of medical-specialist care (MSZ), with the deductible.", unit="EUR"
        ),
        Column("cost_total_eur", "money", "Cost of all care under the Zvw, with the deductible.", unit="EUR"),
    ),
    rules=(
        ORPHAN,
        _window_rule("year"),
        _run_off_rule("year"),
        Rule(
            "msz_le_total",
            "cost_msz_eur",
            "MSZ cost is not above total cost (negative corrections of other care can break this in real "
            "extracts: waive it with a reason)",
            severity="waivable",
            bad=lambda t, w: t.cost_msz_eur > t.cost_total_eur,
            droppable=True,
        ),
        Rule(
            "negative_msz",
            "cost_msz_eur",
            "negative costs are corrections: kept and counted",
            severity="count",
            bad=lambda t, w: t.cost_msz_eur < 0,
        ),
        Rule(
            "negative_total",
            "cost_total_eur",
            "negative costs are corrections: kept and counted",
            severity="count",
            bad=lambda t, w: t.cost_total_eur < 0,
        ),
    ),
)

REFERRALS = Table(
    name="referrals",
    description="One row per referral by a GP. The year of a referral is the year of its date.",
    needs=("practices", "practice_years"),
    columns=(
        Column("person_id", "int", "Pseudonym of the person.", nullable=True, optional=True),
        Column(
            "practice_id",
            "text",
            "Practice that referred; rows without one are dropped.",
            practice=True,
            on_null="drop",
        ),
        Column("referral_date", "date", "Day of the referral."),
        Column("specialty", "text", "Specialty referred to.", nullable=True, optional=True),
        Column("destination", "text", "Where the person was sent.", allowed=("hospital", "pluspunt")),
    ),
    rules=(
        ORPHAN,
        Rule(
            "year_in_window",
            "referral_date",
            "the date lies inside the window first_year to last_year of the study",
            bad=lambda t, w: (t.referral_date.year() < w.first_year) | (t.referral_date.year() > w.last_year),
            droppable=True,
        ),
        Rule(
            "complete_through",
            "referral_date",
            RUN_OFF,
            severity="drop",
            bad=lambda t, w: (
                (t.referral_date.year() > w.complete_through) & (t.referral_date.year() <= w.last_year)
            ),
        ),
    ),
)

_EQ5D = (
    ("eq_mobility", "mobility"),
    ("eq_self_care", "self-care"),
    ("eq_usual_activities", "usual activities"),
    ("eq_pain", "pain or discomfort"),
    ("eq_anxiety", "anxiety or depression"),
)

SURVEYS = Table(
    name="surveys",
    description="One row per person and wave to whom a questionnaire was sent, answered or not.",
    key=("person_id", "wave"),
    year="wave",
    columns=(
        Column("person_id", "int", "Pseudonym of the person."),
        Column("wave", "int", "Year of the wave."),
        Column("practice_id", "text", "Practice that sent the questionnaire.", practice=True),
        Column("responded", "bool", "Whether the questionnaire came back."),
        *(
            Column(name, "int", f"EQ-5D-5L level of {what}.", unit="level", low=1, high=5, nullable=True)
            for name, what in _EQ5D
        ),
        Column("eq_vas", "int", "EQ visual analogue scale.", unit="points", low=0, high=100, nullable=True),
        Column(
            "grade",
            "float",
            "Report grade (rapportcijfer) of the practice.",
            unit="points",
            low=0,
            high=10,
            nullable=True,
        ),
        Column(
            "nps",
            "int",
            "Likelihood to recommend the practice.",
            unit="points",
            low=0,
            high=10,
            nullable=True,
        ),
    ),
    rules=(ORPHAN, _window_rule("wave")),
)

TABLES: Mapping[str, Table] = MappingProxyType(
    {t.name: t for t in (PRACTICES, PRACTICE_LINKS, PRACTICE_YEARS, INSURED_YEARS, REFERRALS, SURVEYS)}
)
EQ5D_COLUMNS: tuple[str, ...] = tuple(name for name, _ in _EQ5D)
OUTCOME_TABLES = ("insured_years", "referrals", "surveys")


STUDY_KEYS: tuple[StudyKey, ...] = (
    StudyKey("name", "text", "Name of the study, for captions; the folder's name by default."),
    StudyKey(
        "schema_version",
        "text",
        "Version of this contract.",
        default=SCHEMA_VERSION,
        allowed=(SCHEMA_VERSION,),
    ),
    StudyKey(
        "kind",
        "text",
        "What the data are; synthetic data say so here.",
        required=True,
        allowed=("real", "planted", "conditioned"),
    ),
    StudyKey("first_year", "int", "First calendar year of the window.", required=True),
    StudyKey("last_year", "int", "Last calendar year of the window.", required=True),
    StudyKey(
        "complete_through",
        "int",
        "Last year whose claims and referrals are complete; later years are "
        "excluded. Required with `insured_years` or `referrals`.",
    ),
    StudyKey("programme", "text", "Programme under evaluation.", default="OZL", allowed=PROGRAMMES),
    StudyKey("provenance", "text", "Where the data come from, in one sentence.", default=""),
)


def reference_markdown() -> str:
    """The data reference of the book, in Markdown.

    Returns
    -------
    str
        One section per table: columns with type, unit and limits, key, and rules with severity.

    Examples
    --------
    >>> "## `insured_years`" in reference_markdown()
    True
    """
    lines = ["## `study.toml`", "", "| key | type | required | values | meaning |", "|---|---|---|---|---|"]
    for key in STUDY_KEYS:
        values = ", ".join(key.allowed) or ("" if key.default in (None, "") else f"default {key.default}")
        need = "yes" if key.required else "no"
        lines.append(f"| `{key.name}` | {key.type} | {need} | {values} | {key.description} |")
    for table in TABLES.values():
        lines += ["", f"## `{table.name}`", "", table.description, ""]
        lines += [f"Key: {', '.join(f'`{k}`' for k in table.key) or 'none (one row per event)'}."]
        if table.needs:
            lines[-1] += f" Needs: {', '.join(f'`{n}`' for n in table.needs)}."
        lines += ["", "| column | type | required | limits | meaning |", "|---|---|---|---|---|"]
        for c in table.columns:
            need = "yes; rows without it are dropped" if c.on_null == "drop" else "yes"
            need = "no" if c.nullable else need
            need = "column may be absent" if c.optional else need
            unit = f" ({c.unit})" if c.unit and not c.limits else ""
            lines.append(f"| `{c.name}` | {c.type}{unit} | {need} | {c.limits} | {c.description} |")
        if table.rules:
            lines += ["", "| rule | column | severity | what holds |", "|---|---|---|---|"]
            for r in table.rules:
                severity = f"{r.severity}, droppable" if r.droppable else r.severity
                lines.append(f"| `{r.key}` | `{r.column}` | {severity} | {r.description} |")
    return "\n".join(lines) + "\n"
