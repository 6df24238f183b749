"""What the notebooks call: opens a run or stored results, and shows numbers, figures and words.

Every function takes what `open_results` returns. Where the folder lacks the numbers it returns a
`Text` that names the file they belong in, so that a notebook runs to its end.
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
from analysis.notebook.opening import NotebookError, Results, open_results
from analysis.notebook.poster import poster, poster_in_words
from analysis.notebook.running import arms, costs, curves, failures
from analysis.notebook.shown import Picture, Shown, Table, Text

__all__ = [
    "NotebookError",
    "Picture",
    "Results",
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
    "open_results",
    "poster",
    "poster_in_words",
    "power_table",
    "species",
    "statistics",
    "verdict",
]

open_run = open_results
"""What `open_results` was called in 1.0.0."""
