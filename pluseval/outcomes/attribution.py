"""To which practice a person's costs and referrals are counted."""

from __future__ import annotations

import re
from dataclasses import dataclass

import ibis.expr.types as ir

from pluseval.data.frame import Loss
from pluseval.data.study import Study
from pluseval.errors import DesignError
from pluseval.outcomes.losses import losses_by_group


@dataclass(frozen=True)
class Attribution:
    """How persons are attributed: to the practice of each year, or to that of one fixed year.

    Parameters
    ----------
    name : str
        ``enlisted_1_july``, or ``practice_2015`` (intention to treat; any year can stand there).
    """

    name: str = "enlisted_1_july"

    def __post_init__(self) -> None:
        if self.name != "enlisted_1_july" and not re.fullmatch(r"practice_\d{4}", self.name):
            raise DesignError(
                f"attribution is {self.name!r}; use 'enlisted_1_july' (the practice of each year) or "
                "'practice_2015' (intention to treat)"
            )

    @property
    def year(self) -> int | None:
        """The year whose practice counts for ever; None where it is that of each year."""
        return None if self.name == "enlisted_1_july" else int(self.name[-4:])

    @property
    def population(self) -> str:
        """Who is counted, in words."""
        if self.year is None:
            return "insured persons enlisted on 1 July of each year"
        return f"insured persons enlisted on 1 July {self.year}, followed wherever they went"

    @property
    def words(self) -> str:
        """To which practice, in words."""
        if self.year is None:
            return "counted to the practice of that year"
        return f"counted to their practice of {self.year} (intention to treat)"

    def homes(self, study: Study) -> ir.Table:
        """The fixed practice of each person: ``person_id home``.

        Raises
        ------
        DesignError
            The study has no insured years, or none of the fixed year.
        """
        if not study.has("insured_years"):
            raise DesignError(
                f"attribution={self.name!r} needs the table insured_years, which says where a person was "
                f"enlisted in {self.year}; use 'enlisted_1_july'"
            )
        t = study.table("insured_years")
        there = t.filter(t.year == self.year)
        if not int(there.count().execute()):
            raise DesignError(f"attribution={self.name!r}: insured_years has no row of {self.year}")
        return there.select("person_id", home=there.practice_id)

    def apply(self, study: Study, t: ir.Table, *, what: str) -> tuple[ir.Table, tuple[Loss, ...]]:
        """Rows with the practice they count to in ``practice_id``, and what is lost by it.

        A loss is told by year and by the group of the practice where the person was in that year.
        """
        if self.year is None:
            return t, ()
        homes = self.homes(study)
        joined = t.inner_join(homes, "person_id")
        joined = joined.mutate(practice_id=joined.home).drop("home")
        gone = t.anti_join(homes, "person_id")
        counts = gone.group_by("practice_id", period=gone.year).aggregate(lost=gone.count())
        reason = f"{what} of persons who were enlisted nowhere in {self.year}"
        return joined, losses_by_group(study, counts.to_pandas(), reason)
