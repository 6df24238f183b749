"""The commands, by theme: running a run, looking at it, using its results."""
