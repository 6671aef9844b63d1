"""The tables of a synthetic study as Parquet rows, in the columns of the contract."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from pluseval.data.synthetic.costs import CostMoments, cost_moments, person_costs
from pluseval.data.synthetic.parameters import Parameters
from pluseval.data.synthetic.persons import Persons, age_scores, days_in_year
from pluseval.data.synthetic.practices import ABSORBED_SHARE, Roster
from pluseval.data.synthetic.referrals import allot, specialty_names
from pluseval.data.synthetic.shocks import CostLevels, ReferralLevels
from pluseval.data.synthetic.streams import stream
from pluseval.data.synthetic.surveys import MISSING
from pluseval.data.synthetic.write import TableFile, repeated

TEXT = pa.string()
CODED = pa.dictionary(pa.int32(), pa.string())
SCHEMAS = {
    "practices": pa.schema(
        [
            ("practice_id", TEXT),
            ("programme", TEXT),
            ("treated", pa.bool_()),
            ("start_date", pa.date32()),
            ("region", TEXT),
            ("learning_group", TEXT),
            ("batch", pa.int32()),
            ("end_date", pa.date32()),
        ]
    ),
    "practice_links": pa.schema(
        [
            ("old_practice_id", TEXT),
            ("new_practice_id", TEXT),
            ("link_date", pa.date32()),
            ("kind", TEXT),
        ]
    ),
    "practice_years": pa.schema([("practice_id", TEXT), ("year", pa.int32()), ("list_size", pa.int32())]),
    "insured_years": pa.schema(
        [
            ("person_id", pa.int64()),
            ("year", pa.int32()),
            ("practice_id", CODED),
            ("birth_year", pa.int32()),
            ("sex", CODED),
            ("insured_days", pa.int32()),
            # Whole euros, as DOUBLE: DuckDB reads byte-stream-split pages of floating-point columns only, and
            # its cast of FLOAT to DECIMAL is not exact.
            ("cost_msz_eur", pa.float64()),
            ("cost_total_eur", pa.float64()),
        ]
    ),
    "referrals": pa.schema(
        [
            ("person_id", pa.int64()),
            ("practice_id", CODED),
            ("referral_date", pa.date32()),
            ("specialty", CODED),
            ("destination", CODED),
        ]
    ),
    "surveys": pa.schema(
        [("person_id", pa.int64()), ("wave", pa.int32()), ("practice_id", CODED), ("responded", pa.bool_())]
        + [
            (f"eq_{item}", pa.int32())
            for item in ("mobility", "self_care", "usual_activities", "pain", "anxiety")
        ]
        + [("eq_vas", pa.int32()), ("grade", pa.float64()), ("nps", pa.int32())]
    ),
}


@dataclass(frozen=True)
class Layout:
    """Where the rows go: folder, practices, persons, and the code each place had in each year.

    ``ids`` are the practice codes, the absorbed ones last; ``codes`` (S, Y) indexes them; ``note`` is the
    warning that every file carries in its metadata.
    """

    folder: Path
    parameters: Parameters
    practices: Roster
    persons: Persons
    ids: tuple[str, ...]
    codes: np.ndarray
    note: str

    @classmethod
    def of(
        cls, folder: Path, parameters: Parameters, practices: Roster, persons: Persons, *, note: str
    ) -> Layout:
        """The layout of a study: places of an absorbed practice keep its code until the merger."""
        n, years = len(practices.ids), np.array(practices.years)
        codes = np.repeat(np.arange(n, dtype=np.int16), np.diff(persons.offset))
        codes = np.repeat(codes[:, None], len(years), axis=1)
        for k, merger in enumerate(practices.mergers):
            block = persons.rows_of(merger.cluster)
            absorbed = slice(block.start, block.start + int(ABSORBED_SHARE * (block.stop - block.start)))
            codes[absorbed, years < merger.link_date.year] = n + k
        ids = (*practices.ids, *(m.old_id for m in practices.mergers))
        return cls(folder, parameters, practices, persons, ids, codes, note)

    def open(self, table: str) -> TableFile:
        """The file of one table."""
        return TableFile(self.folder, table, SCHEMAS[table], note=self.note)


def write_practices(layout: Layout) -> None:
    """The tables ``practices``, ``practice_links`` and ``practice_years``."""
    practices, mergers = layout.practices, layout.practices.mergers
    none = [None] * len(mergers)
    last_days = [m.link_date - timedelta(days=1) for m in mergers]
    with layout.open("practices") as file:
        file.add(
            {
                "practice_id": list(layout.ids),
                "programme": [*practices.programme, *(practices.programme[m.cluster] for m in mergers)],
                "treated": [*(bool(t) for t in practices.treated), *[False] * len(mergers)],
                "start_date": [*practices.start, *none],
                "region": [*practices.region, *(practices.region[m.cluster] for m in mergers)],
                "learning_group": [*practices.learning_group, *none],
                "batch": [*(int(b) or None for b in practices.batch), *none],
                "end_date": [*[None] * len(practices.ids), *last_days],
            }
        )
    with layout.open("practice_links") as file:
        file.add(
            {
                "old_practice_id": [m.old_id for m in mergers],
                "new_practice_id": [practices.ids[m.cluster] for m in mergers],
                "link_date": [m.link_date for m in mergers],
                "kind": ["merger"] * len(mergers),
            }
        )
    enlisted = layout.persons.place >= 0
    counts = np.column_stack(
        [
            np.bincount(layout.codes[enlisted[:, j], j], minlength=len(layout.ids))
            for j in range(len(practices.years))
        ]
    )
    code, year = np.nonzero(counts)
    with layout.open("practice_years") as file:
        file.add(
            {
                "practice_id": [layout.ids[i] for i in code],
                "year": np.array(practices.years, dtype=np.int32)[year],
                "list_size": counts[code, year].astype(np.int32),
            }
        )


def write_surveys(layout: Layout, rows: Mapping[str, np.ndarray]) -> None:
    """The table ``surveys``, sorted by practice, person and wave."""
    order = np.lexsort([rows["wave"], rows["person"], rows["cluster"]])
    rows = {name: values[order] for name, values in rows.items()}
    year = np.searchsorted(layout.practices.years, rows["wave"])

    def optional(name: str) -> pa.Array:
        return pa.array(rows[name].astype(np.int32), mask=rows[name] == MISSING)

    with layout.open("surveys") as file:
        file.add(
            {
                "person_id": rows["person"].astype(np.int64) + 1,
                "wave": rows["wave"].astype(np.int32),
                "practice_id": repeated(layout.codes[rows["place"], year], layout.ids),
                "responded": pa.array(rows["responded"]),
                **{name: optional(name) for name, _ in layout.parameters.surveys.items},
                **{name: optional(name) for name in ("eq_vas", "grade", "nps")},
            }
        )


def write_persons(
    layout: Layout,
    referrals: ReferralLevels,
    costs: CostLevels,
    *,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """The tables ``insured_years`` and ``referrals``, practice by practice, so that memory stays small."""
    scores = age_scores(layout.parameters)
    moments = cost_moments(layout.parameters.costs)
    count = len(layout.practices.ids)
    with layout.open("insured_years") as insured_file, layout.open("referrals") as referral_file:
        for g in range(count):
            block = _Block.of(layout, g, scores)
            insured_file.add(_insured_rows(layout, block, costs, moments, stream(seed, "costs", g)))
            referral_file.add(_referral_rows(layout, block, referrals, stream(seed, "referrals", g)))
            if progress:
                progress(g + 1, count)


@dataclass(frozen=True)
class _Block:
    """The places of one practice over the years; every array has shape (n, Y)."""

    cluster: int
    place: np.ndarray
    days: np.ndarray
    code: np.ndarray
    there: np.ndarray
    age_score: np.ndarray

    @classmethod
    def of(cls, layout: Layout, cluster: int, scores: np.ndarray) -> _Block:
        rows = layout.persons.rows_of(cluster)
        place = layout.persons.place[rows]
        born = layout.persons.birth_year[place].astype(np.int64)
        age = np.clip(np.array(layout.practices.years) - born, 0, len(scores) - 1)
        return cls(
            cluster=cluster,
            place=place,
            days=layout.persons.days[rows],
            code=layout.codes[rows],
            there=place >= 0,
            age_score=scores[age],
        )


def _insured_rows(
    layout: Layout, block: _Block, levels: CostLevels, moments: CostMoments, rng: np.random.Generator
) -> dict[str, np.ndarray | pa.Array]:
    persons, costs = layout.persons, layout.parameters.costs
    years = np.array(layout.practices.years)
    length = np.array([days_in_year(y) for y in layout.practices.years])
    age = costs.age_share
    msz, total = person_costs(
        lasting=np.sqrt(age) * block.age_score + np.sqrt(1 - age) * persons.cost[block.place],
        lasting_msz=persons.msz[block.place],
        part_of_year=np.where(block.there, block.days / length, 0.0),
        msz_level=levels.msz[block.cluster],
        total_level=levels.total[block.cluster],
        exact=levels.exact,
        costs=costs,
        moments=moments,
        rng=rng,
    )
    row, year = np.nonzero(block.there)
    order = np.lexsort([year, block.place[row, year], block.code[row, year]])
    row, year = row[order], year[order]
    person = block.place[row, year]
    return {
        "person_id": person.astype(np.int64) + 1,
        "year": years[year].astype(np.int32),
        "practice_id": repeated(block.code[row, year], layout.ids),
        "birth_year": persons.birth_year[person].astype(np.int32),
        "sex": repeated(persons.woman[person], ("M", "F")),
        "insured_days": block.days[row, year].astype(np.int32),
        "cost_msz_eur": msz[row, year].astype(np.float64),
        "cost_total_eur": total[row, year].astype(np.float64),
    }


def _referral_rows(
    layout: Layout, block: _Block, levels: ReferralLevels, rng: np.random.Generator
) -> dict[str, np.ndarray | pa.Array]:
    persons, r = layout.persons, layout.parameters.referrals
    years = layout.practices.years
    # Age explains a quarter of a person's lasting tendency to be referred, as it does for costs.
    tendency = r.person_sd * (0.5 * block.age_score + np.sqrt(0.75) * persons.frailty[block.place])
    weight = np.exp(tendency) * np.where(persons.woman[block.place], r.women_to_men, 1.0)
    sent = allot(
        hospital=levels.hospital[block.cluster],
        pluspunt=levels.pluspunt[block.cluster],
        weight=np.where(block.there, weight, 0.0),
        insured=block.days,
        starts_late=persons.birth_year[block.place] == np.array(years),
        length=np.array([days_in_year(y) for y in years]),
        referrals=r,
        rng=rng,
    )
    first_day = np.array([(date(y, 1, 1) - date(1970, 1, 1)).days for y in years])
    day = first_day[sent.year] + sent.day
    person, code = block.place[sent.row, sent.year], block.code[sent.row, sent.year]
    order = np.lexsort([sent.specialty, day, person, code])
    return {
        "person_id": person[order].astype(np.int64) + 1,
        "practice_id": repeated(code[order], layout.ids),
        "referral_date": pa.array(day[order].astype(np.int32)).cast(pa.date32()),
        "specialty": repeated(sent.specialty[order], specialty_names(r)),
        "destination": repeated(sent.pluspunt[order], ("hospital", "pluspunt")),
    }
