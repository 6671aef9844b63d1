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
    "distribution": "distribution over persons",
}
_OTHERS = {
    "referrals.percentage.list_size": "referral percentage 2018 to 2019 with list size as covariate",
    "referrals.per_practice.published": "referrals per practice: the published contrast times the own list",
    "referrals.pluspunt.effect": "PlusPunt referrals 2018 to 2019, the same contrast",
    "referrals.specialty.levels": "referrals by specialty against the national rates",
    "referrals.percentage.p_distribution": "p-values of the published reading over planted synthetic studies",
    "municipal.levels.msz": "municipal MSZ cost of the region and of donors by year",
    "municipal.ratios.total": "age-sex standardised cost ratio by municipality",
    "municipal.pilot.msz": "municipal MSZ cost, pilot (2011-15 v 2017-19)",
    "municipal.pilot.basket": "municipal comparable basket, pilot",
    "municipal.contract.msz": "municipal MSZ cost, region-wide contract (2017-19 v 2021-23)",
    "municipal.contract.basket": "municipal comparable basket, region-wide contract",
    "municipal.expected.msz": "observed minus age-sex expected MSZ cost of the region, EUR",
    "municipal.expected.total": "observed minus age-sex expected total cost of the region, EUR",
    "municipal.health": "perceived health of adults against the nation (RIVM)",
    "process.learning": "learning by practices (professionals' survey and uptake)",
    "process.stakeholders": "stakeholders' view of the programme",
    "uptake.online": "practices with online services",
}
SETS: dict[str, str] = {
    **{f"{o}.{r}": f"{what}: {how}" for o, what in _OUTCOMES.items() for r, how in _READINGS.items()},
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
