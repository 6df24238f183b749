"""The worker process itself: limits on time and memory, stopping in order, what a task took."""
