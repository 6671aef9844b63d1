"""The phrases of both languages; ``words`` chooses and fills them."""

from __future__ import annotations

from typing import Any

PHRASES: dict[str, dict[str, Any]] = {
    "en": {
        "lower": "{label} is lower, {than}: {value}{interval}.",
        "higher": "{label} is higher, {than}: {value}{interval}.",
        "no_difference_shown": "{label}: no difference shown, {than}: {value}{interval}.",
        "not_worse": (
            "{label} is not worse by the margin of {margin} fixed in the plan, {than}: {value}{interval}."
        ),
        "equivalent": (
            "{label} is equivalent, {than}: any difference is smaller than the margin of {margin} fixed "
            "in the plan: {value}{interval}."
        ),
        "worse": (
            "{label} is worse, {than}; a loss beyond the margin of {margin} fixed in the plan is not "
            "ruled out: "
            "{value}{interval}."
        ),
        "worse_beyond": (
            "{label} is worse by more than the margin of {margin} fixed in the plan, {than}: "
            "{value}{interval}."
        ),
        "inconclusive": (
            "{label}: inconclusive. The interval reaches beyond the margin of {margin} fixed in the plan, so "
            "'not worse' is not shown, and neither is 'worse'; {than}: {value}{interval}."
        ),
        "described": "{label}: {value}{interval}.",
        "not_testable": "Not testable on these data.",
        "than_others": "compared with the change in the other practices",
        "than_places": "compared with the change in municipalities elsewhere",
        "than_start": "compared with {first} (no comparison practices)",
        "than_reference": "compared with the reference",
        "interval": "{level}% interval {low} to {high}",
        "fall": "a fall of more than {size}",
        "rise": "a rise of more than {size}",
        "any_fall": "any fall",
        "any_rise": "any rise",
        "rules_out": "The interval rules out {what}.",
        "rules_out_nothing": "The interval is unbounded and rules out nothing.",
        "small_loss": "The difference itself is on the unfavourable side, within that margin.",
        "and": " and ",
        "rests_on_two": "Rests on {programme} programme and {comparison} comparison practices.",
        "rests_on_places": (
            "Rests on one region of {programme} municipalities, compared with {comparison} municipalities "
            "elsewhere."
        ),
        "rests_on_one": "Rests on {programme} programme practices, without comparison.",
        "rests_on_units": "Rests on {units} independent units.",
        "chance_rare": (
            "If there were no effect, a difference this large would appear by chance in fewer than 1 of "
            "1,000 such studies."
        ),
        "chance_1000": (
            "If there were no effect, a difference this large would appear by chance in about {times} of "
            "1,000 such studies."
        ),
        "chance_100": (
            "If there were no effect, a difference this large would appear by chance in about {times} of "
            "100 such studies."
        ),
        "if_loss_rare": (
            "If the true change were a loss as large as the margin, a result this favourable would appear by "
            "chance in fewer than 1 of 1,000 such studies."
        ),
        "if_loss": (
            "If the true change were a loss as large as the margin, a result this favourable would appear by "
            "chance in about {times} of 1,000 such studies."
        ),
        "region_caveat": (
            "This is the whole region, of whose inhabitants a minority was in a PlusPraktijk, in years when "
            "more changed there; it cannot be ascribed to the programme."
        ),
        "procedure": "Procedure: {inference}.",
        "readings_differ": (
            "The published reading of {name} gives another verdict than the primary procedure: {published}, "
            "{told}, instead of {primary}."
        ),
        "finding_differs": (
            "The published claim {claim}, of no difference in {name}, does not agree with the primary "
            "procedure: {primary}, {told}."
        ),
        "procedures_disagree": (
            "{label}: the answer hangs on the procedure. Of {tested} procedures {found} find a difference, "
            "the others do not (p from {low} to {high}); the one that counts is the one that the plan names."
        ),
        "data_are": "These numbers are {label}.",
        "whole_shown": (
            "The programme's hypothesis is supported: costs are lower, and health and experience "
            "are not worse."
        ),
        "whole_not_shown": (
            "The programme's hypothesis (lower costs, with health and experience not worse) is not "
            "shown as a "
            "whole: it does not hold, or was not shown, for {failed}."
        ),
        "whole_contradicted": (
            "The programme's hypothesis (lower costs, with health and experience not worse) is contradicted: "
            "see {failed}."
        ),
        "whole_not_testable": (
            "The programme's hypothesis (lower costs, with health and experience not worse) is not testable "
            "as a whole on these data: there is no result for {absent}."
        ),
        "verdicts": {
            "lower": "lower",
            "higher": "higher",
            "no_difference_shown": "no difference shown",
            "not_worse": "not worse",
            "worse": "worse",
            "equivalent": "equivalent",
            "inconclusive": "inconclusive",
            "described": "described",
            "not_testable": "not testable on these data",
        },
        "questions": {
            "health": "health status",
            "experience": "experienced quality",
            "msz": "MSZ costs",
            "total": "total costs",
            "referrals": "referrals",
            "municipal_pilot": "the region in the pilot years",
            "municipal_contract": "the region under the regional contract",
        },
    },
    "nl": {
        "lower": "{label}: lager, {than}: {value}{interval}.",
        "higher": "{label}: hoger, {than}: {value}{interval}.",
        "no_difference_shown": "{label}: geen verschil aangetoond, {than}: {value}{interval}.",
        "not_worse": (
            "{label}: niet slechter, gegeven de in het plan vastgelegde marge van {margin}, {than}: "
            "{value}{interval}."
        ),
        "equivalent": (
            "{label}: gelijkwaardig, {than}: een eventueel verschil is kleiner dan de in het plan "
            "vastgelegde marge "
            "van {margin}: {value}{interval}."
        ),
        "worse": (
            "{label}: slechter, {than}; een verlies groter dan de in het plan vastgelegde marge van "
            "{margin} is niet "
            "uitgesloten: {value}{interval}."
        ),
        "worse_beyond": (
            "{label}: slechter, met meer dan de in het plan vastgelegde marge van {margin}, {than}: "
            "{value}{interval}."
        ),
        "inconclusive": (
            "{label}: geen uitsluitsel. Het interval reikt voorbij de in het plan vastgelegde marge van "
            "{margin}; 'niet slechter' is dus niet aangetoond, en 'slechter' evenmin; {than}: "
            "{value}{interval}."
        ),
        "described": "{label}: {value}{interval}.",
        "not_testable": "Niet te toetsen met deze gegevens.",
        "than_others": "vergeleken met de verandering bij de andere praktijken",
        "than_places": "vergeleken met de verandering in gemeenten elders",
        "than_start": "vergeleken met {first} (zonder vergelijkingspraktijken)",
        "than_reference": "vergeleken met de referentie",
        "interval": "{level}%-interval {low} tot {high}",
        "fall": "een daling van meer dan {size}",
        "rise": "een stijging van meer dan {size}",
        "any_fall": "elke daling",
        "any_rise": "elke stijging",
        "rules_out": "Het interval sluit {what} uit.",
        "rules_out_nothing": "Het interval is onbegrensd en sluit niets uit.",
        "small_loss": "Het verschil zelf ligt aan de ongunstige kant, binnen die marge.",
        "and": " en ",
        "rests_on_places": (
            "Berust op één regio van {programme} gemeenten, vergeleken met {comparison} gemeenten elders."
        ),
        "rests_on_two": "Berust op {programme} programmapraktijken en {comparison} vergelijkingspraktijken.",
        "rests_on_one": "Berust op {programme} programmapraktijken, zonder vergelijking.",
        "rests_on_units": "Berust op {units} onafhankelijke eenheden.",
        "chance_rare": (
            "Als er geen effect was, zou een verschil van deze grootte door toeval in minder dan 1 "
            "van de 1.000 "
            "van zulke onderzoeken optreden."
        ),
        "chance_1000": (
            "Als er geen effect was, zou een verschil van deze grootte door toeval in ongeveer "
            "{times} van de "
            "1.000 van zulke onderzoeken optreden."
        ),
        "chance_100": (
            "Als er geen effect was, zou een verschil van deze grootte door toeval in ongeveer "
            "{times} van de "
            "100 van zulke onderzoeken optreden."
        ),
        "if_loss_rare": (
            "Als er in werkelijkheid een verlies ter grootte van de marge was, zou een zo gunstige uitkomst "
            "door toeval in minder dan 1 op de 1.000 van zulke studies voorkomen."
        ),
        "if_loss": (
            "Als er in werkelijkheid een verlies ter grootte van de marge was, zou een zo gunstige uitkomst "
            "door toeval in ongeveer {times} op de 1.000 van zulke studies voorkomen."
        ),
        "region_caveat": (
            "Dit is de hele regio, waarvan een minderheid van de inwoners bij een PlusPraktijk stond "
            "ingeschreven, in jaren waarin daar meer veranderde; het kan niet aan het programma worden "
            "toegeschreven."
        ),
        "procedure": "Methode (Engelse benaming): {inference}.",
        "readings_differ": (
            "De gepubliceerde analyse van {name} geeft een ander oordeel dan de primaire: {published}, "
            "{told}, in plaats van {primary}."
        ),
        "finding_differs": (
            "De gepubliceerde bewering {claim}, van geen verschil in {name}, komt niet overeen met de "
            "primaire procedure: {primary}, {told}."
        ),
        "procedures_disagree": (
            "{label}: het antwoord hangt af van de procedure. Van {tested} procedures vinden er {found} een "
            "verschil en de andere niet (p van {low} tot {high}); wat telt is de procedure uit het plan."
        ),
        "data_are": "Deze cijfers zijn {label}.",
        "whole_shown": (
            "De hypothese van het programma wordt gesteund: de kosten zijn lager, en gezondheid en ervaren "
            "kwaliteit zijn niet slechter."
        ),
        "whole_not_shown": (
            "De hypothese van het programma (lagere kosten, terwijl gezondheid en ervaren kwaliteit niet "
            "slechter worden) is als geheel niet aangetoond: zij geldt niet, of is niet aangetoond, voor "
            "{failed}."
        ),
        "whole_contradicted": (
            "De hypothese van het programma (lagere kosten, terwijl gezondheid en ervaren kwaliteit niet "
            "slechter worden) wordt tegengesproken: zie {failed}."
        ),
        "whole_not_testable": (
            "De hypothese van het programma (lagere kosten, terwijl gezondheid en ervaren kwaliteit niet "
            "slechter worden) is als geheel niet te toetsen met deze gegevens: er is geen resultaat voor "
            "{absent}."
        ),
        "verdicts": {
            "lower": "lager",
            "higher": "hoger",
            "no_difference_shown": "geen verschil aangetoond",
            "not_worse": "niet slechter",
            "worse": "slechter",
            "equivalent": "gelijkwaardig",
            "inconclusive": "geen uitsluitsel",
            "described": "beschreven",
            "not_testable": "niet toetsbaar op deze gegevens",
        },
        "questions": {
            "health": "gezondheidstoestand",
            "experience": "ervaren kwaliteit",
            "msz": "MSZ-kosten",
            "total": "totale kosten",
            "referrals": "verwijzingen",
            "municipal_pilot": "de regio in de pilotjaren",
            "municipal_contract": "de regio onder het regiocontract",
        },
    },
}
