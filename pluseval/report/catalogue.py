"""The names of the sets that the analyses may produce: what claims and pages ask for by name."""

from __future__ import annotations

_OUTCOMES = {
    "health.eq5d": "EQ-5D-5L utility",
    "health.vas": "EQ VAS",
    "experience.grade": "report grade",
    "experience.nps": "Net Promoter Score",
    "costs.msz": "MSZ cost",
    "costs.total": "total cost",
    "referrals.percentage": "referral percentage",
}
_READINGS = {
    "primary": "the plan's primary contrast",
    "levels": "both groups by year or wave",
    "published": "the named published reading",
    "ratio": "the plan's contrast as a ratio",
    "event_study": "effect by year against the reference year",
    "adjacent": "every adjacent-year change with the max-t test",
    "staggered": "staggered start (Callaway and Sant'Anna)",
    "sensitivity": "the sensitivity set of the plan",
    "robustness": "one effect under several procedures",
    "specification": "every combination of choices",
    "distribution": "distribution over persons",
    "pretrend": "trends before the start, and what the test could have found",
    "honest": "the effect if trends would not have been parallel",
    "breakdown": "how far trends may fail before the conclusion does",
    "placebo": "years in which nothing had begun",
    "placebo_outcomes": "outcomes that the programme cannot have changed",
    "baseline": "the effect from two baselines",
    "comparators": "the effect against other sets of comparison practices",
    "synthetic": "synthetic difference in differences",
    "heterogeneity": "how effects differ between practices",
    "leave_one_out": "the effect without each practice in turn",
    "detectable": "the smallest change found with 80 % power",
}
_OTHERS = {
    "referrals.percentage.published_procedures": "the published contrast under every reading",
    "referrals.percentage.list_size": "referral percentage 2018 to 2019 with list size as covariate",
    "referrals.per_practice.published": "referrals per practice: the published contrast times the mean list",
    "referrals.pluspunt.effect": "PlusPunt referrals 2018 to 2019, the same contrast",
    "referrals.specialty.levels": "referrals by specialty against the national rates",
    "referrals.specialty.effects": "the plan's primary contrast by specialty, adjusted for their number",
    "referrals.percentage.p_distribution": "p-values of the published reading over planted synthetic studies",
    "municipal.health": "perceived health of adults against the nation (RIVM)",
    "municipal.health.levels": "perceived health of adults, region and nation",
    "municipal.health.rank": "rank of the region's perceived health among municipalities and blocks",
    "experience.response.levels": "questionnaires returned, % of those sent, both groups by wave",
    "process.learning": "learning by practices (professionals' survey and uptake)",
    "process.stakeholders": "stakeholders' view of the programme",
    "uptake.online": "practices with online services",
}
_COSTS = {"msz": "MSZ cost", "basket": "comparable basket", "total": "total Zvw cost"}
_MUNICIPAL = {
    "by_year.{}": "{}: region minus donors, difference from the last year before the pilot",
    "levels.{}": "{} of the region and the rest of the country by year",
    "standardised.{}": "{}: age-sex standardised ratio by municipality",
    "standardised.{}.region": "{}: age-sex standardised ratio of the region",
    "expected.{}": "{}: observed minus age-sex expected, EUR",
    "pilot.{}": "{}: pilot",
    "pilot.{}.ratio": "{}: pilot, as a ratio",
    "pilot.{}.placebos": "{}: pilot, judged by other placebos",
    "pilot.{}.placebo_distribution": "{}: pilot, changes of placebo blocks",
    "contract.{}": "{}: region-wide contract",
    "contract.{}.ratio": "{}: region-wide contract, as a ratio",
    "contract.{}.placebos": "{}: region-wide contract, judged by other placebos",
    "contract.{}.placebo_distribution": "{}: region-wide contract, changes of placebo blocks",
    "contract.{}.millions": "{}: region-wide contract, for the whole region a year",
}
SETS: dict[str, str] = {
    **{f"{o}.{r}": f"{what}: {how}" for o, what in _OUTCOMES.items() for r, how in _READINGS.items()},
    **{
        f"municipal.{name.format(kind)}": f"municipal {what.format(label)}"
        for name, what in _MUNICIPAL.items()
        for kind, label in _COSTS.items()
    },
    **_OTHERS,
}

# The short names by which pages ask for verdicts, and the sets that answer them.
QUESTIONS: dict[str, str] = {
    "health": "health.eq5d.primary",
    "vas": "health.vas.primary",
    "experience": "experience.grade.primary",
    "nps": "experience.nps.primary",
    "msz": "costs.msz.primary",
    "total": "costs.total.primary",
    "referrals": "referrals.percentage.primary",
    "municipal_pilot": "municipal.pilot.msz",
    "municipal_contract": "municipal.contract.msz",
}
