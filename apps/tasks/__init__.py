"""The tasks of the workers, one file per kind; `perform` is the envelope of all."""
