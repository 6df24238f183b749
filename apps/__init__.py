"""What runs on a worker, and the mathematics it needs.

The rooms, each of which may import those below it:

* `preflight`: a trial in small before a run begins: whether it can be built, and what is meant to
  vary does
* `tasks`: what a worker is asked to do, one file per kind of task
* `breeding`, `champion`: a population at its halt, merge, offspring; a champion opened again
* `training`: one network: its epochs, its evaluation, its state in and out
* `architecture`: a Keras model's symmetries, and how its layers grow or shrink
* `networks`: networks by name or from a user's function, built from a seed and compiled
* `datasets`, `records`, `worker`: data; what stays of a run on disk; the worker process itself
* `messages`: what travels between driver and workers, and its fingerprints
* `genetics`: the mathematics, NumPy and SciPy only
* ground floor: `errors`, `files`, `output`, `seeds`, `plugins`, `lookup`, `recent`,
  `strict`, `runtime`
"""
