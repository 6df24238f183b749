"""Before a run begins: what would fail on the workers fails here, and what networks cost."""
