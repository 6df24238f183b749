"""The worker process: time limits, memory notes, stopping, measuring what a task took."""
