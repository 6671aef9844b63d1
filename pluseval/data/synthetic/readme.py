"""The README that every synthetic study carries."""

from __future__ import annotations

from pluseval.data.synthetic.effects import Effects
from pluseval.data.synthetic.parameters import Parameters

README = "README.md"

_CONDITIONED = """\
The practice shocks of this study were drawn, before any person, so that one named reading - least squares on
the unweighted practice changes 2018 to 2019 of referrals per 100 enlisted, pooled variance - gives -2.4
points with p = 0.032, and so that report grade, Net Promoter Score, cost levels and the tests called not
significant look as published. It shows that the pipeline runs and what its pages look like. It is **no
evidence about PlusPraktijken**: whatever it shows was put in. `pluseval` refuses it for error rates,
coverage, power and recovery.
"""
_PLANTED = """\
The effects were set in the generator (`truth.json`, under `planted`), and everything else is drawn at random.
It serves to see whether a method finds what was planted. It says nothing about PlusPraktijken.
"""


def readme(*, kind: str, seed: int, parameters: Parameters, effects: Effects, label: str) -> str:
    """The text: what the folder is, the warning, how to make it again, the licence."""
    names = ", ".join(p.name for p in parameters.programmes)
    option = " --kind conditioned" if kind == "conditioned" else ""
    custom = "" if parameters == Parameters() else " (with the parameters in `truth.json`)"
    return f"""\
# A synthetic study ({kind})

**{label[0].upper()}{label[1:]}.**

No person and no practice in these files exists.

{_CONDITIONED if kind == "conditioned" else _PLANTED}
| file | one row per |
|---|---|
| `practices.parquet` | practice: programme, treated, start, batch |
| `practice_links.parquet` | merger |
| `practice_years.parquet` | practice and year: list size on 1 July |
| `insured_years.parquet` | person and year: insured days, MSZ and total cost in whole euros |
| `referrals.parquet` | referral |
| `surveys.parquet` | questionnaire sent: EQ-5D-5L, VAS, report grade, NPS |
| `study.toml` | name, kind and window of the study |
| `truth.json` | every parameter, the seed, `planted` effects, and `conditioned_on` |

Programmes: {names}. Years {parameters.first_year}-{parameters.last_year}. Levels, skew and
variation follow published national and regional figures where there are any; what is not published is an
assumption, and all of it is in `truth.json`. No row follows from a real person's record.

Make it again{custom}; the result is the same, byte for byte on one machine and lock:

```
pluseval synthesize --seed {seed}{option} --effects {effects.name} FOLDER
```

Licence: CC BY 4.0, as the other texts of pluseval. Keep the warning with every copy.
"""
