"""The words about the smallest effect that a design finds, in English and Dutch."""

from __future__ import annotations

from typing import Any

WORDS: dict[str, dict[str, Any]] = {
    "en": {
        "lead": "How small a change would be found? Tried on planted (synthetic) studies of this design:",
        "sentence": "{label}: such a study finds, with {power} % power, a change of {value} or more{share}.",
        "share": " ({share} % of the mean)",
        "beyond": " That is beyond the margin of {margin}: where nothing changes, such a study shows "
        "“not worse” in fewer than {power} % of cases, so it cannot be relied on to show it.",
        "about": " That is about the margin of {margin}: where nothing changes, such a study shows "
        "“not worse” in about {power} % of cases, and in the others it does not.",
        "within": " That is within the margin of {margin}: where nothing changes, such a study shows "
        "“not worse” in more than {power} % of cases.",
        "own": " On these data the same calculation gives {value}.",
        "own_only": "{label}: on these data a change of {value} or more is found with {power} % power.",
        "margins": {
            "beyond": "Beyond its margin: {names}. Where nothing changes, such a design shows “not worse” in "
            "fewer than {power} % of cases: it cannot reliably show non-inferiority within that margin.",
            "about": "About its margin: {names}. Where nothing changes, such a design shows “not worse” in "
            "about {power} % of cases, no more.",
            "within": "Within its margin: {names}. Where nothing changes, such a design shows “not worse” in "
            "more than {power} % of cases.",
        },
        "against": {
            "beyond": "beyond the margin",
            "about": "about the margin",
            "within": "within the margin",
        },
        "no_margin": "no margin",
        "and": " and ",
        "to": "to",
        "heads": (
            "outcome",
            "unit",
            "change",
            "procedure of the plan",
            "smallest change found",
            "% of the mean",
            "the same with CR2",
            "margin",
            "smallest change against the margin",
        ),
        "own_head": "on these data",
        "caption": "The smallest change found with {power} % power, by outcome (in brackets its Monte Carlo "
        "error)",
        "published": "{label}, published reading",
        "made": "{studies} planted studies, in each {draws} placebo groups of {programme} practices out of "
        "those that took no part, and the plan's own procedure on each. The value is the mean over the "
        "studies; its Monte Carlo error, from the spread between them, counts studies and placebo groups.",
        "figure": "The smallest change found with {power} % power, as a multiple of the margin",
        "axis": "smallest change ÷ margin",
        "equal": "the margin",
        "right": "right of the margin: non-inferiority cannot be shown reliably",
        "unit": "Unit: multiples of each outcome's margin.",
        "bars": "Lines are two Monte Carlo errors to both sides.",
        "n": "n: {programme} programme practices, {studies} planted studies.",
        "source": "Source: {source}.",
        "planted": "synthetic: planted studies of this design",
        "chart": "Dot plot",
    },
    "nl": {
        "lead": "Hoe klein een verandering wordt gevonden? Beproefd op gesimuleerde studies van deze opzet:",
        "sentence": "{label}: zo'n studie vindt, met {power} % power, een verandering van {value} of "
        "meer{share}.",
        "share": " ({share} % van het gemiddelde)",
        "beyond": " Dat is meer dan de marge van {margin}: waar niets verandert, toont zo'n studie in minder "
        "dan {power} % van de gevallen “niet slechter” aan; daarop valt niet te bouwen.",
        "about": " Dat is ongeveer de marge van {margin}: waar niets verandert, toont zo'n studie in "
        "ongeveer {power} % van de gevallen “niet slechter” aan, en in de andere niet.",
        "within": " Dat is minder dan de marge van {margin}: waar niets verandert, toont zo'n studie in meer "
        "dan {power} % van de gevallen “niet slechter” aan.",
        "own": " Op deze gegevens geeft dezelfde berekening {value}.",
        "own_only": "{label}: op deze gegevens wordt een verandering van {value} of meer met {power} % power "
        "gevonden.",
        "margins": {
            "beyond": "Meer dan de marge: {names}. Waar niets verandert, toont zo'n opzet in minder dan "
            "{power} % van de gevallen “niet slechter” aan: binnen die marge kan hij dat niet betrouwbaar.",
            "about": "Ongeveer de marge: {names}. Waar niets verandert, toont zo'n opzet in ongeveer "
            "{power} % van de gevallen “niet slechter” aan, niet vaker.",
            "within": "Minder dan de marge: {names}. Waar niets verandert, toont zo'n opzet in meer dan "
            "{power} % van de gevallen “niet slechter” aan.",
        },
        "against": {
            "beyond": "meer dan de marge",
            "about": "ongeveer de marge",
            "within": "minder dan de marge",
        },
        "no_margin": "geen marge",
        "and": " en ",
        "to": "tot",
        "heads": (
            "uitkomst",
            "eenheid",
            "verandering",
            "methode van het plan",
            "kleinste gevonden verandering",
            "% van het gemiddelde",
            "hetzelfde met CR2",
            "marge",
            "kleinste verandering naast de marge",
        ),
        "own_head": "op deze gegevens",
        "caption": "De kleinste verandering die met {power} % power gevonden wordt, per uitkomst (tussen "
        "haakjes de Monte-Carlofout)",
        "published": "{label}, gepubliceerde analyse",
        "made": "{studies} gesimuleerde studies, in elk {draws} placebogroepen van {programme} praktijken "
        "die niet meededen, en op elk de methode van het plan zelf. De waarde is het gemiddelde over de "
        "studies; de Monte-Carlofout, uit de spreiding ertussen, is die van studies en placebogroepen.",
        "figure": "De kleinste verandering die met {power} % power gevonden wordt, als veelvoud van de marge",
        "axis": "kleinste verandering ÷ marge",
        "equal": "de marge",
        "right": "rechts van de marge: ‘niet slechter’ is niet betrouwbaar aan te tonen",
        "unit": "Eenheid: veelvouden van de marge van elke uitkomst.",
        "bars": "Lijnen zijn twee Monte-Carlofouten naar beide kanten.",
        "n": "n: {programme} programmapraktijken, {studies} gesimuleerde studies.",
        "source": "Bron: {source}.",
        "planted": "synthetisch: gesimuleerde studies van deze opzet",
        "chart": "Puntgrafiek",
    },
}
