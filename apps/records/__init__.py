"""What stays of a run on disk: every path, checkpoints, result files, the tables' columns."""
