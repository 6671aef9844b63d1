"""Vektis files made by hand in every layout: what comes out, and what is refused."""

from __future__ import annotations

import pytest

from pluseval.data.vektis import is_vektis, load_vektis
from pluseval.errors import ContractError, NotFoundError, UnreadableError

OLD = (
    "GESLACHT;LEEFTIJDSKLASSE;GEMEENTENAAM;AANTAL_BSN;AANTAL_VERZEKERDEJAREN;KOSTEN_MEDISCH_SPECIALISTISCHE_ZORG;"
    "KOSTEN_FARMACIE;KOSTEN_TWEEDELIJNS_GGZ;KOSTEN_HUISARTS_INSCHRIJFTARIEF;KOSTEN_HUISARTS_CONSULT;"
    "KOSTEN_HUISARTS_OVERIG;KOSTEN_HULPMIDDELEN;KOSTEN_MONDZORG;KOSTEN_PARAMEDISCHE_ZORG_FYSIOTHERAPIE;"
    "KOSTEN_PARAMEDISCHE_ZORG_OVERIG;KOSTEN_ZIEKENVERVOER_ZITTEND;KOSTEN_ZIEKENVERVOER_LIGGEND;KOSTEN_KRAAMZORG;"
    "KOSTEN_VERLOSKUNDIGE_ZORG;KOSTEN_EERSTELIJNS_PSYCHOLOGISCHE_ZORG;KOSTEN_GRENSOVERSCHRIJDENDE_ZORG;"
    "KOSTEN_EERSTELIJNS_ONDERSTEUNING;KOSTEN_OVERIG"
).split(";")
NEW = (  # names cut at 32 characters, other items, another order
    "geslacht;leeftijdsklasse;gemeentenaam;aantal_bsn;aantal_verzekerdejaren;kosten_medisch_specialistische_z;"
    "kosten_farmacie;kosten_huisarts_inschrijftarief;kosten_huisarts_consult;kosten_huisarts_mdz;"
    "kosten_huisarts_overig;kosten_hulpmiddelen;kosten_mondzorg;kosten_paramedische_zorg_fysioth;"
    "kosten_paramedische_zorg_overig;kosten_ziekenvervoer_zittend;kosten_ziekenvervoer_liggend;kosten_kraamzorg;"
    "kosten_verloskundige_zorg;kosten_grensoverschrijdende_zorg;kosten_eerstelijns_ondersteuning;"
    "kosten_geriatrische_revalidatiez;kosten_eerstelijnsverblijf;kosten_verpleging_en_verzorging;kosten_gzsp;"
    "kosten_integrale_geboortezorg;kosten_innovatiegelden_ggz;kosten_overig;kosten_consulten_ggz;"
    "kosten_intramuraal_verblijf_ggz;kosten_overige_prestaties_ggz"
).split(";")


def row(header, sex, age, place, *, bsn=20, years="10.50", **costs):
    """A line of a file: ``msz``, ``nursing`` ... name the start of a cost column, other items are 0."""
    filled = {"geslacht": sex, "leeftijdsklasse": age, "gemeentenaam": place}
    filled |= {"aantal_bsn": str(bsn), "aantal_verzekerdejaren": years}
    short = {"msz": "kosten_medisch", "drugs": "kosten_farmacie", "nursing": "kosten_verpleging"}
    for column in header:
        if column.lower().startswith("kosten_"):
            given = [str(v) for name, v in costs.items() if column.lower().startswith(short[name])]
            filled[column.lower()] = given[0] if given else "0"
    return ";".join(filled[c.lower()] for c in header)


def write(folder, name, header, lines, encoding="ascii"):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("\n".join([";".join(header), *lines]) + "\n", encoding=encoding)
    return folder


@pytest.fixture
def downloads(tmp_path):
    """Two years: upper case with REST first, and lower case with cut names, unsorted, REST in between."""
    write(
        tmp_path,
        "vektis_2011_gemeente.csv",
        OLD,
        [
            row(OLD, "", "", "", msz=7, years="0.25"),
            row(OLD, "M", " 0 t/m  4 jaar", "HEERLEN", msz="100.10", drugs=10),
            row(OLD, "M", " 5 t/m  9 jaar", "HEERLEN", msz="50.00", years="2.00"),
            row(OLD, "V", "90+", "AMSTERDAM", msz="30.00", drugs="-1.50"),
            row(OLD, "V", "90+", "WEESP", msz="5.00", years="4.00"),
        ],
    )
    write(
        tmp_path,
        "Vektis Open Databestand Zorgverzekeringswet 2023 - gemeente.csv",
        NEW,
        [
            row(NEW, "V", "90+", "AMSTERDAM", msz=40, nursing=100),
            row(NEW, "", "", "", msz=3, years="0.50"),
            row(NEW, "M", " 0 t/m  4 jaar", "HEERLEN", msz=120),
        ],
    )
    return tmp_path


def cell(panel, place, year, sex="M", age=0):
    t = panel.table
    found = t[(t.municipality == place) & (t.year == year) & (t.sex == sex) & (t.age_from == age)]
    assert len(found) == 1
    return found.iloc[0]


def test_every_layout_becomes_one_tidy_table(downloads):
    panel = load_vektis(downloads)
    assert panel.years == (2011, 2023)
    young = cell(panel, "HEERLEN", 2011)
    assert (young.cost_msz_eur, young.cost_total_eur, young.insured_years) == (100.10, 110.10, 10.5)
    assert cell(panel, "HEERLEN", 2023).cost_msz_eur == 120
    assert sorted(panel.table.loc[panel.table.municipality == "HEERLEN", "age_from"]) == [0, 0, 5]


def test_nursing_is_in_the_total_and_not_in_the_comparable_basket(downloads):
    old = cell(load_vektis(downloads), "AMSTERDAM", 2023, "F", 90)
    assert (old.cost_basket_eur, old.cost_total_eur) == (40, 140)


def test_merged_municipalities_are_summed_and_corrections_kept(downloads):
    panel = load_vektis(downloads)
    merged = cell(panel, "AMSTERDAM", 2011, "F", 90)  # AMSTERDAM and WEESP
    assert (merged.cost_msz_eur, merged.cost_total_eur, merged.insured_years) == (35, 33.5, 14.5)
    assert panel.files.loc[2011, "negative_items"] == 1


def test_rest_is_part_of_the_nation_and_of_no_municipality(downloads):
    panel = load_vektis(downloads)
    assert "" not in set(panel.table.municipality)
    assert panel.national.loc[2011, "cost_msz_eur"] == pytest.approx(100.10 + 50 + 30 + 5 + 7)
    assert panel.files.loc[2011, "rest_share"] == pytest.approx(0.25 / 27.25)


def test_mergers_can_be_given(downloads):
    places = set(load_vektis(downloads, mergers={"WEESP": "HILVERSUM"}).table.municipality)
    assert places == {"AMSTERDAM", "HEERLEN", "HILVERSUM"}


def test_only_places_with_every_year_are_in_the_municipal_panel(downloads):
    file = downloads / "vektis_2011_gemeente.csv"
    file.write_text(file.read_text() + row(OLD, "M", "90+", "BAARN") + "\n")
    assert set(load_vektis(downloads).municipal.municipality) == {"AMSTERDAM", "HEERLEN"}


def test_split_places_count_in_the_nation_and_are_no_municipality_of_the_panel(downloads):
    for file, header in (("vektis_2011_gemeente.csv", OLD),):
        path = downloads / file
        path.write_text(path.read_text() + row(header, "M", "90+", "HAAREN", msz=9) + "\n")
    panel = load_vektis(downloads)
    assert "HAAREN" in set(panel.table.municipality) and "HAAREN" not in set(panel.municipal.municipality)
    assert any("HAAREN" in loss.reason and loss.count == 1 for loss in panel.losses)


def test_the_folder_may_stand_above_the_files_and_hold_other_files(downloads, tmp_path_factory):
    above = tmp_path_factory.mktemp("shared")
    (above / "vektis").mkdir()
    for file in downloads.iterdir():
        (above / "vektis" / file.name).write_bytes(file.read_bytes())
    (above / "other.csv").write_text("a;b\n1;2\n")
    assert is_vektis(above) and is_vektis(downloads)
    assert load_vektis(above).content_hash == load_vektis(downloads).content_hash


def test_a_latin_1_file_with_accents_is_read(tmp_path):
    folder = write(
        tmp_path,
        "vektis_2011_gemeente.csv",
        OLD,
        [row(OLD, "M", "90+", "SÚDWEST-FRYSLÂN"), row(OLD, "M", "90+", "HEERLEN")],
        encoding="latin-1",
    )
    panel = load_vektis(folder)
    assert set(panel.table.municipality) == {"SUDWEST-FRYSLAN", "HEERLEN"}
    assert panel.rest.empty and panel.files["rest_share"].isna().all()


def test_of_two_files_of_a_year_the_one_on_later_borders_is_used(downloads):
    old = [row(OLD, "M", "90+", "HEERLEN", msz=1), row(OLD, "M", "90+", "NUTH", msz=1)]
    write(downloads / "old", "vektis_2011_gemeente_indeling2017.csv", OLD, old)
    panel = load_vektis(downloads)
    assert cell(panel, "HEERLEN", 2011).cost_msz_eur == 100.10
    assert any(loss.count == 2 and "2011" in loss.reason for loss in panel.losses)


def test_files_of_one_name_in_two_folders_are_kept_apart(downloads):
    write(downloads / "old", "vektis_2011_gemeente.csv", OLD, [row(OLD, "M", "90+", "NUTH", msz=1)])
    assert cell(load_vektis(downloads), "HEERLEN", 2011).cost_msz_eur == 100.10


def test_two_files_of_a_year_on_the_same_borders_are_refused(downloads):
    write(downloads / "again", "copy_2011.csv", OLD, [row(OLD, "M", "90+", "HEERLEN")])
    with pytest.raises(ContractError, match="same borders; keep one"):
        load_vektis(downloads)


def test_the_hash_is_free_of_row_order_and_layout_and_sees_one_changed_cell(downloads):
    before = load_vektis(downloads).content_hash
    file = downloads / "vektis_2011_gemeente.csv"
    lines = file.read_text().splitlines()
    file.write_text("\n".join([lines[0].lower(), *reversed(lines[1:])]) + "\n")
    assert load_vektis(downloads).content_hash == before
    file.write_text(file.read_text().replace("100.10", "100.11"))
    assert load_vektis(downloads).content_hash != before


def test_all_failures_of_all_files_are_told_at_once_without_values(downloads):
    first = downloads / "vektis_2011_gemeente.csv"
    first.write_text(first.read_text().replace("100.10", "secret"))
    second = next(downloads.glob("*2023*"))
    second.write_text(second.read_text().replace("kosten_gzsp", "kosten_nieuw"))
    with pytest.raises(ContractError) as caught:
        load_vektis(downloads)
    told = {(f.column, f.rule, f.count) for f in caught.value.failures}
    assert ("kosten_medisch_specialistische_zorg", "not a number", 1) in told
    assert ("kosten_gzsp", "missing column", 1) in told
    assert any(column == "kosten_nieuw" for column, _, _ in told)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        (("M", " 0 t/m  4 jaar", "HEERLEN"), "duplicate key"),
        (("X", "90+", "HEERLEN"), "not M or V"),
        (("M", "3 t/m 7 jaar", "HEERLEN"), "not one of the 19 age classes"),
        (("M", "old", "HEERLEN"), "not one of the 19 age classes"),
        (("M", "", "HEERLEN"), "some keys empty, others not"),
    ],
)
def test_broken_keys_are_refused(downloads, line, rule):
    file = downloads / "vektis_2011_gemeente.csv"
    file.write_text(file.read_text() + row(OLD, *line) + "\n")
    with pytest.raises(ContractError, match=rule):
        load_vektis(downloads)


def test_negative_insured_years_are_refused_and_negative_costs_are_not(downloads):
    file = downloads / "vektis_2011_gemeente.csv"
    file.write_text(file.read_text() + row(OLD, "V", "90+", "HEERLEN", years="-1.00") + "\n")
    with pytest.raises(ContractError, match="aantal_verzekerdejaren: negative"):
        load_vektis(downloads)


def test_a_municipality_that_is_not_on_the_map_is_refused(downloads):
    file = downloads / "vektis_2011_gemeente.csv"
    file.write_text(file.read_text() + row(OLD, "V", "90+", "NUTH") + "\n")
    with pytest.raises(ContractError, match="1 municipalities are on borders"):
        load_vektis(downloads)


def test_what_is_not_there_or_cannot_be_read_is_told(downloads, tmp_path_factory):
    empty = tmp_path_factory.mktemp("empty")
    with pytest.raises(NotFoundError, match="no folder"):
        load_vektis(empty / "nowhere")
    with pytest.raises(NotFoundError, match=r"vektis\.nl"):
        load_vektis(empty)
    assert not is_vektis(empty) and not is_vektis(empty / "nowhere")
    write(empty, "vektis_2011_gemeente.csv", OLD, [])
    with pytest.raises(UnreadableError, match="no row"):
        load_vektis(empty)
    write(empty, "vektis_2011_gemeente.csv", OLD, [row(OLD, "M", "90+", "HEERLEN")[:-30]])
    with pytest.raises(UnreadableError, match="cut off"):
        load_vektis(empty)
    (empty / "vektis_2011_gemeente.csv").rename(empty / "vektis.csv")
    with pytest.raises(UnreadableError, match="holds no year"):
        load_vektis(empty)


def test_the_files_are_left_as_they_were(downloads):
    before = {f.name: f.read_bytes() for f in downloads.iterdir()}
    load_vektis(downloads)
    assert {f.name: f.read_bytes() for f in downloads.iterdir()} == before
