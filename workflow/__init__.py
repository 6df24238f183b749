"""The driver: decides what runs next. Its Python interface is the package `heterosis`.

The rooms, each of which may import those below it, not those beside it:

* `cli`: the command `heterosis`
* `commands`: what stands behind it, by theme
* `launch`, `watching`: one run from its experiment to its report; looking at a run from outside
* `runs`, `preflight`: a run on disk; before a run: plan, rehearsal, doctor
* `driver`: while a run goes on: each trial's graph, Parsl's engine, retention, progress
* `experiment`: the experiment file, checked and completed

Beside them lie `experiments/`, the ready ones, and `templates/`, what `heterosis new` writes.
"""
