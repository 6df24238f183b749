"""What the notebooks call: opens a run or stored results, and shows numbers, figures and words.

Every function takes what `open_run` returns. Where the folder lacks the numbers it returns a `Text`
that names the file they belong in, so that a notebook runs to its end.
"""

from analysis.notebook.comparing import against, improvements, power_table, statistics, verdict
from analysis.notebook.kinship import (
    damage,
    damage_by_distance,
    family,
    gain_by_distance,
    mended,
    species,
)
from analysis.notebook.opening import NotebookError, Run, open_run
from analysis.notebook.poster import poster, poster_in_words
from analysis.notebook.running import arms, costs, curves, failures
from analysis.notebook.shown import Picture, Shown, Table, Text

__all__ = [
    "NotebookError",
    "Picture",
    "Run",
    "Shown",
    "Table",
    "Text",
    "against",
    "arms",
    "costs",
    "curves",
    "damage",
    "damage_by_distance",
    "failures",
    "family",
    "gain_by_distance",
    "improvements",
    "mended",
    "open_run",
    "poster",
    "poster_in_words",
    "power_table",
    "species",
    "statistics",
    "verdict",
]
