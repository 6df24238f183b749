"""While a run goes on: the graph of each trial, Parsl's engine, retention, progress."""
