"""What is read off a run's tables."""

from __future__ import annotations

import pandas as pd

from analysis.tables import networks_of


def test_a_row_of_an_older_run_is_one_networks() -> None:
    epochs = pd.DataFrame({"epoch": [1, 2]})
    assert networks_of(epochs).tolist() == [1, 1]
    assert networks_of(epochs.assign(relatives=[6, 1])).tolist() == [6, 1]
