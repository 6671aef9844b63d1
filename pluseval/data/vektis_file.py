"""One Vektis file per municipality, as downloaded: its layout by year and its reading in the engine."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import duckdb

from pluseval.data.geography import canonical
from pluseval.errors import ContractError, UnreadableError

MSZ = "kosten_medisch_specialistische_zorg"

# First and last year of each cost item; None: to this day. A total is an explicit list per year.
ITEMS: dict[str, tuple[int, int | None]] = {
    MSZ: (2011, None),
    "kosten_farmacie": (2011, None),
    "kosten_huisarts_inschrijftarief": (2011, None),
    "kosten_huisarts_consult": (2011, None),
    "kosten_huisarts_mdz": (2015, None),
    "kosten_huisarts_overig": (2011, None),
    "kosten_hulpmiddelen": (2011, None),
    "kosten_mondzorg": (2011, None),
    "kosten_paramedische_zorg_fysiotherapie": (2011, None),
    "kosten_paramedische_zorg_overig": (2011, None),
    "kosten_ziekenvervoer_zittend": (2011, None),
    "kosten_ziekenvervoer_liggend": (2011, None),
    "kosten_kraamzorg": (2011, None),
    "kosten_verloskundige_zorg": (2011, None),
    "kosten_integrale_geboortezorg": (2021, None),
    "kosten_grensoverschrijdende_zorg": (2011, None),
    "kosten_eerstelijns_ondersteuning": (2011, None),
    "kosten_overig": (2011, None),
    "kosten_tweedelijns_ggz": (2011, 2013),
    "kosten_eerstelijns_psychologische_zorg": (2011, 2013),
    "kosten_specialistische_ggz": (2014, 2021),
    "kosten_generalistische_basis_ggz": (2014, 2021),
    "kosten_consulten_ggz": (2022, None),
    "kosten_intramuraal_verblijf_ggz": (2022, None),
    "kosten_overige_prestaties_ggz": (2022, None),
    "kosten_innovatiegelden_ggz": (2021, None),
    "kosten_langdurige_ggz": (2015, 2021),
    "kosten_verpleging_en_verzorging": (2015, None),
    "kosten_geriatrische_revalidatiezorg": (2013, None),
    "kosten_eerstelijnsverblijf": (2018, None),
    "kosten_gzsp": (2020, None),
}
NOT_COMPARABLE = (
    "kosten_verpleging_en_verzorging",
    "kosten_langdurige_ggz",
    "kosten_geriatrische_revalidatiezorg",
    "kosten_eerstelijnsverblijf",
    "kosten_gzsp",
)
"""Items that came from, or went to, another law in these years; the comparable basket leaves them out."""

KEY_COLUMNS = ("geslacht", "leeftijdsklasse", "gemeentenaam")
COUNT_COLUMNS = ("aantal_bsn", "aantal_verzekerdejaren")
_LENGTH = 32  # the 2023 file cuts names at 32 characters
_AGE = r"^([0-9]+) t/m ([0-9]+) jaar$"


@dataclass(frozen=True)
class FileFailure:
    """A way in which a file breaks its contract: where, which rule, how often."""

    table: str
    column: str
    rule: str
    count: int


@dataclass(frozen=True)
class VektisFile:
    """What one file holds; its rows stay in the engine under ``relation``.

    ``relation`` has the columns ``municipality sex age_from is_rest persons insured_years cost_msz_eur
    cost_basket_eur cost_total_eur``; names are canonical but on the file's own borders. ``cells`` counts rows
    without REST, ``negative_items`` the negative sums (corrections, kept), ``n_columns`` the columns of the
    file.
    """

    name: str
    year: int
    relation: str
    municipalities: tuple[str, ...]
    cells: int
    negative_items: int
    n_columns: int


def items_of(year: int) -> tuple[str, ...]:
    """The cost items that a file of this year has.

    Examples
    --------
    >>> [len(items_of(year)) for year in (2011, 2013, 2015, 2018, 2020, 2023)]
    [18, 19, 22, 23, 24, 26]
    """
    return tuple(item for item, (first, last) in ITEMS.items() if first <= year <= (last or year))


def year_of(path: Path) -> int:
    """The first year in a file's name.

    Raises
    ------
    UnreadableError
        If the name holds no year.
    """
    found = re.search(r"(?<![0-9])20[0-9]{2}(?![0-9])", path.name)
    if found is None:
        raise UnreadableError(f"{path.name}: the name holds no year; keep the name that the download had")
    return int(found.group())


def key_columns_present(path: Path) -> bool:
    """Whether the first line of a file has the key columns of Vektis' municipal files."""
    header = _header(path)
    return all(c in header for c in (*KEY_COLUMNS, "aantal_verzekerdejaren"))


def read_vektis_file(path: str | Path, *, connection: duckdb.DuckDBPyConnection) -> VektisFile:
    """Read one file into the engine: lower-case names, one age label, canonical municipalities, exact
    decimals.

    Raises
    ------
    UnreadableError
        Empty, cut off within a row, or not text.
    ContractError
        Every broken rule of the file, as counts.
    """
    path = Path(path)
    year = year_of(path)
    header = _header(path)
    columns = _match_columns(path.name, header, year)
    raw, relation = f"raw {path}", f"vektis {path}"  # two folders may hold files of one name
    fields = ", ".join(f"'c{k}': 'VARCHAR'" for k in range(len(header)))
    numbers = [c for c in columns if c not in KEY_COLUMNS]
    typed = [f"trim({columns[c]}) AS {c}" for c in KEY_COLUMNS]
    typed += [f"TRY_CAST(trim({columns[c]}) AS DECIMAL(18, 2)) AS {c}" for c in numbers]
    try:
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {_quoted(raw)} AS SELECT {', '.join(typed)} FROM read_csv(?, "
            "delim=';', header=false, skip=1, quote='\"', all_varchar=true, auto_detect=false, "
            f"null_padding=false, encoding=?, columns={{{fields}}})",
            [str(path), _encoding(path)],
        )
    except duckdb.Error as error:
        reason = (
            "a row does not have the columns of the header"
            if "olumn" in str(error)
            else "it is not delimited text"
        )
        raise UnreadableError(
            f"{path.name} cannot be read: {reason}. Is it cut off? Download it again from vektis.nl"
        ) from None
    rows = _one_row(connection, f"SELECT count(*) FROM {_quoted(raw)}")[0]
    if rows == 0:
        raise UnreadableError(f"{path.name} has a header and no row; download it again from vektis.nl")
    negative = _check(connection, path.name, raw, numbers)
    _tidy(connection, raw, relation, year)
    _check_keys(connection, path.name, relation)
    names = connection.execute(
        f"SELECT DISTINCT municipality FROM {_quoted(relation)} WHERE NOT is_rest ORDER BY 1"
    ).fetchall()
    cells = _one_row(connection, f"SELECT count(*) FROM {_quoted(relation)} WHERE NOT is_rest")[0]
    return VektisFile(
        name=path.name,
        year=year,
        relation=relation,
        municipalities=tuple(name for (name,) in names),
        cells=int(cells),
        negative_items=negative,
        n_columns=len(header),
    )


def _one_row(connection: duckdb.DuckDBPyConnection, query: str) -> tuple:
    """The single row of an aggregate, which is always there."""
    row = connection.execute(query).fetchone()
    assert row is not None
    return row


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _header(path: Path) -> list[str]:
    try:
        with path.open("rb") as handle:
            line = handle.readline(65_536)
    except OSError:
        return []
    text = line.decode("utf-8-sig", errors="replace")
    return [name.strip().strip('"').lower() for name in text.strip().split(";")]


def _encoding(path: Path) -> str:
    try:
        path.read_bytes().decode("utf-8")
    except UnicodeDecodeError:
        return "latin-1"
    return "utf-8"


def _match_columns(name: str, header: list[str], year: int) -> dict[str, str]:
    """Each expected column to its place in the file (c0, c1, ...); names compare up to 32 characters."""
    expected = (*KEY_COLUMNS, *COUNT_COLUMNS, *items_of(year))
    short = {column[:_LENGTH]: k for k, column in enumerate(header)}
    missing = [c for c in expected if c[:_LENGTH] not in short]
    wanted = {c[:_LENGTH] for c in expected}
    unknown = [c for c in header if c.startswith("kosten_") and c[:_LENGTH] not in wanted]
    failures = [FileFailure(name, c, "missing column", 1) for c in missing]
    failures += [FileFailure(name, c, f"cost item not known for {year}", 1) for c in unknown]
    if len(short) < len(header):
        failures.append(FileFailure(name, "", "column twice", len(header) - len(short)))
    _raise(failures)
    return {c: f"c{short[c[:_LENGTH]]}" for c in expected}


def _check(connection: duckdb.DuckDBPyConnection, name: str, raw: str, numbers: list[str]) -> int:
    """Refuse text in number columns and half-empty keys; return the number of negative item sums."""
    empty = [f"(coalesce({c}, '') = '')" for c in KEY_COLUMNS]
    parts = [f"count(*) FILTER ({c} IS NULL)" for c in numbers]
    parts += [f"count(*) FILTER ({c} < 0)" for c in numbers]
    parts += [f"count(*) FILTER ({' + '.join(f'{e}::INT' for e in empty)} IN (1, 2))"]
    parts += [f"count(*) FILTER (NOT {empty[0]} AND upper(geslacht) NOT IN ('M', 'V'))"]
    counts = _one_row(connection, f"SELECT {', '.join(parts)} FROM {_quoted(raw)}")
    n = len(numbers)
    bad, negative, (partial, sex) = (
        counts[:n],
        dict(zip(numbers, counts[n : 2 * n], strict=True)),
        counts[2 * n :],
    )
    failures = [FileFailure(name, c, "not a number", k) for c, k in zip(numbers, bad, strict=True) if k]
    failures += [FileFailure(name, c, "negative", negative[c]) for c in COUNT_COLUMNS if negative[c]]
    failures += [FileFailure(name, ", ".join(KEY_COLUMNS), "some keys empty, others not", partial)] * bool(
        partial
    )
    failures += [FileFailure(name, "geslacht", "not M or V", sex)] * bool(sex)
    _raise(failures)
    return int(sum(negative[c] for c in numbers if c not in COUNT_COLUMNS))


def _tidy(connection: duckdb.DuckDBPyConnection, raw: str, relation: str, year: int) -> None:
    items = items_of(year)
    basket = [i for i in items if i not in NOT_COMPARABLE]
    label = "regexp_replace(leeftijdsklasse, '\\s+', ' ', 'g')"
    first, last = (f"TRY_CAST(regexp_extract({label}, '{_AGE}', {k}) AS INT)" for k in (1, 2))
    connection.execute(
        f"""CREATE OR REPLACE TEMP TABLE {_quoted(relation)} AS SELECT
            coalesce(gemeentenaam, '') AS municipality,
            CASE upper(geslacht) WHEN 'M' THEN 'M' WHEN 'V' THEN 'F' END AS sex,
            CASE WHEN {label} IN ('90+', '90+ jaar') THEN 90 WHEN {last} = {first} + 4 THEN {first} END AS
            age_from, coalesce(gemeentenaam, '') = '' AS is_rest,
            aantal_bsn AS persons,
            aantal_verzekerdejaren AS insured_years,
            {MSZ} AS cost_msz_eur,
            {" + ".join(basket)} AS cost_basket_eur,
            {" + ".join(items)} AS cost_total_eur
        FROM {_quoted(raw)}"""
    )
    connection.execute(f"DROP TABLE {_quoted(raw)}")
    names = connection.execute(f"SELECT DISTINCT municipality FROM {_quoted(relation)}").fetchall()
    for name, new in ((name, canonical(name)) for (name,) in names):
        if name != new:
            connection.execute(
                f"UPDATE {_quoted(relation)} SET municipality = ? WHERE municipality = ?", [new, name]
            )


def _check_keys(connection: duckdb.DuckDBPyConnection, name: str, relation: str) -> None:
    ages, total, keys = _one_row(
        connection,
        f"""SELECT count(*) FILTER (NOT is_rest AND (age_from IS NULL OR age_from % 5 <> 0 OR age_from > 90)),
            count(*), count(DISTINCT (municipality, sex, age_from, is_rest)) FROM {_quoted(relation)}""",
    )
    failures = [FileFailure(name, "leeftijdsklasse", "not one of the 19 age classes", ages)] * bool(ages)
    if not ages and total > keys:
        failures.append(FileFailure(name, ", ".join(KEY_COLUMNS), "duplicate key", total - keys))
    _raise(failures)


def _raise(failures: list[FileFailure]) -> None:
    if failures:
        lines = [f"{f.table}: {f.column}: {f.rule} ({f.count})" for f in failures]
        raise ContractError(
            "this is not a Vektis file per municipality as downloaded:\n  " + "\n  ".join(lines),
            tuple(failures),
        )
