"""The columns of a table that are the same in every rerun."""

from __future__ import annotations

import pandas as pd

from apps.records.tables_schema import MEASURED


def reproducible(data: pd.DataFrame) -> pd.DataFrame:
    """Return the columns of a table that every rerun repeats bit for bit."""
    return data[[name for name in data.columns if name not in MEASURED]]
