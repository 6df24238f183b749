"""What the notebooks call: opens a run or stored results, and shows numbers, figures and words.

Every function takes what `open_run` returns. What a folder has no numbers for becomes a `Text` that
says where they would stand; a notebook goes on after it.
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
