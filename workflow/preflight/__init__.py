"""Before a run: what it would compute and take, and what it would trip over."""
