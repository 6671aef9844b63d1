"""A seed made from the content of a frame, where nobody should choose one."""

from __future__ import annotations

import hashlib

import numpy as np

from pluseval.data.frame import AnalysisFrame

COLUMNS = ["period", "entry", "numerator", "exposure"]
RANGE = 1_000_000  # six digits, so that a convention can show it


def content_seed(frame: AnalysisFrame) -> int:
    """A seed from 0 to 999,999 that follows from the values of a frame alone.

    The same data give the same draws and other data other ones, whoever asks and however the rows are
    ordered or the practices are called, so that a seed cannot be picked for its result. Values count to ten
    digits, because the last ones can differ between machines.

    Examples
    --------
    >>> import pandas as pd
    >>> from pluseval.data.frame import AnalysisFrame, Measure
    >>> data = pd.DataFrame({"practice": list("ABCD"), "year": [2018, 2019] * 2, "entry": [2019, 2019, 0, 0],
    ...                      "pct": [30.0, 31, 32, 35]})
    >>> pct = Measure("pct", "referral percentage", "verwijspercentage", "per 100", "per 100", "points",
    ...               "punten", "lower")
    >>> frames = [AnalysisFrame.from_pandas(rows, unit="practice", period="year", y="pct", entry="entry",
    ...                                     measure=pct) for rows in (data, data[::-1])]
    >>> content_seed(frames[0]) == content_seed(frames[1])
    True
    """
    values = frame.cells[COLUMNS].to_numpy(float)
    values = values[np.lexsort(values.T[::-1])]
    text = "\n".join(" ".join(f"{value:.9e}" for value in row) for row in values)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") % RANGE
