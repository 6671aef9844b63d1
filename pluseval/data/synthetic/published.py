"""The published figures, and the reading under which a conditioned study returns them.

A conditioned study checks the pipeline. It is no evidence about the programme, and nothing that measures
error rates, coverage, power or recovery may use it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from pluseval.data.synthetic.parameters import Parameters
from pluseval.errors import DesignError

ATTEMPTS = 2_000


@dataclass(frozen=True)
class Published:
    """The published figures, and the reading under which the synthetic study returns them.

    ``not_significant`` is the p-value above which a result counts as "does not differ significantly" here; it
    is above 0.05, so that readings next to the named one agree. ``margins`` (utility, VAS, grade, NPS) say
    what "did not change" means here: the 95 % interval of the programme's own change from the first wave to
    the last stays above minus the margin; they lie inside the usual ones (utility 0.03, grade 0.2, NPS 10),
    so that the interval of another procedure does too.
    """

    referral_difference: float = -2.4
    referral_p: float = 0.032
    referral_change_programme: float = -1.0
    referral_years: tuple[int, int] = (2018, 2019)
    nps: float = 60.0
    nps_tolerance: float = 2.5
    grade: tuple[float, float] = (8.5, 9.0)
    windows: tuple[tuple[int, int], tuple[int, int]] = ((2013, 2015), (2017, 2019))
    not_significant: float = 0.10
    margins: tuple[float, float, float, float] = (0.025, 4.0, 0.18, 9.0)

    def as_dict(self) -> dict[str, Any]:
        """The figures and the reading in words."""
        return {
            **asdict(self),
            "reading": (
                "least squares on unweighted practice changes 2018 -> 2019 of hospital referrals per 100 "
                "enlisted, programme against comparison, pooled variance"
            ),
        }


PUBLISHED = Published()


def refuse_unfit(parameters: Parameters) -> None:
    """Stop a conditioned study of another programme or window than the published figures concern."""
    names = [p.name for p in parameters.programmes]
    if names != ["OZL"]:
        raise DesignError(
            f"a conditioned study is the OZL programme alone, not {', '.join(names)}: "
            "nothing is published to condition on; use kind='planted'"
        )
    if parameters.first_year > 2013 or parameters.last_year < 2019 or parameters.anchor_year != 2018:
        raise DesignError("a conditioned study covers 2013 to 2019 at least, anchored in 2018")
    only = parameters.programmes[0]
    if only.treated < 3 or only.comparators < 3:
        raise DesignError("a conditioned study needs three practices in each group at least")


def attempts(what: str) -> Iterator[int]:
    """Numbers of the draws of one part; an error where none of them fits."""
    yield from range(ATTEMPTS)
    raise DesignError(
        f"no draw of {ATTEMPTS:,} gave {what} as published; take other parameters or another seed"
    )
