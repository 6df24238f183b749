"""The figure of the workers."""

from __future__ import annotations

import pandas as pd

from analysis.figures.tasks import SHARED
from analysis.figures.workers import joined


def test_tasks_that_no_eye_could_tell_apart_are_one_bar():
    table = pd.DataFrame(
        {
            "arm": ["a", "a", "a", SHARED, "a"],
            "host": "x",
            "lane": [0, 0, 0, 0, 1],
            "session": 0,
            "start_s": [0.0, 1.0, 900.0, 901.0, 0.0],
            "end_s": [1.0, 2.0, 901.0, 902.0, 1000.0],
            "failed": False,
        }
    )
    assert len(joined(table)) == 5
    bars = joined(table, most=4)
    assert bars[["arm", "start_s", "end_s"]].to_numpy().tolist() == [
        ["a", 0.0, 2.0],
        ["a", 900.0, 901.0],
        [SHARED, 901.0, 902.0],
        ["a", 0.0, 1000.0],
    ]
